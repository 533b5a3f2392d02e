//! What a frame is, for counting.

/// Of a frame on a wired link: its third byte (docs/wire.md).
pub(crate) fn wired(frame: &[u8]) -> &'static str {
    match frame.get(2) {
        Some(1) => "hello",
        Some(2) => "membership",
        Some(3) => "announcement",
        Some(4) => "sync_request",
        Some(5) => "changes",
        Some(6) => "acknowledgement",
        Some(7) => "storage_request",
        Some(8) => "storage_response",
        Some(9) => "storage_error",
        Some(10) => "twin",
        _ => "other",
    }
}

/// Of a frame on air, by its first byte, and for whole messages by the message's own first byte (docs/radio.md).
pub(crate) fn on_air(frame: &[u8], message: Option<u8>) -> &'static str {
    match frame.first().map(|first| first >> 5) {
        Some(0) => "introduction",
        Some(1) => match message {
            Some(1) => "beacon",
            Some(2 | 3) => "entries",
            Some(4) => "summary",
            Some(5) => "want",
            Some(6) => "chunk",
            Some(7) => "statement_list",
            Some(8) => "statements",
            Some(11) => "ask",
            Some(12) => "acknowledgements",
            Some(13) => "live_question",
            Some(14) => "living",
            _ => "message",
        },
        Some(2) => "fragment",
        Some(3) => "poll",
        Some(4) => "status",
        _ => "other",
    }
}
