//! What of a node's memory has a bound, and whether it is kept.

use cairn::mesh::Overheard;
use cairn_transports::lora::REASSEMBLY_BYTES_MAX;

use super::World;
use crate::laws::Broken;

/// Chunks that came and are not on disk yet, in bytes: as the engine's own bound, and one more chunk.
const UNSYNCED_MAX: usize = (24 + 2) << 20;
/// Frames that a station gives to its modem before one of them is out.
const AT_MODEM_MAX: usize = 64;

impl World {
    /// Everything that has a bound keeps it.
    pub(crate) fn memory_is_bounded(&self) -> Result<(), Broken> {
        for (index, node) in self.nodes.iter().enumerate() {
            let mut sizes = vec![(
                "bytes of chunks that are not on disk",
                node.unsynced.values().map(Vec::len).sum(),
                UNSYNCED_MAX,
            )];
            if let Some(radio) = self.radio_of(index) {
                sizes.push((
                    "bytes in reassembly",
                    radio.station.reassembly_bytes(),
                    REASSEMBLY_BYTES_MAX,
                ));
                sizes.push(("overheard bytes", radio.overheard.bytes(), Overheard::LEN_MAX));
                sizes.push(("frames at the modem", radio.queue.len(), AT_MODEM_MAX));
            }
            if let Some((what, size, most)) = sizes.into_iter().find(|(_, size, most)| size > most) {
                return Err(Broken(format!(
                    "node {index} has {size} {what}, and {most} are the bound"
                )));
            }
        }
        Ok(())
    }
}
