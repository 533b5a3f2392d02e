//! Names of nodes and groups, and what people mean by them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::node::{Group, Member};
use super::problem::hint;

/// Most names that a message lists.
const LISTED_MAX: usize = 12;

/// Who there is.
#[derive(Debug, Default)]
pub(super) struct Names {
    groups: BTreeMap<String, Range<usize>>,
    nodes: BTreeMap<String, usize>,
    in_order: Vec<String>,
    /// All [[nodes]] could be read, so that a name that is not here is wrong.
    is_complete: bool,
}

/// A name of nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) what: String,
    pub(super) allowed: String,
}

impl Names {
    pub(super) fn new(groups: &[Group], nodes: &[Member], is_complete: bool) -> Self {
        let by_name = |(index, node): (usize, &Member)| (node.name.clone(), index);
        Self {
            groups: groups
                .iter()
                .map(|group| (group.name.clone(), group.nodes.clone()))
                .collect(),
            nodes: nodes.iter().enumerate().map(by_name).collect(),
            in_order: nodes.iter().map(|node| node.name.clone()).collect(),
            is_complete,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// A node's name.
    pub(super) fn node(&self, index: usize) -> &str {
        self.in_order.get(index).map_or("", String::as_str)
    }

    /// Nodes that are meant by a name: `*`, a group's, a node's, or part of a group such as `house-1..20`.
    pub(super) fn resolve(&self, name: &str) -> Result<Range<usize>, Unknown> {
        if name == "*" {
            return Ok(0..self.in_order.len());
        }
        if let Some(nodes) = self.groups.get(name) {
            return Ok(nodes.clone());
        }
        if let Some(node) = self.nodes.get(name) {
            return Ok(*node..*node + 1);
        }
        self.part(name).unwrap_or_else(|| Err(self.unknown(name)))
    }

    /// `house-1..20`, or a node that would be in a group if that were larger.
    fn part(&self, name: &str) -> Option<Result<Range<usize>, Unknown>> {
        let (group, numbers) = name.rsplit_once('-')?;
        let nodes = self.groups.get(group)?;
        let (first, last) = numbers.split_once("..").unwrap_or((numbers, numbers));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let outside = Unknown {
            what: format!("there is no `{name}`"),
            allowed: match nodes.len() {
                1 => format!("\"{group}\", which is one node"),
                count => format!(
                    "\"{group}-1\" to \"{group}-{count}\", or part of these as in \"{group}-1..{count}\""
                ),
            },
        };
        if first == 0 || last < first || last > nodes.len() {
            return Some(Err(outside));
        }
        Some(Ok(nodes.start + first - 1..nodes.start + last))
    }

    fn unknown(&self, name: &str) -> Unknown {
        let known = || self.groups.keys().map(String::as_str);
        let mut listed: Vec<String> = known()
            .take(LISTED_MAX)
            .map(|name| format!("\"{name}\""))
            .collect();
        if self.groups.len() > LISTED_MAX {
            listed.push(format!("{} more", self.groups.len() - LISTED_MAX));
        }
        listed.push("\"*\" for all".into());
        Unknown {
            what: format!("there is no node and no group `{name}`{}", hint(name, known())),
            allowed: listed.join(", "),
        }
    }
}
