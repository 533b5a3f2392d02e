//! The door on a loopback port, before a real node.

mod bearer;
mod client;
mod discovery;
mod house;
mod origins;
mod page;
mod reading;
mod refusing;
mod rights;
mod streaming;
mod versions;
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
