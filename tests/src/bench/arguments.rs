//! The arguments of a benchmark.

/// What a benchmark was told.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// Only what contains one of these runs; empty: everything.
    filters: Vec<String>,
    /// A short run with less of everything: shows that it works, and roughly how well.
    pub quick: bool,
}

impl Arguments {
    /// Reads the arguments: `[--quick] [FILTER]…`.
    ///
    /// `None` when this is no `cargo bench`: tests build the benchmarks and start them, and must not wait for them.
    pub fn read() -> Option<Self> {
        let mut arguments = Self::default();
        let mut bench = false;
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--bench" => bench = true,
                "--test" | "--list" => return None,
                "--quick" => arguments.quick = true,
                "--help" | "-h" => {
                    println!("cargo bench -p cairn-tests --bench NAME -- [--quick] [FILTER]…");
                    return None;
                }
                flag if flag.starts_with('-') => println!("{flag} means nothing here and is left out"),
                filter => arguments.filters.push(filter.to_owned()),
            }
        }
        bench.then_some(arguments)
    }

    /// Says whether the part of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    /// The first in a full run, the second in a quick one.
    pub fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
