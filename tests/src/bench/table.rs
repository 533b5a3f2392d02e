//! Tables, as text and as Markdown at once.

use std::time::Duration;

/// Rows of cells under a head.
#[derive(Debug, Clone)]
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with no rows yet.
    pub fn new(title: &str, head: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            rows: vec![head.iter().map(ToString::to_string).collect()],
        }
    }

    /// Adds a row, with as many cells as the head has.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "cells in {}", self.title);
        // Long benchmarks show that they live.
        eprintln!("  {}", cells.join("  "));
        self.rows.push(cells);
    }

    /// Prints it, unless it is empty.
    pub fn print(&self) {
        if self.rows.len() < 2 {
            return;
        }
        let columns = self.rows[0].len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let widest = self.rows.iter().map(|row| row[column].chars().count()).max();
                widest.unwrap_or_default().max(3)
            })
            .collect();
        println!("\n{}\n", self.title);
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if index == 0 {
                let rules = widths.iter().map(|width| "-".repeat(*width));
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// A duration in milliseconds, with as many digits as mean something.
pub fn milliseconds(duration: Duration) -> String {
    number(duration.as_secs_f64() * 1000.0)
}

/// A number with three digits that mean something, at least.
pub fn number(value: f64) -> String {
    match value.abs() {
        at if at >= 100.0 => format!("{value:.0}"),
        at if at >= 10.0 => format!("{value:.1}"),
        at if at >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// How many times as much `ours` is as `theirs`.
pub fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 {
        format!("{} ×", number(ours / theirs))
    } else {
        "–".to_owned()
    }
}
