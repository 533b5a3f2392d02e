//! The door on a loopback port, before a real node.
