//! Texts as QR codes, for the camera of a phone.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};
use serde_json::{Value, json};

use crate::api::refusal::Refusal;

/// The code of `text`: how many modules wide it is, and the dark ones as the outline of an SVG path.
pub(super) fn draw(text: &str) -> Result<Value, Refusal> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|_| Refusal::BadRequest("This is too long to be drawn: copy the text"))?;
    let (width, modules) = (code.width(), code.to_colors());
    let mut outline = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                // Writing to a string cannot fail.
                let _ = write!(outline, "M{x} {y}h{0}v1h-{0}z", run.len());
            }
            x += run.len();
        }
    }
    Ok(json!({ "width": width, "outline": outline }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_modules_are_drawn() {
        let drawn = draw("cairn").unwrap();
        assert_eq!(drawn["width"], 21);
        let outline = drawn["outline"].as_str().unwrap();
        // The upper edge of the mark in the first corner.
        assert!(outline.starts_with("M0 0h7v1h-7z"), "{outline}");
        assert!(draw(&"x".repeat(5000)).is_err());
    }
}
