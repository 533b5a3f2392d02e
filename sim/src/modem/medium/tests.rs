use super::*;
use cairn_transports::lora::{CodingRate, SpreadingFactor};

/// For comparing with what is empty.
const NOBODY: [usize; 0] = [];

fn tuning(factor: u8) -> Tuning {
    Tuning {
        frequency_hz: 868_100_000,
        network: 0x12,
        modulation: Modulation::new(
            SpreadingFactor::new(factor).unwrap(),
            125_000,
            CodingRate::new(5).unwrap(),
        ),
    }
}

/// Stations that all listen at SF8.
fn medium(count: usize) -> Medium {
    let mut medium = Medium::new(3);
    for _ in 0..count {
        let station = medium.add_station();
        medium.listen(Instant(0), station, Some(tuning(8)));
    }
    medium
}

fn send(medium: &mut Medium, now: u64, station: usize) -> Instant {
    medium
        .send(Instant(now), Station(station), vec![7; 51], &tuning(8), 14)
        .unwrap()
}

/// Who heard something until then.
fn heard_until(medium: &mut Medium, now: u64) -> Vec<usize> {
    std::iter::from_fn(|| medium.poll_delivery(Instant(now)))
        .map(|delivery| delivery.to.0)
        .collect()
}

/// 51 bytes at SF8 and 125 kHz, from the table of the airtime's tests.
const AIRTIME_US: u64 = 184_832;

#[test]
fn a_frame_arrives_when_its_airtime_is_over() {
    let mut medium = medium(3);
    assert_eq!(send(&mut medium, 1000, 0), Instant(1000 + AIRTIME_US));
    assert_eq!(medium.poll_timeout(), Some(Instant(1000 + AIRTIME_US)));
    assert_eq!(medium.poll_delivery(Instant(999 + AIRTIME_US)), None);
    let delivery = medium.poll_delivery(Instant(1000 + AIRTIME_US)).unwrap();
    assert_eq!(delivery.frame, [7; 51]);
    assert_eq!((delivery.from, delivery.to), (Station(0), Station(1)));
    assert_eq!((delivery.rssi_dbm, delivery.snr_db), (-76.0, 12.0));
    assert_eq!(heard_until(&mut medium, 1000 + AIRTIME_US), [2]);
    assert_eq!(medium.poll_timeout(), None);
    let sent = medium.statistics(Station(0));
    assert_eq!(
        (sent.frames_sent, sent.bytes_sent, sent.airtime_us),
        (1, 51, AIRTIME_US)
    );
    assert_eq!(sent.airings[0].start_us, 1000);
    let received = medium.statistics(Station(1));
    assert_eq!((received.frames_received, received.bytes_received), (1, 51));
}

#[test]
fn two_frames_at_once_are_both_lost_where_they_are_equally_strong() {
    let mut medium = medium(3);
    send(&mut medium, 0, 0);
    send(&mut medium, AIRTIME_US - 1, 1);
    assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY);
    assert_eq!(medium.statistics(Station(2)).frames_collided, 2);
    assert_eq!(medium.statistics(Station(0)).frames_missed, 1, "it was sending");
    assert_eq!(medium.statistics(Station(1)).frames_missed, 1, "it was sending");
    // One right after the other is fine.
    send(&mut medium, 2_000_000, 0);
    send(&mut medium, 2_000_000 + AIRTIME_US, 1);
    assert_eq!(heard_until(&mut medium, 3_000_000), [1, 2, 0, 2]);
}

#[test]
fn a_frame_survives_one_that_is_six_decibels_weaker() {
    for (weaker_db, expected) in [(5.9, vec![]), (6.0, vec![2])] {
        let mut medium = medium(3);
        medium.set_path_loss(Station(1), Station(2), Some(PATH_LOSS_DB_DEFAULT + weaker_db));
        send(&mut medium, 0, 0);
        send(&mut medium, 10, 1);
        assert_eq!(heard_until(&mut medium, 1_000_000), expected, "{weaker_db} dB");
    }
}

#[test]
fn frames_of_other_spreading_factors_and_far_channels_do_not_disturb() {
    let mut medium = medium(3);
    send(&mut medium, 0, 0);
    medium
        .send(Instant(0), Station(1), vec![1; 51], &tuning(7), 14)
        .unwrap();
    assert_eq!(heard_until(&mut medium, 1_000_000), [2]);
    send(&mut medium, 2_000_000, 0);
    let far = Tuning {
        frequency_hz: 868_300_000,
        ..tuning(8)
    };
    medium
        .send(Instant(2_000_000), Station(1), vec![1; 51], &far, 14)
        .unwrap();
    assert_eq!(heard_until(&mut medium, 3_000_000), [2]);
}

#[test]
fn everything_must_match_to_be_heard() {
    let like = tuning(8);
    let others = [
        Tuning {
            frequency_hz: 868_300_000,
            ..like
        },
        Tuning {
            network: 0x34,
            ..like
        },
        tuning(9),
        Tuning {
            modulation: Modulation {
                bandwidth_hz: 250_000,
                ..like.modulation
            },
            ..like
        },
        Tuning {
            modulation: Modulation {
                explicit_header: false,
                ..like.modulation
            },
            ..like
        },
    ];
    for other in others {
        let mut medium = medium(2);
        medium.listen(Instant(0), Station(1), Some(other));
        send(&mut medium, 10, 0);
        assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY, "{other:?}");
    }
    let other_rate = Modulation {
        coding_rate: CodingRate::new(8).unwrap(),
        ..like.modulation
    };
    let mut medium = medium(2);
    medium.listen(
        Instant(0),
        Station(1),
        Some(Tuning {
            modulation: other_rate,
            ..like
        }),
    );
    send(&mut medium, 10, 0);
    assert_eq!(
        heard_until(&mut medium, 1_000_000),
        [1],
        "the header says the coding rate"
    );
}

#[test]
fn who_turns_to_the_channel_in_the_middle_of_a_frame_misses_it() {
    let mut medium = medium(2);
    send(&mut medium, 0, 0);
    medium.listen(Instant(5), Station(1), None);
    medium.listen(Instant(6), Station(1), Some(tuning(8)));
    assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY);
}

#[test]
fn in_a_chain_the_ends_do_not_hear_each_other_and_collide_in_the_middle() {
    let mut medium = medium(3);
    medium.set_reach(Station(0), Station(2), false);
    send(&mut medium, 0, 0);
    assert_eq!(heard_until(&mut medium, 1_000_000), [1]);
    send(&mut medium, 2_000_000, 0);
    assert!(
        !medium.carrier(Instant(2_100_000), Station(2)).is_busy,
        "hidden from it"
    );
    assert!(medium.carrier(Instant(2_100_000), Station(1)).is_busy);
    send(&mut medium, 2_100_000, 2);
    assert_eq!(heard_until(&mut medium, 3_000_000), NOBODY);
    assert_eq!(medium.statistics(Station(1)).frames_collided, 2);
}

#[test]
fn distance_decides_when_stations_have_places() {
    let mut medium = medium(3);
    medium.place(Station(0), 0.0, 0.0);
    medium.place(Station(1), 30.0, 40.0);
    medium.place(Station(2), 3000.0, 4000.0);
    send(&mut medium, 0, 0);
    let delivery = medium.poll_delivery(Instant(1_000_000)).unwrap();
    assert_eq!(delivery.to, Station(1));
    assert!((delivery.rssi_dbm - (14.0 - path_loss_db(50.0))).abs() < 0.01);
    assert_eq!(
        medium.poll_delivery(Instant(1_000_000)),
        None,
        "5 km is too far at 14 dBm"
    );
}

#[test]
fn carrier_is_noticed_after_two_symbols_and_until_the_end() {
    let mut medium = medium(2);
    let end = send(&mut medium, 0, 0);
    let is_busy = |at| medium.carrier(Instant(at), Station(1)).is_busy;
    assert!(!is_busy(4095) && is_busy(4096) && is_busy(end.0 - 1) && !is_busy(end.0));
    assert!(
        !medium.carrier(Instant(10_000), Station(0)).is_busy,
        "its own frame"
    );
    assert_eq!(medium.carrier(Instant(10_000), Station(1)).rssi_dbm, -76.0);
    assert!((medium.carrier(end, Station(1)).rssi_dbm + 117.03).abs() < 0.01);
}

#[test]
fn so_many_get_lost_as_were_asked_for_and_the_same_ones_each_time() {
    let run = || {
        let mut medium = medium(2);
        medium.set_loss(0.1);
        for turn in 0..2000 {
            send(&mut medium, turn * 1_000_000, 0);
            heard_until(&mut medium, (turn + 1) * 1_000_000);
        }
        medium.statistics(Station(1)).clone()
    };
    let first = run();
    assert!((160..240).contains(&first.frames_lost), "{}", first.frames_lost);
    assert_eq!(first.frames_lost + first.frames_received, 2000);
    assert_eq!(first, run());
}

#[test]
fn a_station_that_loses_its_power_breaks_its_frame_off() {
    let mut medium = medium(2);
    send(&mut medium, 0, 0);
    medium.cut(Instant(1000), Station(0));
    assert_eq!(medium.poll_timeout(), None);
    assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY);
    assert_eq!(medium.statistics(Station(0)).airtime_us, 1000);
}

#[test]
fn frames_given_at_once_go_one_after_the_other() {
    let mut medium = medium(2);
    send(&mut medium, 0, 0);
    assert_eq!(send(&mut medium, 0, 0), Instant(2 * AIRTIME_US));
    assert_eq!(heard_until(&mut medium, 1_000_000), [1, 1]);
    assert!(
        medium
            .send(Instant(0), Station(0), vec![0; 256], &tuning(8), 14)
            .is_err()
    );
}
