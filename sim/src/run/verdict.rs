//! The end of a run: what is left to be noted, and whether all is as it must be.

use cairn::model::Dot;

use super::RunOptions;
use crate::World;
use crate::laws::{Breach, Law};
use crate::recording::Recording;
use crate::scenario::Scenario;

/// Makes a recording of what the world noted.
pub(super) fn conclude(
    scenario: &Scenario,
    options: RunOptions,
    world: &mut World,
    breaches: &mut Vec<Breach>,
    lost: &[(usize, Dot, String)],
) -> Recording {
    let now_us = world.now_us();
    world.note_links();
    let mut recording = match world.chronicle.take() {
        Some(chronicle) => chronicle.finish(now_us),
        None => Recording::default(),
    };
    recording.scenario.clone_from(&scenario.name);
    recording.about.clone_from(&scenario.about);
    recording.seed = options.seed;
    recording.trace_hash = world.trace_hash();
    recording.events_handled = world.handled();
    for write in &mut recording.writes {
        write.lost = lost
            .iter()
            .any(|(node, dot, _)| *node == write.node && dot.to_string() == write.dot);
    }
    if !breaches.is_empty() {
        recording.converged_at_us = None;
    }
    radios(scenario, world, &mut recording, breaches);
    let mut broken = Vec::new();
    expectations(scenario, &recording, &mut broken);
    breaches.extend(broken.into_iter().map(|what| Breach {
        law: Law::Expected,
        what,
    }));
    recording.broken = breaches.iter().map(Breach::to_string).collect();
    recording
}

fn radios(scenario: &Scenario, world: &mut World, recording: &mut Recording, breaches: &mut Vec<Breach>) {
    let Some(settings) = &scenario.radio else {
        return;
    };
    for node in 0..recording.nodes.len() {
        let Some((share, of_allowed)) = world.duty(node) else {
            continue;
        };
        let receiving_us = world.receiving_us(node);
        let statistics = world
            .medium(node)
            .map(|(medium, place)| medium.statistics(place).clone());
        let record = &mut recording.nodes[node];
        let up_us: u64 = record.up.iter().map(|(from, until)| until - from).sum();
        let (Some(radio), Some(statistics)) = (&mut record.radio, statistics) else {
            continue;
        };
        if of_allowed > 1.0 && !breaches.iter().any(|breach| breach.law == Law::DutyCycle) {
            let what = format!("{} was on air for longer than the law allows", record.name);
            breaches.push(Breach {
                law: Law::DutyCycle,
                what,
            });
        }
        radio.airtime_max_share = share;
        radio.airtime_allowed_share = settings.band.share();
        radio.frames_heard = statistics.frames_received;
        radio.frames_collided = statistics.frames_collided;
        radio.frames_missed = statistics.frames_missed;
        radio.frames_lost = statistics.frames_lost;
        let power = &settings.power;
        let sending_us = radio.sent.airtime_us.min(up_us);
        let receiving_us = receiving_us.min(up_us - sending_us);
        let idle_us = up_us - sending_us - receiving_us;
        let joules = |us: u64, mw: f64| us as f64 * mw / 1e9;
        radio.energy_j = joules(sending_us, power.tx_mw)
            + joules(receiving_us, power.rx_mw)
            + joules(idle_us, power.idle_mw);
    }
}

fn expectations(scenario: &Scenario, recording: &Recording, broken: &mut Vec<String>) {
    let expect = &scenario.expect;
    let seconds = |us: u64| us as f64 / 1e6;
    if let Some(within_us) = expect.converged_within_us {
        let latest_us = scenario.duration_us + within_us;
        if recording.converged_at_us.is_none_or(|at_us| at_us > latest_us) {
            broken.push(format!(
                "not all held all {} s after the end, as expected",
                seconds(within_us)
            ));
        }
    }
    if let Some(most) = expect.airtime_share_max {
        let radios = recording.nodes.iter().filter_map(|node| node.radio.as_ref());
        let found = radios.map(|radio| radio.airtime_max_share).fold(0.0, f64::max);
        if found > most {
            broken.push(format!(
                "a radio was on air for {found:.4} of a window, and at most {most} was expected"
            ));
        }
    }
    if let (Some(least), Some(sample)) = (expect.delivery_share_min, recording.samples.last()) {
        let found = sample.there as f64 / sample.due.max(1) as f64;
        if sample.due > 0 && found < least {
            broken.push(format!(
                "{found:.4} of all was delivered, and at least {least} was expected"
            ));
        }
    }
    if let Some(most_us) = expect.delay_p95_max_us {
        let mut delays: Vec<u64> = (recording.writes.iter())
            .flat_map(|write| {
                write
                    .arrivals
                    .iter()
                    .map(|(_, at_us)| at_us.saturating_sub(write.at_us))
            })
            .collect();
        delays.sort_unstable();
        if let Some(found_us) = delays
            .get(delays.len() * 95 / 100)
            .filter(|found_us| **found_us > most_us)
        {
            broken.push(format!(
                "95 % of the arrivals took up to {} s, and {} s was expected",
                seconds(*found_us),
                seconds(most_us)
            ));
        }
    }
}
