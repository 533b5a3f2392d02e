//! What comes over a serial port and by radio. The laws stand beside the parsers.

use cairn_transports::lora::fuzzing;

/// What an RNode says.
///
/// Laws: it is online before anything else; no piece makes more than a bounded number of outputs; timers go on.
pub fn kiss(data: &[u8]) -> bool {
    fuzzing::kiss(data)
}

/// What an E22 says. Laws as for [`kiss`].
pub fn e22(data: &[u8]) -> bool {
    fuzzing::e22(data)
}

/// What a RYLR says. Laws as for [`kiss`].
pub fn rylr(data: &[u8]) -> bool {
    fuzzing::rylr(data)
}

/// Frames from the air.
///
/// Laws: nothing opens that no member sealed; what opens has one form.
pub fn radio_frame(data: &[u8]) -> bool {
    fuzzing::radio_frame(data)
}

/// Fragments of objects.
///
/// Laws: whatever members send takes a bounded memory; what is repaired comes through, whatever was lost.
pub fn fragments(data: &[u8]) -> bool {
    fuzzing::fragments(data)
}

/// Messages by radio, with entries.
///
/// Laws: a message that was read is written so that it reads the same; no entry counts that its writer did not sign.
pub fn radio_message(data: &[u8]) -> bool {
    cairn::mesh::radio_message(data)
}
