//! Five bugs that are planted on purpose: the check finds each within the seeds that CI runs, and tells which law it breaks.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use cairn::model::remember_verified;
use cairn::planted::{Bug, plant};
use cairn_sim::Planted;
use cairn_sim::check::{Mix, examine, shrink};
use cairn_sim::laws::{Breach, Law};

/// As many as CI runs without a bug.
const SEEDS: u64 = 200;

/// The first seed that finds a bug, and what it says of it.
fn found(bug: Option<Bug>, planted: Option<Planted>, laws: &[Law]) -> (u64, Breach) {
    remember_verified(1 << 18);
    plant(bug);
    let found = (0..SEEDS).find_map(|seed| Some((seed, examine(&Mix::draw(seed), planted).breach?)));
    plant(None);
    let (seed, breach) = found.unwrap_or_else(|| panic!("{bug:?} {planted:?} is not found in {SEEDS} seeds"));
    println!("{bug:?} {planted:?}: seed {seed}: {breach}");
    assert!(laws.contains(&breach.law), "seed {seed}: {breach}");
    let honest = examine(&Mix::draw(seed), None).breach;
    assert_eq!(honest, None, "seed {seed} fails without the bug, too");
    (seed, breach)
}

#[test]
fn a_lost_tombstone_is_found_and_its_scenario_is_short() {
    let laws = [Law::Convergence, Law::StaysDeleted];
    let (seed, breach) = found(Some(Bug::LostTombstone), None, &laws);
    plant(Some(Bug::LostTombstone));
    let mix = Mix::draw(seed);
    let shrunk = shrink(&mix, &breach, None, 60);
    let again = examine(&shrunk.mix, None).breach;
    plant(None);
    assert_eq!(
        again.as_ref(),
        Some(&shrunk.breach),
        "what is printed repeats the failure"
    );
    assert_eq!(shrunk.breach.law, breach.law);
    let (long, short) = (mix.text().lines().count(), shrunk.mix.text().lines().count());
    assert!(short * 2 < long, "{short} of {long} lines are left");
}

#[test]
fn a_clock_merged_wrongly_is_found() {
    found(Some(Bug::ClockMerge), None, &[Law::Convergence, Law::NothingLost]);
}

#[test]
fn an_unsigned_entry_is_found() {
    found(Some(Bug::UnsignedAccepted), None, &[Law::Signed]);
}

#[test]
fn a_skipped_sync_is_found() {
    let laws = [Law::NothingLost, Law::DotsUnique];
    found(None, Some(Planted::SkippedSync), &laws);
}

#[test]
fn a_leak_of_the_duty_cycle_is_found() {
    found(None, Some(Planted::DutyCycleLeak), &[Law::DutyCycle]);
}
