//! All workloads of a scenario, merged into one order of time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use cairn::model::DocumentPath;

use super::content::Content;
use super::documents::DocumentStream;
use super::readings::ReadingStream;
use super::trace::TraceStream;
use crate::random::Seeds;
use crate::scenario::{FileToWrite, Scenario, Workload, WorkloadKind};

/// What a user does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When, in microseconds since the run's beginning.
    pub at_us: u64,
    /// At which node.
    pub node: usize,
    /// Of which workload: the index in [`Scenario::workloads`].
    pub workload: usize,
    /// To which document.
    pub path: DocumentPath,
    /// What.
    pub kind: OperationKind,
}

/// What is done to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationKind {
    /// It is written, whole.
    Put(Content),
    /// It grows: `whole` is what it holds then, and its last `appended_len` bytes are new.
    Append {
        /// All of it.
        whole: Content,
        /// How much of it is new, in bytes.
        appended_len: u64,
    },
    /// It is deleted.
    Delete,
}

/// Operations of one source, in order of time.
pub(super) enum Stream {
    Documents(Box<DocumentStream>),
    Readings(Box<ReadingStream>),
    Files(FileStream),
    Trace(TraceStream),
}

impl Stream {
    /// When its next operation is.
    fn next_us(&self) -> Option<u64> {
        match self {
            Self::Documents(stream) => stream.next_us(),
            Self::Readings(stream) => stream.next_us(),
            Self::Files(stream) => stream.next_us(),
            Self::Trace(stream) => stream.next_us(),
        }
    }

    /// Its next operations, all at the same time.
    fn draw(&mut self, into: &mut VecDeque<Operation>) {
        match self {
            Self::Documents(stream) => stream.draw(into),
            Self::Readings(stream) => into.extend(stream.draw()),
            Self::Files(stream) => into.extend(stream.draw()),
            Self::Trace(stream) => into.extend(stream.draw()),
        }
    }
}

/// All operations of a scenario, by time; at the same time, in the order of workloads and writers.
pub struct Operations {
    streams: Vec<Stream>,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    drawn: VecDeque<Operation>,
}

impl Operations {
    /// What users of this scenario do with this seed.
    pub fn new(scenario: &Scenario, seeds: &Seeds) -> Self {
        let streams: Vec<Stream> = scenario
            .workloads
            .iter()
            .enumerate()
            .flat_map(|(index, workload)| streams(scenario, index, workload, seeds))
            .collect();
        let due = streams.iter().enumerate();
        Self {
            due: due
                .filter_map(|(index, stream)| Some(Reverse((stream.next_us()?, index))))
                .collect(),
            streams,
            drawn: VecDeque::new(),
        }
    }

    /// When the next operation is.
    pub fn next_us(&self) -> Option<u64> {
        let drawn = self.drawn.front().map(|operation| operation.at_us);
        drawn.or_else(|| self.due.peek().map(|Reverse((at_us, _))| *at_us))
    }
}

fn streams(scenario: &Scenario, index: usize, workload: &Workload, seeds: &Seeds) -> Vec<Stream> {
    match &workload.kind {
        WorkloadKind::Documents { .. } => DocumentStream::all(scenario, index, workload, seeds)
            .into_iter()
            .map(|stream| Stream::Documents(Box::new(stream)))
            .collect(),
        WorkloadKind::Readings { .. } => ReadingStream::all(scenario, index, workload, seeds)
            .into_iter()
            .map(|stream| Stream::Readings(Box::new(stream)))
            .collect(),
        WorkloadKind::Files { files, interval_us } => vec![Stream::Files(FileStream {
            workload: index,
            files: files.clone().into_iter(),
            writers: workload.writers.clone(),
            interval_us: *interval_us,
            until_us: workload.until_us,
            at_us: workload.from_us,
            written: 0,
        })],
        WorkloadKind::Trace { operations } => {
            vec![Stream::Trace(TraceStream::new(
                index, workload, operations, seeds,
            ))]
        }
    }
}

impl Iterator for Operations {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        while self.drawn.is_empty() {
            let Reverse((_, index)) = self.due.pop()?;
            self.streams[index].draw(&mut self.drawn);
            if let Some(next_us) = self.streams[index].next_us() {
                self.due.push(Reverse((next_us, index)));
            }
        }
        self.drawn.pop_front()
    }
}

/// Real files, one after the other.
pub(super) struct FileStream {
    workload: usize,
    files: std::vec::IntoIter<FileToWrite>,
    writers: Vec<usize>,
    interval_us: u64,
    until_us: u64,
    at_us: u64,
    written: usize,
}

impl FileStream {
    fn next_us(&self) -> Option<u64> {
        (self.files.len() > 0 && self.at_us < self.until_us && !self.writers.is_empty()).then_some(self.at_us)
    }

    fn draw(&mut self) -> Option<Operation> {
        let file = self.files.next()?;
        let operation = Operation {
            at_us: self.at_us,
            node: self.writers[self.written % self.writers.len()],
            workload: self.workload,
            path: file.path,
            kind: OperationKind::Put(Content::File {
                source: file.source,
                len: file.len,
            }),
        };
        self.written += 1;
        self.at_us = self.at_us.saturating_add(self.interval_us);
        Some(operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{FilesBeside, NoFiles};

    fn operations_of(text: &str, seed: u64) -> Vec<Operation> {
        let text = format!("name = \"t\"\nduration = \"10h\"\n{text}");
        let scenario =
            Scenario::parse(&text, "t.toml", &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
        Operations::new(&scenario, &Seeds::new(seed)).collect()
    }

    const NODES: &str = "[[nodes]]\nname = \"n\"\ncount = 5\n";

    fn workload(keys: &str) -> String {
        format!("{NODES}[[workload]]\n{keys}\n")
    }

    #[test]
    fn time_never_goes_back_and_seeds_decide() {
        let text = format!(
            "{}[[workload]]\nkind = \"readings\"\nevery = \"7m\"\n",
            workload(
                "kind = \"documents\"\nper_hour_each = 20\nchanges = 0.3\ndeletes = 0.2\nconflicts = 0.2"
            )
        );
        let operations = operations_of(&text, 1);
        assert!(operations.len() > 1000);
        assert!(operations.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        assert!(
            operations
                .iter()
                .all(|operation| operation.at_us < 36_000_000_000)
        );
        assert_eq!(operations, operations_of(&text, 1));
        assert_ne!(operations, operations_of(&text, 2));
    }

    #[test]
    fn another_writer_changes_nothing_of_the_others() {
        let text = |count: usize| {
            format!(
                "[[nodes]]\nname = \"n\"\ncount = {count}\n[[workload]]\nkind = \"documents\"\nper_hour_each = 5\n\
                 changes = 0.3\n[[workload]]\nkind = \"readings\"\nevery = \"1h\"\n"
            )
        };
        let mut many = operations_of(&text(4), 3);
        many.retain(|operation| operation.node < 3);
        assert_eq!(many, operations_of(&text(3), 3));
    }

    #[test]
    fn rates_are_kept() {
        let count = |keys: &str| operations_of(&workload(keys), 4).len();
        let each = count("kind = \"documents\"\nper_hour_each = 20");
        assert!((900..1100).contains(&each), "{each}");
        let all = count("kind = \"documents\"\nper_hour = 100");
        assert!((900..1100).contains(&all), "{all}");
        assert_eq!(count("kind = \"documents\"\ncount = 777"), 777);
        let late = operations_of(
            &workload("kind = \"documents\"\ncount = 50\nfrom = \"2h\"\nuntil = \"3h\""),
            4,
        );
        assert!(
            late.iter()
                .all(|operation| (7_200_000_000..10_800_000_000).contains(&operation.at_us))
        );
    }

    #[test]
    fn shares_are_kept() {
        let text = workload(
            "kind = \"documents\"\ncount = 4000\nchanges = 0.4\ndeletes = 0.1\nconflicts = 0.25\ncategories = [\"public\", \"private\"]",
        );
        let operations = operations_of(&text, 5);
        let (mut seen, mut changed, mut deleted, mut twice) = (std::collections::BTreeSet::new(), 0, 0, 0);
        let mut last: Option<&Operation> = None;
        for operation in &operations {
            let same = last.is_some_and(|last| last.path == operation.path && last.at_us == operation.at_us);
            twice += usize::from(same);
            if same {
                assert_ne!(last.map(|last| last.node), Some(operation.node));
            } else if operation.kind == OperationKind::Delete {
                deleted += 1;
            } else if !seen.insert(operation.path.clone()) {
                changed += 1;
            }
            last = Some(operation);
        }
        let single = operations.len() - twice;
        assert_eq!(single, 4000);
        assert!((320..480).contains(&deleted), "{deleted}");
        assert!((1500..1700).contains(&changed), "{changed}");
        assert!((900..1100).contains(&twice), "{twice}");
        let public = seen
            .iter()
            .filter(|path| path.as_str().starts_with("/public/documents/n-"))
            .count();
        assert!(public.abs_diff(seen.len() / 2) < 10, "{public} of {}", seen.len());
    }

    #[test]
    fn a_deleted_document_is_left_alone() {
        let text = workload("kind = \"documents\"\ncount = 500\nchanges = 0.5\ndeletes = 0.4");
        let mut live = std::collections::BTreeSet::new();
        let mut gone = std::collections::BTreeSet::new();
        for operation in operations_of(&text, 6) {
            match operation.kind {
                OperationKind::Delete => {
                    assert!(live.remove(&operation.path), "what is deleted is there");
                    gone.insert(operation.path);
                }
                _ => {
                    assert!(!gone.contains(&operation.path));
                    live.insert(operation.path);
                }
            }
        }
    }

    #[test]
    fn readings_replace_or_grow() {
        let operations = operations_of(
            &workload("kind = \"readings\"\nevery = \"1h\"\nsize = \"24 B\"\nwriters = \"n-2\""),
            7,
        );
        assert!((9..=12).contains(&operations.len()));
        assert!(operations.iter().all(|operation| operation.node == 1));
        assert!(
            operations
                .iter()
                .all(|operation| operation.path.as_str() == "/private/readings/n-2")
        );
        let text = workload(
            "kind = \"readings\"\nevery = \"1h\"\nsize = \"24 B\"\nbody = \"text\"\nappend = true\nwriters = \"n-2\"",
        );
        let mut before = Vec::new();
        for operation in operations_of(&text, 7) {
            let OperationKind::Append { whole, appended_len } = operation.kind else {
                panic!("it grows");
            };
            assert_eq!(appended_len, 24);
            let bytes = whole.bytes().unwrap();
            assert!(bytes.starts_with(&before) && bytes.len() == before.len() + 24);
            before = bytes;
        }
    }

    #[test]
    fn folders_and_traces_are_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("docs/a")).unwrap();
        std::fs::write(folder.path().join("docs/b.txt"), "hello").unwrap();
        std::fs::write(folder.path().join("docs/a/c"), "").unwrap();
        std::fs::write(
            folder.path().join("t.csv"),
            "time,node,op,path,size\n1.5,n-1,put,/public/x/y,10\n2,n-2,append,/public/x/y,5\n3,n-1,delete,/public/x/y,\n",
        )
        .unwrap();
        let text = format!(
            "name = \"t\"\nduration = \"1h\"\n{NODES}[[workload]]\nkind = \"files\"\nfolder = \"docs\"\nevery = \"10s\"\n\
             category = \"shared\"\n[[workload]]\nkind = \"trace\"\nfile = \"t.csv\"\nfrom = \"10m\"\n"
        );
        let files = FilesBeside(folder.path().to_owned());
        let scenario =
            Scenario::parse(&text, "t.toml", &files).unwrap_or_else(|problems| panic!("{problems}"));
        let operations: Vec<Operation> = Operations::new(&scenario, &Seeds::new(1)).collect();
        let seen: Vec<(u64, usize, &str)> = operations
            .iter()
            .map(|operation| (operation.at_us, operation.node, operation.path.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (0, 0, "/shared/files/a/c"),
                (10_000_000, 1, "/shared/files/b.txt"),
                (601_500_000, 0, "/public/x/y"),
                (602_000_000, 1, "/public/x/y"),
                (603_000_000, 0, "/public/x/y"),
            ]
        );
        let OperationKind::Put(content) = &operations[1].kind else {
            panic!("a file is put");
        };
        assert_eq!((content.len(), content.bytes().unwrap()), (5, b"hello".to_vec()));
        let (OperationKind::Put(put), OperationKind::Append { whole, appended_len }) =
            (&operations[2].kind, &operations[3].kind)
        else {
            panic!("as the trace says");
        };
        assert_eq!((put.len(), whole.len(), *appended_len), (10, 15, 5));
        assert!(whole.bytes().unwrap().starts_with(&put.bytes().unwrap()));
        assert_eq!(operations[4].kind, OperationKind::Delete);
    }
}
