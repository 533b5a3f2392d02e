//! Tables as RFC 4180 has them: commas, quotes where they are needed, CR LF.

use std::fmt::{Display, Write as _};

/// A table that grows row by row.
pub(super) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table = Self {
            columns: header.len(),
            text: String::new(),
        };
        table.row(header.iter().copied().map(Cell::from));
        table
    }

    /// Adds a row, which has as many cells as the header.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut count = 0;
        for cell in cells {
            if count > 0 {
                self.text.push(',');
            }
            self.text.push_str(&cell.0);
            count += 1;
        }
        debug_assert_eq!(count, self.columns, "a row has other cells than the header");
        self.text.push_str("\r\n");
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A cell, quoted if need be.
pub(super) struct Cell(String);

impl Cell {
    pub(super) const EMPTY: Self = Self(String::new());

    /// Seconds with all microseconds, and no more digits than that takes.
    pub(super) fn seconds(us: u64) -> Self {
        let (s, us) = (us / 1_000_000, us % 1_000_000);
        if us == 0 {
            return Self(s.to_string());
        }
        Self(format!("{s}.{us:06}").trim_end_matches('0').to_owned())
    }

    pub(super) fn number(number: impl Display) -> Self {
        Self(number.to_string())
    }

    pub(super) fn decimal(number: f64, digits: usize) -> Self {
        Self(format!("{number:.digits$}"))
    }

    pub(super) fn or_empty<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::EMPTY, cell)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        if !text.contains([',', '"', '\r', '\n']) {
            return Self(text.to_owned());
        }
        let mut quoted = String::new();
        let _ = write!(quoted, "\"{}\"", text.replace('"', "\"\""));
        Self(quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_row_is_quoted() {
        let mut table = Table::new(&["a", "b", "c"]);
        table.row([
            Cell::from("he said \"no\", twice"),
            Cell::from("two\nlines"),
            Cell::EMPTY,
        ]);
        table.row([
            Cell::seconds(1_500_000),
            Cell::seconds(60_000_000),
            Cell::decimal(0.12345, 3),
        ]);
        let expected = "a,b,c\r\n\"he said \"\"no\"\", twice\",\"two\nlines\",\r\n1.5,60,0.123\r\n";
        assert_eq!(table.finish(), expected);
    }
}
