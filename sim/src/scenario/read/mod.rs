//! Makes a [`Scenario`] of a TOML text.

mod fault;
mod link;
mod node;
mod radio;
mod workload;

use std::cell::Cell;
use std::fs;
use std::path::Path;

use toml::de::DeTable;

use super::byzantine::{Byzantine, Conduct};
use super::files::{Files, FilesBeside};
use super::keys::SCENARIO;
use super::names::Names;
use super::node::{Budget, Group, Member};
use super::problem::{Found, Problems, ScenarioError};
use super::quantity::{DAY_US, Duration, HOUR_US, SECOND_US};
use super::reader::{Log, Reader};
use super::{Expect, Scenario};

/// Longest scenario that is read, in bytes.
const TEXT_LEN_MAX: usize = 16 << 20;

/// What the tables need to know of one another.
struct Context<'f> {
    files: &'f dyn Files,
    /// The place on earth that is [0, 0].
    origin: Cell<Option<(f64, f64)>>,
    duration_us: u64,
    names: Names,
    groups: Vec<Group>,
    nodes: Vec<Member>,
}

impl Context<'_> {
    fn has_radio(&self, node: usize) -> bool {
        self.groups[self.nodes[node].group].radio.is_some()
    }

    fn is_wired(&self, node: usize) -> bool {
        self.groups[self.nodes[node].group].wired
    }

    /// `from` and `until`, within the duration.
    fn window(&self, reader: &Reader<'_, '_>) -> (u64, u64) {
        let until_us = self.within_duration(reader, "until").unwrap_or(self.duration_us);
        let from_us = self.within_duration(reader, "from").unwrap_or(0);
        if from_us >= until_us {
            let allowed = format!("times before \"{}\"", Duration(until_us));
            reader.reject("from", "this is not before the end", allowed);
            return (0, until_us);
        }
        (from_us, until_us)
    }

    fn within_duration(&self, reader: &Reader<'_, '_>, key: &str) -> Option<u64> {
        let at_us = reader.duration(key)?;
        if at_us > self.duration_us {
            let allowed = format!("up to the duration, which is \"{}\"", Duration(self.duration_us));
            reader.reject(key, "this is after the end of the scenario", allowed);
            return None;
        }
        Some(at_us)
    }
}

impl Scenario {
    /// Reads a scenario's file. Tracks, traces and folders that it names are looked for beside it.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let file = |source| ScenarioError::File {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(file)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&text, &path.display().to_string(), &FilesBeside(folder)).map_err(ScenarioError::Problems)
    }

    /// Reads a scenario. `file` is its name in messages. Fails with all that is wrong, as far as it can be found at once.
    pub fn parse(text: &str, file: &str, files: &dyn Files) -> Result<Self, Problems> {
        let log = Log::default();
        let read = if text.len() > TEXT_LEN_MAX {
            log.add(Found {
                span: 0..0,
                key: None,
                what: format!("this text has {} bytes", text.len()),
                allowed: Some(format!("up to {TEXT_LEN_MAX}")),
            });
            None
        } else {
            let (table, errors) = DeTable::parse_recoverable(text);
            note_syntax_errors(text, &errors, &log);
            // What was made of a broken text would only add to the confusion.
            errors
                .is_empty()
                .then(|| scenario(&Reader::new(table.get_ref(), 0..0, &SCENARIO, &log), files))
        };
        let found = log.into_found();
        match read {
            Some(scenario) if found.is_empty() => Ok(scenario),
            _ => Err(Problems::new(file, text, found)),
        }
    }
}

/// One for each line: what follows the first is mostly its consequence.
fn note_syntax_errors(text: &str, errors: &[toml::de::Error], log: &Log) {
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text.as_bytes()[..span.start.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        log.add(Found {
            span,
            key: None,
            what: format!("this is not TOML: {}", error.message().replace('\n', ", ")),
            allowed: None,
        });
    }
}

fn scenario(reader: &Reader<'_, '_>, files: &dyn Files) -> Scenario {
    let duration_us = reader.duration("duration").unwrap_or(HOUR_US);
    let radio = reader.table("radio").map(|reader| radio::read(&reader));
    let mut context = Context {
        files,
        origin: Cell::new(reader.position("origin")),
        duration_us,
        names: Names::default(),
        groups: Vec::new(),
        nodes: Vec::new(),
    };
    let spaces = node::read(reader, radio.as_ref(), &mut context);
    let links = link::read(reader, &context);
    let budgets = reader
        .tables("budgets")
        .iter()
        .flat_map(|reader| budget(reader, &context))
        .collect();
    let faults = reader
        .tables("faults")
        .iter()
        .filter_map(|reader| fault::read(reader, &context))
        .collect();
    let byzantine = reader
        .tables("byzantine")
        .iter()
        .filter_map(|reader| byzantine(reader, &context))
        .collect();
    let workloads = workload::read(reader, &context);
    Scenario {
        name: reader.name("name").unwrap_or_default(),
        about: reader.text("about").unwrap_or_default(),
        duration_us,
        settle_us: reader.duration("settle").unwrap_or(duration_us.min(DAY_US)),
        sample_us: reader
            .duration("sample")
            .unwrap_or((duration_us / 100).max(SECOND_US)),
        seed: reader.integer("seed").unwrap_or(1),
        radio: radio.map(|radio| radio.settings),
        groups: context.groups,
        nodes: context.nodes,
        spaces,
        links,
        budgets,
        faults,
        byzantine,
        workloads,
        expect: reader
            .table("expect")
            .map(|reader| expect(&reader))
            .unwrap_or_default(),
    }
}

fn budget(reader: &Reader<'_, '_>, context: &Context<'_>) -> Vec<Budget> {
    let between = reader.two_nodes("between", &context.names);
    let out_of_reach = reader.flag("out_of_reach").unwrap_or(false);
    let one_way = reader.flag("one_way").unwrap_or(false);
    let loss_db = reader.number("loss_db");
    let back_loss_db = reader.number("back_loss_db").or(loss_db);
    if out_of_reach == reader.has("loss_db") {
        let what = if out_of_reach {
            "it cannot be out of reach and have a loss"
        } else {
            "nothing is said of the loss"
        };
        reader.reject("loss_db", what, "either loss_db or out_of_reach = true");
    }
    if one_way && reader.has("back_loss_db") {
        reader.reject(
            "back_loss_db",
            "one_way says nothing about the way back",
            "one of the two",
        );
    }
    let Some((from, to)) = between else {
        return Vec::new();
    };
    if let Some(node) = from.iter().chain(&to).find(|node| !context.has_radio(**node)) {
        let what = format!("`{}` has no radio", context.names.node(*node));
        reader.reject("between", what, "nodes that have one");
    }
    let there = Budget {
        from: from.clone(),
        to: to.clone(),
        loss_db,
    };
    let back = Budget {
        from: to,
        to: from,
        loss_db: back_loss_db,
    };
    if one_way { vec![there] } else { vec![there, back] }
}

fn byzantine(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<Byzantine> {
    let nodes = reader.nodes("nodes", &context.names);
    let (from_us, until_us) = context.window(reader);
    let conduct = match reader.kind()? {
        "bad-signatures" => Conduct::BadSignatures {
            per_hour: reader.number("per_hour")?,
        },
        "replay" => Conduct::Replay {
            per_hour: reader.number("per_hour")?,
        },
        "lying-clock" => Conduct::LyingClock {
            ahead_ms: reader.signed_duration_ms("ahead")?,
        },
        "flood" => Conduct::Flood {
            per_hour: reader.number("per_hour")?,
        },
        _ => Conduct::Silence {
            share: reader.number("share").unwrap_or(1.0),
            towards: reader
                .nodes("towards", &context.names)
                .unwrap_or_else(|| (0..context.names.len()).collect()),
        },
    };
    Some(Byzantine {
        nodes: nodes?,
        conduct,
        from_us,
        until_us,
    })
}

fn expect(reader: &Reader<'_, '_>) -> Expect {
    Expect {
        converged_within_us: reader.duration("converged_within"),
        airtime_share_max: reader.number("airtime_share_max"),
        delivery_share_min: reader.number("delivery_share_min"),
        delay_p95_max_us: reader.duration("delay_p95"),
    }
}
