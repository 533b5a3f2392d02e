//! The tables `[[faults]]`.

use super::Context;
use crate::scenario::fault::{Fault, FaultKind, When};
use crate::scenario::reader::Reader;

/// Most nodes that a fault strikes in all, each as often as it is struck.
const STRIKES_MAX: u64 = 1_000_000;

pub(super) fn read(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<Fault> {
    let when = when(reader, context);
    let lasting_us = reader.duration("for");
    let is_split = reader.kind() == Some("split");
    let needs_radio = matches!(reader.kind(), Some("radio-unplugged" | "airtime-ledger-lost"));
    let nodes = match reader.nodes("nodes", &context.names) {
        Some(nodes) => {
            let without = nodes
                .iter()
                .find(|node| needs_radio && !context.has_radio(**node));
            if let Some(node) = without.filter(|_| !reader.says("nodes", "*")) {
                let what = format!("`{}` has no radio", context.names.node(*node));
                reader.reject("nodes", what, "nodes that have one");
            }
            nodes
        }
        None if is_split => Vec::new(),
        None => (0..context.names.len()).collect(),
    };
    let nodes: Vec<usize> = nodes
        .into_iter()
        .filter(|node| !needs_radio || context.has_radio(*node))
        .collect();
    let pick = reader.integer("pick").map(|pick| pick as usize);
    if let Some(pick) = pick
        && pick > nodes.len()
    {
        let what = format!("there are only {} nodes that it may strike", nodes.len());
        reader.reject("pick", what, format!("a whole number from 1 to {}", nodes.len()));
    }
    let kind = kind(reader, context);
    let when = when?;
    let struck = pick.unwrap_or(nodes.len()).max(1);
    if times(&when).saturating_mul(struck as u64) > STRIKES_MAX {
        let what = format!("it would strike {struck} nodes {} times", times(&when));
        reader.reject_table(what, format!("up to {STRIKES_MAX} strikes; see `pick`"));
        return None;
    }
    Some(Fault {
        kind: kind?,
        when,
        lasting_us,
        nodes,
        pick,
    })
}

fn when(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<When> {
    const WAYS: [&str; 3] = ["at", "every", "times"];
    let given: Vec<&str> = WAYS.into_iter().filter(|key| reader.has(key)).collect();
    match given[..] {
        ["at"] => {
            for key in ["from", "until"].into_iter().filter(|key| reader.has(key)) {
                reader.reject(
                    key,
                    "it says nothing with `at`",
                    "it goes with `every` and `times`",
                );
            }
            context.within_duration(reader, "at").map(When::At)
        }
        ["every"] => {
            let (from_us, until_us) = context.window(reader);
            let interval_us = reader.duration("every")?;
            Some(When::Every {
                interval_us,
                from_us,
                until_us,
            })
        }
        ["times"] => {
            let (from_us, until_us) = context.window(reader);
            let times = reader.integer("times")? as usize;
            Some(When::Between {
                from_us,
                until_us,
                times,
            })
        }
        [] => {
            reader.reject_table("nothing says when it happens", "one of at, every, times");
            None
        }
        [first, second, ..] => {
            let what = format!("`{first}` says already when it happens");
            reader.reject(second, what, "one of at, every, times");
            None
        }
        [_] => None,
    }
}

/// How often a fault strikes, about.
fn times(when: &When) -> u64 {
    match *when {
        When::At(_) => 1,
        When::Every {
            interval_us,
            from_us,
            until_us,
        } => (until_us - from_us) / interval_us.max(1),
        When::Between { times, .. } => times as u64,
    }
}

fn kind(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<FaultKind> {
    let share = || reader.number("share");
    Some(match reader.kind()? {
        "crash" => FaultKind::Crash {
            disk_lost: reader.flag("disk_lost").unwrap_or(false),
            torn_write: reader.flag("torn_write").unwrap_or(false),
        },
        "restart" => FaultKind::Restart,
        "disk-full" => FaultKind::DiskFull,
        "clock-jump" => FaultKind::ClockJump {
            by_ms: reader.signed_duration_ms("by")?,
        },
        "clock-unset" => FaultKind::ClockUnset,
        "link-down" => FaultKind::LinkDown,
        "split" => {
            let wired = reader.flag("wired").unwrap_or(true);
            let radio = reader.flag("radio").unwrap_or(true);
            if !wired && !radio {
                reader.reject("radio", "nothing is split", "true here, or for `wired`");
            }
            FaultKind::Split {
                sides: reader.sides("sides", &context.names)?,
                wired,
                radio,
            }
        }
        "loss" => FaultKind::Loss { share: share()? },
        "corrupt" => FaultKind::Corrupt { share: share()? },
        "duplicate" => FaultKind::Duplicate { share: share()? },
        "radio-unplugged" => FaultKind::RadioUnplugged,
        "airtime-ledger-lost" => FaultKind::AirtimeLedgerLost,
        "bit-rot" => FaultKind::BitRot {
            chunks: reader.integer("chunks").map_or(1, |chunks| chunks as usize),
        },
        "image-restored" => FaultKind::ImageRestored {
            age_us: reader.duration("age")?,
        },
        _ => FaultKind::Cloned,
    })
}
