//! The tables `[[links]]`.

use super::Context;
use crate::scenario::link::{Dialling, Flaps, LinkGroup, Topology, Way, Wire};
use crate::scenario::quantity::SECOND_US;
use crate::scenario::reader::Reader;

/// Most links of a scenario.
const LINKS_MAX: u64 = 2_000_000;

pub(super) fn read(scenario: &Reader<'_, '_>, context: &Context<'_>) -> Vec<LinkGroup> {
    let mut left = LINKS_MAX;
    let mut groups = Vec::new();
    for reader in scenario.tables("links") {
        let Some(group) = link_group(&reader, context) else {
            continue;
        };
        let count = count(&group);
        if count > left {
            let what = format!("these are {count} links");
            reader.reject("from", what, format!("up to {LINKS_MAX} links in all"));
        }
        left = left.saturating_sub(count);
        groups.push(group);
    }
    groups
}

/// How many links these are at most.
fn count(group: &LinkGroup) -> u64 {
    let (a, b) = (group.a.len() as u64, group.b.len() as u64);
    match group.topology {
        Topology::Mesh if group.b.is_empty() => a * a.saturating_sub(1) / 2,
        Topology::Mesh => a * b,
        Topology::Ring | Topology::Line | Topology::Star => a,
        Topology::Random { degree } => a * degree as u64,
    }
}

fn side(reader: &Reader<'_, '_>, key: &str, context: &Context<'_>) -> Option<Vec<usize>> {
    let mut nodes = reader.nodes(key, &context.names)?;
    if let Some(node) = nodes.iter().find(|node| !context.is_wired(**node))
        && !reader.says(key, "*")
    {
        let what = format!("`{}` has wired = false", context.names.node(*node));
        reader.reject(key, what, "nodes that can have wired links");
    }
    nodes.retain(|node| context.is_wired(*node));
    Some(nodes)
}

fn link_group(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<LinkGroup> {
    let a = side(reader, "from", context);
    let b = side(reader, "to", context);
    let wire = wire(reader);
    let topology = match reader.kind()? {
        "ring" => Topology::Ring,
        "line" => Topology::Line,
        "star" => Topology::Star,
        "random" => Topology::Random {
            degree: reader.integer("degree")? as usize,
        },
        _ => Topology::Mesh,
    };
    if matches!(topology, Topology::Ring | Topology::Line | Topology::Star) && reader.has("to") {
        let what = "rings, lines and stars are within one group of nodes";
        reader.reject("to", what, "it goes with shape = \"mesh\" and \"random\"");
    }
    let a = a?;
    let b = if reader.has("to") { b? } else { Vec::new() };
    let others = if b.is_empty() {
        a.len().saturating_sub(1)
    } else {
        b.len()
    };
    if !reader.has("to") && a.len() < 2 {
        reader.reject(
            "from",
            "a node has no link with itself",
            "two nodes or more, or another side `to`",
        );
        return None;
    }
    if let Topology::Random { degree } = topology
        && degree > others
    {
        let what = format!("each has only {others} to be linked with");
        reader.reject("degree", what, format!("a whole number from 1 to {others}"));
    }
    Some(LinkGroup { topology, a, b, wire })
}

fn wire(reader: &Reader<'_, '_>) -> Wire {
    let plain = Way {
        latency_us: 1000,
        jitter_us: 0,
        bandwidth_bps: None,
        loss: 0.0,
        duplicate: 0.0,
        reorder: false,
    };
    let there = way(reader, plain);
    Wire {
        there,
        back: reader.table("back").map_or(there, |reader| way(&reader, there)),
        dialling: match reader.word("dial") {
            Some("from") => Dialling::OnlyA,
            _ => Dialling::Either,
        },
        redial_us: reader.duration("redial").unwrap_or(10 * SECOND_US),
        flaps: reader.table("flaps").and_then(|reader| {
            let (up, down) = (reader.duration("up"), reader.duration("down"));
            Some(Flaps {
                up_us: up?,
                down_us: down?,
            })
        }),
    }
}

fn way(reader: &Reader<'_, '_>, default: Way) -> Way {
    Way {
        latency_us: reader.duration("latency").unwrap_or(default.latency_us),
        jitter_us: reader.duration("jitter").unwrap_or(default.jitter_us),
        bandwidth_bps: reader.integer("bandwidth_bps").or(default.bandwidth_bps),
        loss: reader.number("loss").unwrap_or(default.loss),
        duplicate: reader.number("duplicate").unwrap_or(default.duplicate),
        reorder: reader.flag("reorder").unwrap_or(default.reorder),
    }
}
