//! What a seed draws: who is there, what carries their data, what breaks, who lies and what is written, as parts that can be taken away
//! one by one. Their text is a scenario like any other.

use std::fmt::Write;

/// An hour, in seconds: the unit of all times here.
pub(super) const HOUR_S: u64 = 3600;

/// A table of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Such as `faults`.
    pub(super) table: &'static str,
    /// Whom it names, and how.
    pub(super) nodes: Named,
    /// When it is there, in seconds; `None`: all the time.
    pub(super) span_s: Option<(u64, u64)>,
    /// How that is written.
    pub(super) written: Written,
    /// All other lines.
    pub(super) lines: String,
    /// How many operations a workload has.
    pub(super) count: Option<u64>,
}

/// How a part names nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// Under this key. A part whose nodes are all gone is gone.
    List(&'static str, Vec<usize>),
    /// `from` and `to`.
    Pair(usize, usize),
    /// `between` the first two; the others carry between them, and with the last of these it is gone.
    Between(usize, usize, Vec<usize>),
    /// `from`, in a line.
    Line(Vec<usize>),
    /// `sides`.
    Sides(Vec<usize>, Vec<usize>),
}

/// How a part says when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// `at` and `for`. A part that would end after the scenario is gone.
    AtFor,
    /// `at` alone: it is over at once.
    At,
    /// `from` and `until`, cut at the scenario's end.
    FromUntil,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) space: &'static str,
    /// All other lines of its table.
    pub(super) lines: String,
}

/// Everything that a seed drew, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    pub(super) seed: u64,
    pub(super) duration_s: u64,
    pub(super) settle_s: u64,
    /// The lines of `[radio]`, and those of tables within it.
    pub(super) radio: Option<String>,
    /// `None`: taken away.
    pub(super) members: Vec<Option<Member>>,
    pub(super) parts: Vec<Part>,
}

impl Named {
    /// What is left of it without nodes that are gone.
    fn left(&self, is_there: impl Fn(usize) -> bool) -> Option<Self> {
        let keep = |nodes: &[usize]| -> Vec<usize> {
            nodes.iter().copied().filter(|node| is_there(*node)).collect()
        };
        match self {
            Self::List(key, nodes) => Some(keep(nodes))
                .filter(|left| !left.is_empty())
                .map(|left| Self::List(key, left)),
            Self::Line(nodes) => Some(keep(nodes)).filter(|left| left.len() > 1).map(Self::Line),
            Self::Pair(a, b) => (is_there(*a) && is_there(*b)).then(|| self.clone()),
            Self::Between(a, b, thirds) => {
                (is_there(*a) && is_there(*b) && !keep(thirds).is_empty()).then(|| self.clone())
            }
            Self::Sides(a, b) => Some((keep(a), keep(b)))
                .filter(|(a, b)| !a.is_empty() && !b.is_empty())
                .map(|(a, b)| Self::Sides(a, b)),
        }
    }
}

impl Mix {
    /// The seed that drew it, which is the seed of its run, too.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    fn name(&self, node: usize) -> String {
        let member = self.members.get(node).and_then(Option::as_ref);
        format!("{:?}", member.map_or("", |member| member.name))
    }

    fn names(&self, nodes: &[usize]) -> String {
        let names: Vec<String> = nodes.iter().map(|node| self.name(*node)).collect();
        format!("[{}]", names.join(", "))
    }

    /// Its scenario.
    pub fn text(&self) -> String {
        let mut text = format!(
            "name = \"mix-{}\"\nduration = \"{}s\"\nsettle = \"{}s\"\nsample = \"30m\"\nseed = {}\n",
            self.seed, self.duration_s, self.settle_s, self.seed
        );
        if let Some(radio) = &self.radio {
            text += "\n[radio]\n";
            text += radio;
        }
        for member in self.members.iter().flatten() {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n[[nodes]]\nname = {:?}\nspace = {:?}\n{}",
                member.name, member.space, member.lines
            );
        }
        for part in &self.parts {
            self.part(part, &mut text);
        }
        text
    }

    fn part(&self, part: &Part, text: &mut String) {
        let is_there = |node: usize| self.members.get(node).is_some_and(Option::is_some);
        let Some(named) = part.nodes.left(is_there) else {
            return;
        };
        let span = match (part.span_s, part.written) {
            (None, _) => String::new(),
            (Some((from, until)), Written::FromUntil) if from + 60 < until.min(self.duration_s) => {
                format!(
                    "from = \"{from}s\"\nuntil = \"{}s\"\n",
                    until.min(self.duration_s)
                )
            }
            (Some((at, until)), Written::AtFor) if until <= self.duration_s => {
                format!("at = \"{at}s\"\nfor = \"{}s\"\n", until - at)
            }
            (Some((at, _)), Written::At) if at <= self.duration_s => format!("at = \"{at}s\"\n"),
            _ => return,
        };
        let named = match &named {
            Named::List(key, nodes) => format!("{key} = {}\n", self.names(nodes)),
            Named::Line(nodes) => format!("from = {}\nshape = \"line\"\n", self.names(nodes)),
            Named::Pair(a, b) => format!("from = {}\nto = {}\n", self.name(*a), self.name(*b)),
            Named::Between(a, b, _) => format!("between = [{}, {}]\n", self.name(*a), self.name(*b)),
            Named::Sides(a, b) => format!("sides = [{}, {}]\n", self.names(a), self.names(b)),
        };
        let count = part
            .count
            .map_or_else(String::new, |count| format!("count = {count}\n"));
        let _ = write!(text, "\n[[{}]]\n{}{named}{span}{count}", part.table, part.lines);
    }
}
