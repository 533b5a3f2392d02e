//! The world before anything happens: nodes, their radios, and where they are.

use cairn_transports::lora::Instant;
use cairn_transports::lora::modem::ModemSettings;

use super::{RunError, RunOptions, medium};
use crate::medium::Medium;
use crate::mobility::places;
use crate::random::Seeds;
use crate::scenario::Scenario;
use crate::{BodySizes, Chronicle, Described, Newcomer, NodeIndex, Role, SimModem, World};

/// The world of a scenario, with all nodes down.
pub(super) fn build(scenario: &Scenario, options: RunOptions) -> Result<World, RunError> {
    let newcomers: Vec<Newcomer> = (scenario.nodes.iter())
        .map(|node| Newcomer {
            name: node.name.clone(),
            space: node.space,
            role: Role::Member,
        })
        .collect();
    let mut world = World::of(options.seed, &newcomers);
    world.body_sizes = BodySizes::REAL;
    let described = (scenario.nodes.iter().enumerate()).map(|(node, member)| Described {
        name: member.name.clone(),
        space: (scenario.spaces[member.space].clone(), member.space),
        has_radio: scenario.group(node).radio.is_some(),
    });
    world.chronicle = Some(Chronicle::new(described.collect(), options.happenings_max));
    world.planted = options.planted;
    if options.watches {
        world.watch_secrets();
    }
    radios(scenario, options, &mut world)?;
    Ok(world)
}

fn radios(scenario: &Scenario, options: RunOptions, world: &mut World) -> Result<(), RunError> {
    let Some(settings) = &scenario.radio else {
        return Ok(());
    };
    let mut modems: Vec<(NodeIndex, SimModem)> = Vec::new();
    for (node, member) in scenario.nodes.iter().enumerate() {
        match scenario.group(node).radio.map(|radio| radio.modem) {
            None => {}
            Some(ModemSettings::Rnode(config)) => modems.push((node, SimModem::rnode(config))),
            Some(other) => {
                return Err(RunError::Modem {
                    node: member.name.clone(),
                    kind: other.kind().to_string(),
                });
            }
        }
    }
    let Some((_, first)) = modems.first().copied() else {
        return Ok(());
    };
    let seeds = Seeds::new(options.seed);
    let config = medium::config(settings, first.frequency_hz(), options.happenings_max > 0);
    let mut air = Medium::new(config, seeds.generator("medium", "").next_u64());
    air.set_loss(medium::loss(settings));
    world.radios_of(&modems, air, settings.band)?;
    world.set_listen_before_talk(settings.listen_before_talk);
    for (node, place) in places(scenario, &seeds).into_iter().enumerate() {
        let gain_db = scenario
            .group(node)
            .radio
            .map_or(0.0, |radio| radio.antenna_gain_dbi);
        put_at(world, node, (place.x_m, place.y_m), 0);
        if let Some((medium, station)) = world.medium(node) {
            medium.set_antenna_gain(station, gain_db as f32);
        }
    }
    for budget in &scenario.budgets {
        for (from, to) in budget
            .from
            .iter()
            .flat_map(|from| budget.to.iter().map(move |to| (*from, *to)))
        {
            if from != to {
                world.measure(from, to, budget.loss_db.map(|loss_db| loss_db as f32));
            }
        }
    }
    Ok(())
}

/// A node is somewhere from now on.
pub(super) fn put_at(world: &mut World, node: NodeIndex, (x_m, y_m): (f64, f64), at_us: u64) {
    if let Some(chronicle) = &mut world.chronicle {
        chronicle.placed(at_us, node, x_m, y_m);
    }
    if let Some((medium, station)) = world.medium(node) {
        medium.place(Instant(at_us), station, x_m as f32, y_m as f32);
    }
}
