//! The radio medium agrees with theory and with LoRaSim. `cargo bench -p cairn-sim --bench physics` shows by how much.
//!
//! Seeds are fixed, so that these pass always or never; the number of frames is such that other seeds would pass too.
#![allow(clippy::expect_used)] // the experiments are written for a benchmark

#[path = "../benches/physics/aloha.rs"]
mod aloha;
#[path = "../benches/physics/extraction.rs"]
mod extraction;
#[path = "../benches/physics/star.rs"]
mod star;

#[test]
fn the_throughput_of_pure_aloha_is_within_two_percent_of_theory() {
    for load in aloha::LOADS {
        // The fewer arrive, the more must be sent for the same certainty.
        let frames = if load < 1.0 { 20_000 } else { 60_000 };
        let (theory, found) = (aloha::theory(load), aloha::measure(load, 10, frames));
        let off = found.mean / theory - 1.0;
        assert!(off.abs() < 0.02, "G = {load}: {} instead of {theory}", found.mean);
        // Two percent are three standard errors or more.
        assert!(found.error < theory * 0.02 / 3.0, "G = {load}: ± {}", found.error);
    }
}

#[test]
fn as_much_reaches_a_sink_as_in_lorasim() {
    for experiment in extraction::experiments() {
        for (nodes, lorasim) in extraction::NODES.into_iter().zip(experiment.lorasim) {
            let rate = experiment.rate(nodes, 1000_u64.div_ceil(nodes as u64));
            let what = format!("{}, {nodes} nodes: {rate}", experiment.name);
            assert!(
                (rate - lorasim).abs() < 0.02,
                "{what} instead of LoRaSim's {lorasim}"
            );
            if let Some(theory) = experiment.theory(nodes) {
                assert!(
                    (rate - theory).abs() < 0.01,
                    "{what} instead of theory's {theory}"
                );
            }
        }
    }
}
