//! What must hold, over many seeds.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cairn::model::remember_verified;
use cairn_sim::check::{Examined, Figures, Mix, Shrunk, examine, shrink};
use cairn_sim::laws::Breach;
use clap::Parser;
use serde_json::json;

use super::Result;
use super::seeds::{VERIFIED_MAX, cores, range, side_by_side};

#[derive(Debug, Parser)]
pub(crate) struct Check {
    /// The seeds; each draws its own mix of faults.
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Range<u64>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    /// At most so many runs at a time. One run has one thread.
    #[arg(long, default_value_t = cores())]
    threads: usize,
    /// Where the shortest scenario that fails is written.
    #[arg(long, value_name = "FILE", default_value = "failure.toml")]
    out: PathBuf,
    /// Runs that shrinking a failure may take.
    #[arg(long, default_value_t = 200)]
    shrink_runs: usize,
    /// Go on after a failure, and count them.
    #[arg(long)]
    keep_going: bool,
    /// Print the scenario that the first seed draws, and do nothing.
    #[arg(long)]
    print: bool,
}

impl Check {
    #[expect(
        clippy::disallowed_methods,
        reason = "real time is shown, and decides nothing"
    )]
    pub(crate) fn carry_out(self) -> Result<ExitCode> {
        if self.print {
            print!("{}", Mix::draw(self.seeds.start).text());
            return Ok(ExitCode::SUCCESS);
        }
        let began = Instant::now();
        let one = |seed| {
            remember_verified(VERIFIED_MAX);
            examine(&Mix::draw(seed), None)
        };
        let mut sums = Figures::default();
        let mut failures: Vec<(u64, Breach)> = Vec::new();
        side_by_side(self.seeds.clone(), self.threads, one, |seed, examined| {
            let Examined { figures, breach } = examined;
            sums += figures;
            if let Some(breach) = breach {
                eprintln!("seed {seed}: {breach}");
                failures.push((seed, breach));
            } else if sums.seeds.is_multiple_of(100) {
                eprintln!("{} seeds, {:.0} node-hours", sums.seeds, sums.node_hours);
            }
            self.keep_going || failures.is_empty()
        });
        self.tell(&sums, began.elapsed().as_secs_f64(), &failures);
        let Some((seed, breach)) = failures.first() else {
            return Ok(ExitCode::SUCCESS);
        };
        remember_verified(VERIFIED_MAX);
        let shrunk = shrink(&Mix::draw(*seed), breach, None, self.shrink_runs);
        std::fs::write(&self.out, shrunk.mix.text())?;
        if !self.json {
            println!("\n{}", shrunk.mix.text());
        }
        tell_failure(*seed, &shrunk, &self.out, self.json);
        Ok(ExitCode::FAILURE)
    }

    fn tell(&self, sums: &Figures, real_s: f64, failures: &[(u64, Breach)]) {
        if self.json {
            let failures: Vec<_> = (failures.iter())
                .map(|(seed, breach)| json!({"seed": seed, "invariant": breach.law.name(), "what": breach.what}))
                .collect();
            let told = json!({
                "seeds": sums.seeds,
                "node_hours": sums.node_hours,
                "crashes": sums.crashes,
                "acknowledged": sums.acknowledged,
                "events": sums.events,
                "settled_h_max": sums.settled_h_max,
                "real_s": real_s,
                "failures": failures,
            });
            println!("{told}");
            return;
        }
        println!(
            "{} seeds, {:.0} node-hours, {} crashes, {} acknowledged writes, {} events; settled within {:.1} h; {real_s:.0} s real, {} failed",
            sums.seeds,
            sums.node_hours,
            sums.crashes,
            sums.acknowledged,
            sums.events,
            sums.settled_h_max,
            failures.len()
        );
    }
}

fn tell_failure(seed: u64, shrunk: &Shrunk, out: &Path, json: bool) {
    let repeat = format!("cairn-sim run {} --seed {seed}", out.display());
    if json {
        let told = json!({
            "seed": seed,
            "invariant": shrunk.breach.law.name(),
            "what": shrunk.breach.what,
            "scenario": shrunk.mix.text(),
            "repeat": repeat,
        });
        println!("{told}");
        return;
    }
    println!(
        "seed {seed}: {} is broken ({}); repeat: {repeat}",
        shrunk.breach.law, shrunk.breach.what
    );
}
