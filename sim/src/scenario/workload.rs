//! What users write.

use std::path::PathBuf;

use cairn::model::{Category, DocumentPath};

/// Users who write.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Unique in the scenario: it keys what is drawn, and is the module in the paths of its documents.
    pub name: String,
    /// Which nodes write, ascending.
    pub writers: Vec<usize>,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
    /// What they write.
    pub kind: WorkloadKind,
}

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkloadKind {
    /// Documents of all sizes.
    Documents {
        /// How often.
        rate: Rate,
        /// How long.
        sizes: Sizes,
        /// What they look like.
        body: Body,
        /// Share of the operations that change a document of the same writer.
        changes: f64,
        /// Share of the operations that delete one.
        deletes: f64,
        /// Share of the operations that another node of the space does to the same document at the same time.
        conflicts: f64,
        /// Where: each equally often.
        categories: Vec<Category>,
    },
    /// Real files, by their names, from a folder. The first writer writes the first of them, and so on in turn.
    Files {
        /// In the order of their paths.
        files: Vec<FileToWrite>,
        /// Between two of them; 0: all at once.
        interval_us: u64,
    },
    /// Each writer has one document, and writes its reading there.
    Readings {
        /// Between two. The first is drawn for each writer within the first interval.
        interval_us: u64,
        /// Each interval is longer or shorter by up to this share, drawn evenly.
        jitter: f64,
        /// Bytes of a reading.
        len: u64,
        /// What it looks like.
        body: Body,
        /// Readings are appended, and the document grows. Otherwise a reading replaces the last.
        append: bool,
        /// Where.
        category: Category,
    },
    /// As recorded, in order of time.
    Trace {
        /// What was done.
        operations: Vec<TracedOperation>,
    },
}

/// How often. The times between are drawn from an exponential distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Each writer, so many operations an hour.
    EachPerHour(f64),
    /// All writers together, so many operations an hour.
    AllPerHour(f64),
    /// All writers together, exactly so many operations.
    Count(u64),
}

/// Lengths of documents, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sizes {
    /// All the same.
    Fixed(u64),
    /// Each length equally often.
    Uniform {
        /// Shortest.
        min: u64,
        /// Longest.
        max: u64,
    },
    /// Many around a median and a few far longer, as people's documents are.
    LogNormal {
        /// Half are shorter.
        median: u64,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// Longer ones are cut.
        max: u64,
    },
    /// Most are short, and a few hold most of the bytes.
    Pareto {
        /// Shortest.
        min: u64,
        /// The smaller, the heavier the tail.
        alpha: f64,
        /// Longer ones are cut.
        max: u64,
    },
}

/// What a body looks like; it decides how well it compresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Body {
    /// Noise: does not compress.
    #[default]
    Random,
    /// JSON, as apps write it.
    Json,
    /// Words.
    Text,
}

impl Body {
    /// How the names of such documents end.
    pub(crate) const fn ending(self) -> &'static str {
        match self {
            Self::Random => "",
            Self::Json => ".json",
            Self::Text => ".txt",
        }
    }
}

/// A file that is to be written as a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToWrite {
    /// Where it is.
    pub source: PathBuf,
    /// Where it goes.
    pub path: DocumentPath,
    /// In bytes.
    pub len: u64,
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedOperation {
    /// When.
    pub at_us: u64,
    /// At which node.
    pub node: usize,
    /// To which document.
    pub path: DocumentPath,
    /// What.
    pub write: TracedWrite,
}

/// What was done to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracedWrite {
    /// A body of so many bytes was put.
    Put(u64),
    /// So many bytes were appended.
    Append(u64),
    /// It was deleted.
    Delete,
}
