//! Drawing a mix.

use super::mix::{HOUR_S, Member, Mix, Named, Part, Written};
use crate::random::{Generator, Seeds};

const NAMES: [&str; 6] = ["alder", "birch", "cedar", "dogwood", "elm", "fir"];

impl Mix {
    /// What this seed draws.
    pub fn draw(seed: u64) -> Self {
        Drawing::new(seed).finish()
    }
}

struct Drawing {
    generator: Generator,
    mix: Mix,
    /// Nodes of each space.
    spaces: Vec<Vec<usize>>,
    /// One that does not keep to the protocol.
    liar: Option<usize>,
    /// It dates what it writes years ahead.
    lies_ahead: bool,
    has_wires: bool,
}

impl Drawing {
    fn new(seed: u64) -> Self {
        let mut generator = Seeds::new(seed).generator("mix", "");
        let count = generator.between(3, 6) as usize;
        let first = match count >= 4 && generator.chance(0.4) {
            true => generator.between(2, count as u64 - 2) as usize,
            false => count,
        };
        let spaces = [0..first, first..count]
            .into_iter()
            .filter(|nodes| !nodes.is_empty());
        let (has_wires, has_radio) = match generator.below(100) {
            0..55 => (true, false),
            55..85 => (false, true),
            _ => (true, true),
        };
        let mix = Mix {
            seed,
            duration_s: generator.between(18, 30) * HOUR_S,
            settle_s: if has_wires { 6 } else { 72 } * HOUR_S,
            radio: has_radio.then(|| radio(&mut generator)),
            members: Vec::new(),
            parts: Vec::new(),
        };
        Self {
            generator,
            mix,
            spaces: spaces.map(Iterator::collect).collect(),
            liar: None,
            lies_ahead: false,
            has_wires,
        }
    }

    fn finish(mut self) -> Mix {
        self.members();
        if self.has_wires {
            self.wires();
        }
        self.liars();
        if self.mix.radio.is_some() {
            self.deaf();
        }
        self.workloads();
        self.crashes();
        self.frames();
        self.splits();
        self.clocks();
        self.disks();
        self.mix
    }

    fn all(&self) -> Vec<usize> {
        self.spaces.concat()
    }

    fn one(&mut self) -> usize {
        let count = self.mix.members.len();
        self.generator.index(count)
    }

    /// A node that is no liar.
    fn honest(&mut self) -> usize {
        loop {
            let node = self.one();
            if Some(node) != self.liar {
                return node;
            }
        }
    }

    /// From when until when: within the duration, and so many seconds long.
    fn span(&mut self, shortest_s: u64, longest_s: u64) -> (u64, u64) {
        let lasts_s = self.generator.between(shortest_s, longest_s);
        let at_s = self.generator.between(300, self.mix.duration_s - lasts_s - 1);
        (at_s, at_s + lasts_s)
    }

    fn fault(&mut self, kind: &str, nodes: Vec<usize>, span_s: (u64, u64), written: Written, more: &str) {
        self.mix.parts.push(Part {
            table: "faults",
            nodes: Named::List("nodes", nodes),
            span_s: Some(span_s),
            written,
            lines: format!("kind = {kind:?}\n{more}"),
            count: None,
        });
    }

    fn members(&mut self) {
        let count: usize = self.spaces.iter().map(Vec::len).sum();
        for (node, name) in NAMES.into_iter().enumerate().take(count) {
            let space = if self.spaces[0].contains(&node) {
                "north"
            } else {
                "south"
            };
            let mut lines = String::new();
            if self.mix.radio.is_some() {
                let (x, y) = [(0, 0), (40, 0), (40, 40), (0, 40), (20, 60), (20, 20)][node];
                lines += &format!("place = [{x}, {y}]\n");
            }
            if self.generator.chance(0.3) {
                lines += "clock = { spread = \"2m\", drift_ppm = 50 }\n";
            }
            if self.generator.chance(0.08) {
                lines += "duty = { up = \"2h\", down = \"40m\" }\n";
            }
            self.mix.members.push(Some(Member { name, space, lines }));
        }
    }

    fn link(&mut self, nodes: Named, lines: String) {
        self.mix.parts.push(Part {
            table: "links",
            nodes,
            span_s: None,
            written: Written::At,
            lines,
            count: None,
        });
    }

    /// A good line through each space, and worse links beside it.
    fn wires(&mut self) {
        for nodes in self.spaces.clone() {
            let mut lines = format!("latency = \"{}ms\"\n", self.generator.between(1, 200));
            if self.generator.chance(0.5) {
                lines += &format!(
                    "jitter = \"{}ms\"\nreorder = true\n",
                    self.generator.between(1, 3000)
                );
            }
            if self.generator.chance(0.4) {
                lines += &format!("loss = {}\n", percent(&mut self.generator, 10));
            }
            if self.generator.chance(0.4) {
                lines += &format!("duplicate = {}\n", percent(&mut self.generator, 30));
            }
            self.link(Named::Line(nodes), lines);
        }
        for _ in 0..self.generator.below(3) {
            let (a, b) = (self.one(), self.one());
            let taken = self.mix.parts.iter().any(|part| match &part.nodes {
                Named::Line(nodes) => nodes
                    .windows(2)
                    .any(|pair| pair.contains(&a) && pair.contains(&b)),
                Named::Pair(x, y) => [*x, *y].contains(&a) && [*x, *y].contains(&b),
                _ => false,
            });
            if a == b || taken {
                continue;
            }
            let lines = match self.generator.below(4) {
                0 => "latency = \"20ms\"\nback = { loss = 1 }\n".to_owned(),
                1 => "latency = \"80ms\"\ndial = \"from\"\n".to_owned(),
                2 => "flaps = { up = \"20m\", down = \"10m\" }\n".to_owned(),
                _ => format!(
                    "jitter = \"2s\"\nreorder = true\nloss = {}\n",
                    percent(&mut self.generator, 30)
                ),
            };
            self.link(Named::Pair(a, b), lines);
        }
        if let [north, south] = &self.spaces[..] {
            let pair = Named::Pair(north[0], south[0]);
            self.link(pair, "latency = \"10ms\"\n".to_owned());
        }
    }

    fn liars(&mut self) {
        if self.spaces[0].len() < 3 || !self.generator.chance(0.4) {
            return;
        }
        // The last of a line: nobody depends on it.
        let liar = self.spaces[0][self.spaces[0].len() - 1];
        self.liar = Some(liar);
        for _ in 0..self.generator.between(1, 2) {
            let lines = match self.generator.below(5) {
                0 => format!(
                    "kind = \"bad-signatures\"\nper_hour = {}\n",
                    self.generator.between(2, 60)
                ),
                1 => format!(
                    "kind = \"replay\"\nper_hour = {}\n",
                    self.generator.between(2, 60)
                ),
                2 => format!(
                    "kind = \"flood\"\nper_hour = {}\n",
                    self.generator.between(60, 600)
                ),
                3 => format!(
                    "kind = \"silence\"\nshare = {}\n",
                    percent(&mut self.generator, 100)
                ),
                _ => {
                    let years = self.generator.between(1, 20);
                    let sign = self.sign();
                    self.lies_ahead |= sign.is_empty();
                    format!("kind = \"lying-clock\"\nahead = \"{sign}{years}y\"\n")
                }
            };
            let span_s = self.span(4 * HOUR_S, 15 * HOUR_S);
            self.mix.parts.push(Part {
                table: "byzantine",
                nodes: Named::List("nodes", vec![liar]),
                span_s: Some(span_s),
                written: Written::FromUntil,
                lines,
                count: None,
            });
        }
    }

    /// Forwards or backwards.
    fn sign(&mut self) -> &'static str {
        if self.generator.chance(0.5) { "" } else { "-" }
    }

    /// Radios that do not hear one another, or only one way: what they have to tell comes over a third.
    fn deaf(&mut self) {
        for nodes in self.spaces.clone() {
            if !self.generator.chance(0.3) {
                continue;
            }
            let pair = self.generator.pick(&nodes, 2);
            let [a, b] = pair[..] else {
                continue;
            };
            let third = |node: &usize| !pair.contains(node) && Some(*node) != self.liar;
            let thirds: Vec<usize> = nodes.iter().copied().filter(third).collect();
            if thirds.is_empty() {
                continue;
            }
            let one_way = self.generator.chance(0.7);
            self.mix.parts.push(Part {
                table: "budgets",
                nodes: Named::Between(a, b, thirds),
                span_s: None,
                written: Written::At,
                lines: format!("out_of_reach = true\none_way = {one_way}\n"),
                count: None,
            });
        }
    }

    fn workloads(&mut self) {
        for (number, nodes) in self.spaces.clone().into_iter().enumerate() {
            let honest: Vec<usize> = nodes
                .into_iter()
                .filter(|node| Some(*node) != self.liar)
                .collect();
            let count = self.generator.between(1, honest.len() as u64) as usize;
            let writers = self.generator.pick(&honest, count);
            let by_radio = !self.has_wires;
            let most = if by_radio { 200 } else { 6000 };
            let lines = format!(
                "kind = \"documents\"\nname = {:?}\nsizes = {{ kind = \"log-normal\", median = \"120 B\", sigma = 1.0, max = \"{most} B\" }}\nchanges = {}\ndeletes = {}\nconflicts = {}\ncategories = [\"private\", \"public\", \"shared\"]\n",
                ["diary", "notes"][number],
                percent(&mut self.generator, 40),
                percent(&mut self.generator, 30),
                percent(&mut self.generator, 30),
            );
            self.mix.parts.push(Part {
                table: "workload",
                nodes: Named::List("writers", writers),
                span_s: Some((60, self.mix.duration_s)),
                written: Written::FromUntil,
                lines,
                count: Some(self.generator.between(10, if by_radio { 40 } else { 80 })),
            });
        }
    }

    fn crashes(&mut self) {
        for _ in 0..self.generator.between(6, 16) {
            let (node, span_s) = (self.one(), self.span(20, 1800));
            let more = match self.generator.below(20) {
                0..5 => "torn_write = true\n",
                5 => "disk_lost = true\n",
                _ => "",
            };
            self.fault("crash", vec![node], span_s, Written::AtFor, more);
        }
        for _ in 0..self.generator.between(2, 6) {
            let (node, span_s) = (self.one(), self.span(1, 1));
            self.fault("restart", vec![node], span_s, Written::At, "");
        }
        if self.mix.radio.is_some() {
            for _ in 0..self.generator.below(3) {
                let (node, span_s) = (self.one(), self.span(1, 1));
                self.fault("airtime-ledger-lost", vec![node], span_s, Written::At, "");
            }
        }
    }

    fn frames(&mut self) {
        let worst = if self.mix.radio.is_some() { 60 } else { 30 };
        for (kind, most) in [("loss", worst), ("duplicate", 30), ("corrupt", 10)] {
            if self.generator.chance(0.5) {
                let nodes = match self.generator.chance(0.5) {
                    true => self.all(),
                    false => vec![self.one()],
                };
                let share = percent(&mut self.generator, most);
                let span_s = self.span(HOUR_S, 8 * HOUR_S);
                self.fault(kind, nodes, span_s, Written::AtFor, &format!("share = {share}\n"));
            }
        }
    }

    fn splits(&mut self) {
        for _ in 0..self.generator.below(4) {
            let mut nodes = self.all();
            self.generator.shuffle(&mut nodes);
            let cut = self.generator.between(1, nodes.len() as u64 - 1) as usize;
            let (a, b) = nodes.split_at(cut);
            let sides = Named::Sides(a.to_vec(), b.to_vec());
            let span_s = self.span(HOUR_S / 2, 6 * HOUR_S);
            self.mix.parts.push(Part {
                table: "faults",
                nodes: sides,
                span_s: Some(span_s),
                written: Written::AtFor,
                lines: "kind = \"split\"\n".to_owned(),
                count: None,
            });
        }
        if self.generator.chance(0.3) {
            let kind = if self.has_wires {
                "link-down"
            } else {
                "radio-unplugged"
            };
            let (node, span_s) = (self.one(), self.span(HOUR_S / 2, 4 * HOUR_S));
            self.fault(kind, vec![node], span_s, Written::AtFor, "");
        }
    }

    /// What is dated ahead is dated anew by its writer, once its clock is right; a liar never does. Whoever took it in, with a clock that was ahead
    /// as well, stays out of step: where one lies so, clocks only go back.
    fn clocks(&mut self) {
        if self.generator.chance(0.5) {
            let (node, years) = (self.one(), self.generator.between(1, 30));
            let sign = if self.lies_ahead { "-" } else { self.sign() };
            let span_s = self.span(HOUR_S, 6 * HOUR_S);
            self.fault(
                "clock-jump",
                vec![node],
                span_s,
                Written::AtFor,
                &format!("by = \"{sign}{years}y\"\n"),
            );
        }
        if self.generator.chance(0.3) {
            let (node, span_s) = (self.one(), self.span(HOUR_S, 6 * HOUR_S));
            self.fault("clock-unset", vec![node], span_s, Written::AtFor, "");
        }
    }

    fn disks(&mut self) {
        if self.generator.chance(0.25) {
            let (node, span_s) = (self.one(), self.span(HOUR_S, 4 * HOUR_S));
            self.fault("disk-full", vec![node], span_s, Written::AtFor, "");
        }
        if self.generator.chance(0.25) {
            let (node, span_s) = (self.honest(), self.span(1, 1));
            let chunks = self.generator.between(1, 3);
            self.fault(
                "bit-rot",
                vec![node],
                span_s,
                Written::At,
                &format!("chunks = {chunks}\n"),
            );
        }
        if self.generator.chance(0.25) {
            let (node, span_s) = (self.honest(), self.span(1, 1));
            let age_s = self.generator.between(60, span_s.0.min(8 * HOUR_S));
            self.fault(
                "image-restored",
                vec![node],
                span_s,
                Written::At,
                &format!("age = \"{age_s}s\"\n"),
            );
        }
        if self.generator.chance(0.2) {
            let (node, span_s) = (self.honest(), self.span(HOUR_S / 2, 4 * HOUR_S));
            self.fault("cloned", vec![node], span_s, Written::AtFor, "");
        }
    }
}

/// A share up to so many hundredths.
fn percent(generator: &mut Generator, most: u64) -> String {
    format!("{}", generator.between(1, most) as f64 / 100.0)
}

fn radio(generator: &mut Generator) -> String {
    // A tenth of the time may be used in one of the bands, a hundredth in the other.
    let frequency_hz = if generator.chance(0.5) {
        869_525_000
    } else {
        868_300_000
    };
    let mut lines = format!(
        "region = \"EU868\"\nfrequency_hz = {frequency_hz}\nspreading_factor = {}\nloss = {}\n",
        generator.between(7, 9),
        percent(generator, 15)
    );
    if generator.chance(0.4) {
        // Three of five frames get lost at most.
        let good = generator.between(120, 1200);
        let bad = generator.between(20, good.min(300));
        lines += &format!("bursts = {{ good = \"{good}s\", bad = \"{bad}s\" }}\n");
    }
    lines
}
