//! Where the nodes were, and who heard whom.

use std::collections::BTreeMap;

use super::super::layout::Layout;
use super::super::quantity::{count, plural};
use super::chart::{WIDTH, sheet};
use super::labels::Labels;
use super::svg::{Anchor, Svg};
use crate::recording::Recording;

/// The busiest links are drawn; more would be a grey blot.
const LINKS_MAX: usize = 3_000;
/// With more nodes than this, dots are small, and names are tips only.
const LARGE_MAX: usize = 120;
const SIDE: f64 = 48.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 64.0;

/// Radio traffic between two nodes.
struct Pair {
    a: usize,
    b: usize,
    there: u64,
    back: u64,
}

pub(super) fn plot(recording: &Recording) -> Option<String> {
    let layout = Layout::of(recording)?;
    let page = Page::new(&layout);
    let moves = |node: usize| {
        layout.real
            && recording
                .nodes
                .get(node)
                .is_some_and(|node| node.places.len() > 1)
    };
    let (mut pairs, wires) = (pairs(recording), wires(recording));
    let found = found(recording, &layout, &pairs, wires.len());
    // Whoever moved heard many in passing: lines to its first place would cross the whole map.
    pairs.retain(|pair| !moves(pair.a) && !moves(pair.b));

    let mut svg = sheet(recording, page.height, "Who heard whom", &found);
    let at = |node: usize| layout.nodes.get(node).map(|place| page.at(*place));
    let name = |node: usize| recording.nodes.get(node).map_or("", |node| &node.name);
    let most = pairs.first().map_or(1, |pair| pair.there + pair.back).max(1) as f64;
    let thickest = if pairs.len() > 400 { 2.5 } else { 4.5 };
    for Pair { a, b, there, back } in pairs.iter().take(LINKS_MAX).rev() {
        let (Some(from), Some(to)) = (at(*a), at(*b)) else {
            continue;
        };
        let class = if *there == 0 || *back == 0 {
            "one-way"
        } else {
            "heard"
        };
        let width = 0.4 + thickest * ((there + back) as f64 / most).sqrt();
        let tip = format!(
            "{} to {}: {} frames, back: {}",
            name(*a),
            name(*b),
            count(*there),
            count(*back)
        );
        svg.link(class, from, to, width, &tip);
    }
    for (a, b) in wires.iter().take(LINKS_MAX) {
        if let (Some(from), Some(to)) = (at(*a), at(*b)) {
            svg.link(
                "wire",
                from,
                to,
                1.5,
                &format!("wire between {} and {}", name(*a), name(*b)),
            );
        }
    }
    nodes(&mut svg, recording, &layout, &page, moves);
    let mut entries = Vec::new();
    if pairs.iter().any(|pair| pair.there > 0 && pair.back > 0) {
        entries.push(("heard", "heard each other (thicker: more frames)", 270.0));
    }
    if pairs.iter().any(|pair| pair.there == 0 || pair.back == 0) {
        entries.push(("one-way", "in one direction only", 170.0));
    }
    if !wires.is_empty() {
        entries.push(("wire", "wired", 90.0));
    }
    if (0..recording.nodes.len()).any(moves) {
        entries.push(("track", "way of a node that moves", 200.0));
    }
    page.legend(&mut svg, &layout, &entries);
    Some(svg.finish())
}

/// Who heard whom, the busiest first.
fn pairs(recording: &Recording) -> Vec<Pair> {
    let mut frames = BTreeMap::<(usize, usize), (u64, u64)>::new();
    for heard in &recording.heard {
        let (there, back) = frames
            .entry((heard.from.min(heard.to), heard.from.max(heard.to)))
            .or_default();
        *(if heard.from < heard.to { there } else { back }) += heard.frames;
    }
    let mut pairs: Vec<Pair> = frames
        .into_iter()
        .map(|((a, b), (there, back))| Pair { a, b, there, back })
        .collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.there + pair.back));
    pairs
}

fn wires(recording: &Recording) -> Vec<(usize, usize)> {
    let mut wires: Vec<(usize, usize)> = recording
        .links
        .iter()
        .map(|link| (link.a.min(link.b), link.a.max(link.b)))
        .collect();
    wires.sort_unstable();
    wires.dedup();
    wires
}

fn found(recording: &Recording, layout: &Layout, pairs: &[Pair], wires: usize) -> String {
    let mut found = plural(recording.nodes.len() as u64, "node");
    let one_way = pairs
        .iter()
        .filter(|pair| pair.there == 0 || pair.back == 0)
        .count();
    if !pairs.is_empty() {
        found = format!(
            "{found}; {} heard each other",
            plural((pairs.len() - one_way) as u64, "pair")
        );
    }
    if one_way > 0 {
        found = format!("{found}, {} only one way", count(one_way as u64));
    }
    if wires > 0 {
        found = format!("{found}; {}", plural(wires as u64, "wired link"));
    }
    let left_out = pairs.len().saturating_sub(LINKS_MAX) + wires.saturating_sub(LINKS_MAX);
    if left_out > 0 {
        found = format!(
            "{found}; the {} quietest links are not drawn",
            count(left_out as u64)
        );
    }
    if !layout.real {
        found.push_str("; without places, on a ring");
    }
    format!("{found}.")
}

fn nodes(svg: &mut Svg, recording: &Recording, layout: &Layout, page: &Page, moves: impl Fn(usize) -> bool) {
    let many = recording.nodes.len() > LARGE_MAX;
    let radius = if many { 3.0 } else { 6.0 };
    let places: Vec<(f64, f64)> = layout.nodes.iter().map(|place| page.at(*place)).collect();
    let mut labels = Labels::new(WIDTH, page.height - BOTTOM + 16.0, &places, radius);
    for (index, (node, place)) in recording.nodes.iter().zip(&places).enumerate() {
        if moves(index) {
            let track: Vec<_> = node.places.iter().map(|at| page.at((at.x_m, at.y_m))).collect();
            svg.path("track", &track);
        }
        svg.circle(
            if moves(index) { "dot2" } else { "dot" },
            *place,
            radius,
            &node.name,
        );
    }
    for (node, place) in recording.nodes.iter().zip(&places).filter(|_| !many) {
        labels.put(svg, *place, &node.name);
    }
}

/// From metres to the page.
struct Page {
    height: f64,
    scale: f64,
    middle_m: (f64, f64),
}

impl Page {
    /// As high as the map needs at full width, within reason.
    fn new(layout: &Layout) -> Self {
        let width = WIDTH - 2.0 * SIDE;
        let wanted = width * layout.height_m() / layout.width_m();
        let height = wanted.clamp(280.0, 640.0);
        Self {
            height: height + TOP + BOTTOM,
            scale: (width / layout.width_m()).min(height / layout.height_m()),
            middle_m: layout.middle_m(),
        }
    }

    fn at(&self, (x_m, y_m): (f64, f64)) -> (f64, f64) {
        let x = WIDTH / 2.0 + (x_m - self.middle_m.0) * self.scale;
        let y = (TOP + self.height - BOTTOM) / 2.0 - (y_m - self.middle_m.1) * self.scale;
        (x, y)
    }

    fn legend(&self, svg: &mut Svg, layout: &Layout, entries: &[(&str, &str, f64)]) {
        let y = self.height - 26.0;
        let mut x = SIDE - 24.0;
        for (class, words, advance) in entries {
            svg.link(class, (x, y), (x + 28.0, y), 3.0, words);
            svg.text("small soft", Anchor::Start, (x + 36.0, y + 4.0), words);
            x += advance;
        }
        if !layout.real {
            return;
        }
        let length_m = layout.scale_bar_m();
        let (from, to) = (WIDTH - SIDE - length_m * self.scale, WIDTH - SIDE);
        svg.line("axis", (from, y), (to, y));
        svg.line("axis", (from, y - 4.0), (from, y + 4.0));
        svg.line("axis", (to, y - 4.0), (to, y + 4.0));
        let words = if length_m >= 1_000.0 {
            format!("{} km", length_m / 1_000.0)
        } else {
            format!("{length_m} m")
        };
        svg.text("small soft", Anchor::Middle, ((from + to) / 2.0, y - 8.0), &words);
    }
}
