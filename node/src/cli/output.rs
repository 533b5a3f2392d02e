//! What people see: sizes, times, tables, progress.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Documents shorter than this are stored before a bar would be read.
const BAR_LEN_MIN: u64 = 8 * 1024 * 1024;

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// Prints a value as JSON, on one line for programs.
pub(super) fn json(value: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{value}")
}

/// Prints rows in columns as wide as they need to be.
pub(super) fn table(rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut out = io::stdout().lock();
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// A progress bar on standard error, if a person looks on and it takes long.
pub(super) fn progress(len: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() || len.is_some_and(|len| len < BAR_LEN_MIN) {
        return ProgressBar::hidden();
    }
    let template = if len.is_some() {
        "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
    } else {
        "{bytes}, {bytes_per_sec}"
    };
    let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A text field of a JSON object.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A number of a JSON object.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

/// The code as blocks for a terminal, on standard error.
pub(super) fn qr(code: &str) {
    match qrcode::QrCode::with_error_correction_level(code, qrcode::EcLevel::L) {
        Ok(drawn) => eprintln!("{}", drawn.render::<qrcode::render::unicode::Dense1x2>().build()),
        Err(_) => eprintln!("The code is too long to be drawn: copy the text."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(1 << 40), "1.0 TiB");
    }
}
