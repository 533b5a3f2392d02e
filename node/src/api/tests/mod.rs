//! The door on a loopback port, before a real node.

mod client;
mod house;
mod reading;
mod refusing;
mod streaming;
mod writing;

/// Bytes that no chunk repeats.
fn long_body(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(b"body")
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}
