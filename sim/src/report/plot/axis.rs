//! Where the ticks of an axis go, and what they are called.

use super::super::quantity::duration;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Steps of time that people count in.
const STEPS_US: [u64; 24] = [
    1_000,
    10_000,
    100_000,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    365 * DAY,
];

/// Marks on a logarithmic axis of times.
const DECADES_US: [u64; 14] = [
    1_000,
    10_000,
    100_000,
    SECOND,
    10 * SECOND,
    MINUTE,
    10 * MINUTE,
    HOUR,
    6 * HOUR,
    DAY,
    7 * DAY,
    30 * DAY,
    365 * DAY,
    3_650 * DAY,
];

/// Ticks from 0 to `until_us` at a step that people count in: about `wanted` of them.
pub(super) fn times(until_us: u64, wanted: u64) -> Vec<(u64, String)> {
    let fits = |step: &&u64| until_us / **step <= wanted;
    let step = STEPS_US.iter().find(fits).copied().unwrap_or(until_us.max(1));
    (0..=until_us / step)
        .map(|tick| (tick * step, duration(tick * step)))
        .collect()
}

/// Marks around all times from `least_us` to `most_us`, for a logarithmic axis: at least two.
pub(super) fn decades(least_us: u64, most_us: u64) -> Vec<(u64, String)> {
    let last = DECADES_US.len() - 1;
    let first = DECADES_US
        .iter()
        .rposition(|mark| *mark <= least_us)
        .unwrap_or(0)
        .min(last - 1);
    let end = DECADES_US
        .iter()
        .position(|mark| *mark >= most_us)
        .unwrap_or(last)
        .max(first + 1);
    DECADES_US[first..=end]
        .iter()
        .map(|mark| (*mark, duration(*mark)))
        .collect()
}

/// Steps from 0 to at least `most`, each 1, 2 or 5 times a power of ten: about `wanted` of them.
pub(super) fn numbers(most: f64, wanted: f64) -> Vec<f64> {
    let least = most.max(1e-9) / wanted;
    let mut power = 1e-9;
    while power * 10.0 <= least {
        power *= 10.0;
    }
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(power * 10.0);
    let ticks = (most / step - 1e-9).ceil().max(1.0) as u32;
    (0..=ticks).map(|tick| f64::from(tick) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_numbers_that_people_count_in() {
        let labels =
            |ticks: Vec<(u64, String)>| ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(
            labels(times(6 * HOUR, 6)),
            ["0 s", "1 h", "2 h", "3 h", "4 h", "5 h", "6 h"]
        );
        assert_eq!(labels(times(DAY, 9)).len(), 9);
        assert_eq!(
            labels(decades(3 * SECOND, 2 * HOUR)),
            ["1 s", "10 s", "1 min", "10 min", "1 h", "6 h"]
        );
        assert_eq!(numbers(0.083, 5.0).last(), Some(&0.1));
    }

    #[test]
    fn an_axis_has_two_ends_whatever_it_shows() {
        for (least, most) in [(0, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (5, 5)] {
            assert!(decades(least, most).len() >= 2, "{least} {most}");
        }
        for most in [0.0, 1e-12, 1.0, 1e12] {
            let ticks = numbers(most, 5.0);
            assert!(ticks.len() >= 2 && ticks.len() < 12, "{most}: {ticks:?}");
            assert!(
                ticks.last().is_some_and(|last| *last >= most * 0.999),
                "{most}: {ticks:?}"
            );
        }
        assert!(times(u64::MAX, 8).len() < 12);
    }
}
