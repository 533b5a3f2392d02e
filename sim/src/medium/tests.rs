use super::*;
use cairn_transports::lora::{CodingRate, Instant, Modulation, SpreadingFactor};

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
    medium_with(count, MediumConfig::default())
}

fn medium_with(count: usize, config: MediumConfig) -> Medium {
    let mut medium = Medium::new(config, 3);
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
    assert_eq!(*delivery.frame, [7; 51]);
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
    // Not much of an overlap, but more than the preamble.
    send(&mut medium, AIRTIME_US - 10_000, 1);
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
    let with = |threshold_db| MediumConfig {
        collisions: Collisions::Capture { threshold_db },
        ..MediumConfig::default()
    };
    let none = MediumConfig {
        collisions: Collisions::Destroy,
        ..MediumConfig::default()
    };
    for (config, weaker_db, expected) in [
        (MediumConfig::default(), 5.9, vec![]),
        (MediumConfig::default(), 6.0, vec![2]),
        (with(1.0), 0.9, vec![]),
        (with(1.0), 1.0, vec![2]),
        (none, 30.0, vec![]),
    ] {
        let mut medium = medium_with(3, config);
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
    medium.place(Instant(0), Station(0), 0.0, 0.0);
    medium.place(Instant(0), Station(1), 30.0, 40.0);
    medium.place(Instant(0), Station(2), 3000.0, 4000.0);
    send(&mut medium, 0, 0);
    let delivery = medium.poll_delivery(Instant(1_000_000)).unwrap();
    assert_eq!(delivery.to, Station(1));
    assert!((delivery.rssi_dbm - (14.0 - PathLoss::LORASIM.loss_db(50.0) as f32)).abs() < 0.01);
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
    let mut is_busy = |at| medium.carrier(Instant(at), Station(1)).is_busy;
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
            .send(Instant(1_000_000), Station(0), vec![0; 256], &tuning(8), 14)
            .is_err()
    );
}

/// What station 2 hears of two frames: the first at 0, the second so many symbols before the first one's end.
fn heard_of_two(config: MediumConfig, symbols: u64, second: &Tuning, stronger_db: f32) -> Vec<usize> {
    let mut medium = medium_with(3, config);
    medium.set_path_loss(Station(1), Station(2), Some(PATH_LOSS_DB_DEFAULT - stronger_db));
    send(&mut medium, 0, 0);
    let at = Instant(AIRTIME_US - symbols * 2048);
    (medium.send(at, Station(1), vec![7; 51], second, 14)).unwrap();
    let heard = std::iter::from_fn(|| medium.poll_delivery(Instant(1_000_000)));
    (heard.filter(|delivery| delivery.to == Station(2)))
        .map(|delivery| delivery.from.0)
        .collect()
}

#[test]
fn a_preamble_may_lose_what_is_before_its_last_five_symbols() {
    let long = Tuning {
        modulation: Modulation {
            preamble_symbols: 18,
            ..tuning(8).modulation
        },
        ..tuning(8)
    };
    let default = MediumConfig::default();
    assert_eq!(heard_of_two(default, 3, &tuning(8), 0.0), [0, 1]);
    assert_eq!(heard_of_two(default, 4, &tuning(8), 0.0), NOBODY);
    assert_eq!(heard_of_two(default, 13, &long, 0.0), [0, 1]);
    assert_eq!(heard_of_two(default, 14, &long, 0.0), NOBODY);
    assert_eq!(
        heard_of_two(default, 14, &long, 6.0),
        [1],
        "the later one is stronger"
    );
    let none = MediumConfig {
        collisions: Collisions::Destroy,
        ..default
    };
    assert_eq!(heard_of_two(none, 1, &tuning(8), 0.0), NOBODY);
}

#[test]
fn a_much_stronger_frame_of_another_spreading_factor_disturbs() {
    let with = |inter_sf| MediumConfig {
        inter_sf,
        ..MediumConfig::default()
    };
    // SF8 is wanted. Goursaud and Gorce let it be 24 dB weaker than SF7, Croce et al. 11.
    for (inter_sf, stronger_db, survives) in [
        (InterSf::Goursaud, 24.0, true),
        (InterSf::Goursaud, 24.1, false),
        (InterSf::Croce, 11.0, true),
        (InterSf::Croce, 11.1, false),
        (InterSf::None, 60.0, true),
    ] {
        let heard = heard_of_two(with(inter_sf), 20, &tuning(7), stronger_db);
        assert_eq!(heard == [0], survives, "{inter_sf:?} {stronger_db}");
    }
}

#[test]
fn who_sends_hears_nothing_and_learns_of_it() {
    let mut medium = medium(2);
    send(&mut medium, 0, 0);
    send(&mut medium, 100_000, 1);
    assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY);
    for station in [0, 1] {
        assert_eq!(medium.statistics(Station(station)).frames_missed, 1);
    }
    // What was said before it began to send is missed too, though it ends later.
    send(&mut medium, 2_000_000, 0);
    medium
        .send(Instant(2_100_000), Station(1), vec![1; 1], &tuning(7), 14)
        .unwrap();
    assert_eq!(heard_until(&mut medium, 3_000_000), NOBODY);
    assert_eq!(medium.statistics(Station(1)).frames_missed, 2);
}

#[test]
fn budgets_go_before_places_and_have_a_direction() {
    let mut medium = medium(2);
    let (near, far) = (Station(0), Station(1));
    medium.place(Instant(0), near, 0.0, 0.0);
    medium.place(Instant(0), far, 50_000.0, 0.0);
    send(&mut medium, 0, 0);
    assert_eq!(heard_until(&mut medium, 1_000_000), NOBODY);
    medium.set_path_loss(near, far, Some(120.0));
    send(&mut medium, 1_000_000, 0);
    let delivery = medium.poll_delivery(Instant(2_000_000)).unwrap();
    assert_eq!((delivery.to, delivery.rssi_dbm), (far, -106.0));
    send(&mut medium, 2_000_000, 1);
    assert_eq!(
        heard_until(&mut medium, 3_000_000),
        NOBODY,
        "the other way is as far as ever"
    );
    medium.forget_path_loss(near, far);
    send(&mut medium, 3_000_000, 0);
    assert_eq!(heard_until(&mut medium, 4_000_000), NOBODY);
    medium.place(Instant(4_000_000), far, 50.0, 0.0);
    medium.set_path_loss(near, far, None);
    send(&mut medium, 4_000_000, 0);
    assert_eq!(heard_until(&mut medium, 5_000_000), NOBODY);
}

#[test]
fn shadowing_is_symmetric_and_stays_when_others_come() {
    let losses = |count: usize, sigma_db, asymmetry_db| {
        let mut medium = medium_with(
            count,
            MediumConfig {
                shadowing: Shadowing {
                    sigma_db,
                    asymmetry_db,
                },
                ..MediumConfig::default()
            },
        );
        // On a circle around the first one: all as far from it.
        for station in 0..count {
            let (x, y) = [(0.0, 0.0), (300.0, 400.0), (-300.0, 400.0), (500.0, 0.0)][station.min(3)];
            medium.place(Instant(0), Station(station), x, y);
        }
        let loss = |from, to| medium.path_loss_db(Station(from), Station(to)).unwrap();
        [loss(0, 1), loss(1, 0), loss(0, 2), loss(2, 0)]
    };
    let plain = losses(3, 0.0, 0.0);
    assert!(plain.iter().all(|loss| *loss == plain[0]));
    let shadowed = losses(3, 8.0, 0.0);
    assert_eq!((shadowed[0], shadowed[2]), (shadowed[1], shadowed[3]));
    assert!(shadowed[0] != shadowed[2] && shadowed[0] != plain[0]);
    assert_eq!(shadowed, losses(9, 8.0, 0.0));
    let one_way = losses(3, 8.0, 3.0);
    assert!(one_way[0] != one_way[1] && one_way[0] != shadowed[0]);
    assert_eq!(one_way, losses(9, 8.0, 3.0));
}

#[test]
fn fading_is_drawn_for_each_frame_and_each_receiver() {
    let run = |count: usize| {
        let mut medium = medium_with(
            count,
            MediumConfig {
                fading_db: 4.0,
                ..MediumConfig::default()
            },
        );
        let mut strengths = Vec::new();
        for turn in 0..500 {
            send(&mut medium, turn * 1_000_000, 0);
            let heard = std::iter::from_fn(|| medium.poll_delivery(Instant((turn + 1) * 1_000_000)));
            strengths.extend(
                heard
                    .filter(|delivery| delivery.to.0 <= 2)
                    .map(|delivery| delivery.rssi_dbm),
            );
        }
        strengths
    };
    let strengths = run(3);
    assert_eq!(strengths.len(), 1000);
    let mean = strengths.iter().sum::<f32>() / 1000.0;
    let square = strengths
        .iter()
        .map(|dbm| (dbm - mean) * (dbm - mean))
        .sum::<f32>();
    assert!((mean + 76.0).abs() < 0.4, "{mean}");
    assert!(((square / 1000.0).sqrt() - 3.95).abs() < 0.3, "{square}");
    assert_eq!(strengths, run(5), "two more receivers change nothing");
}

#[test]
fn power_and_antennas_count() {
    let mut medium = medium(2);
    medium.set_path_loss(Station(0), Station(1), Some(146.0));
    send(&mut medium, 0, 0);
    assert_eq!(
        heard_until(&mut medium, 1_000_000),
        NOBODY,
        "-132 dBm is too weak at SF8"
    );
    medium.set_antenna_gain(Station(1), 6.0);
    send(&mut medium, 1_000_000, 0);
    assert_eq!(heard_until(&mut medium, 2_000_000), [1]);
    medium.set_antenna_gain(Station(1), 0.0);
    (medium.send(Instant(2_000_000), Station(0), vec![7; 51], &tuning(8), 20)).unwrap();
    assert_eq!(heard_until(&mut medium, 3_000_000), [1]);
    send(&mut medium, 3_000_000, 0);
    assert_eq!(heard_until(&mut medium, 4_000_000), NOBODY);
}

#[test]
fn losses_come_in_bursts_when_they_are_asked_for() {
    let mut medium = medium(2);
    medium.set_loss(Loss::Bursts(Bursts::new(0.3, 10.0)));
    let mut fates = Vec::new();
    for turn in 0..20_000 {
        send(&mut medium, turn * 1_000_000, 0);
        fates.push(!heard_until(&mut medium, (turn + 1) * 1_000_000).is_empty());
    }
    let lost = medium.statistics(Station(1)).frames_lost as f64;
    let bursts = fates.windows(2).filter(|pair| pair[0] && !pair[1]).count() as f64;
    assert!((lost / 20_000.0 - 0.3).abs() < 0.03, "{lost}");
    assert!((lost / bursts - 10.0).abs() < 1.0, "{}", lost / bursts);
}

#[test]
fn signals_from_elsewhere_take_the_channel_and_destroy_what_is_not_much_stronger() {
    let external = External {
        share: 0.2,
        span_us: AIRTIME_US,
        rssi_dbm: -81.0,
    };
    let run = |external: External| {
        let mut medium = medium_with(
            2,
            MediumConfig {
                external: Some(external),
                ..MediumConfig::default()
            },
        );
        let mut busy = 0;
        for turn in 0..2000 {
            // Each frame lies in one span.
            let now = turn * 3 * AIRTIME_US;
            let is_busy = medium.is_busy(Instant(now), Station(1));
            if is_busy {
                busy += 1;
                assert!(medium.carrier(Instant(now), Station(1)).is_busy);
                let until = medium.busy_until(Instant(now), Station(1)).unwrap();
                assert_eq!(until, Instant(now + AIRTIME_US));
            }
            send(&mut medium, now, 0);
            let is_heard = !heard_until(&mut medium, now + AIRTIME_US).is_empty();
            assert!(is_heard != is_busy || external.rssi_dbm < -82.0);
        }
        (busy, medium.statistics(Station(1)).frames_jammed)
    };
    let (busy, jammed) = run(external);
    assert!((340..460).contains(&busy), "{busy}");
    assert_eq!(busy, jammed);
    let weak = External {
        rssi_dbm: -82.1,
        ..external
    };
    assert_eq!(run(weak), (busy, 0));
}

#[test]
fn a_channel_is_free_when_all_that_is_heard_is_over() {
    let mut medium = medium(3);
    let first = send(&mut medium, 0, 0);
    let busy_until = |medium: &mut Medium, now, station| medium.busy_until(Instant(now), Station(station));
    assert_eq!(busy_until(&mut medium, 0, 0), Some(first), "its own");
    assert_eq!(busy_until(&mut medium, 0, 2), None, "not noticed yet");
    assert_eq!(busy_until(&mut medium, 5_000, 2), Some(first));
    let second = send(&mut medium, 10_000, 1);
    assert_eq!(busy_until(&mut medium, 20_000, 2), Some(second));
    assert_eq!(busy_until(&mut medium, second.0, 2), None);
    assert!(medium.is_busy(Instant(20_000), Station(2)) && !medium.is_busy(second, Station(2)));
}

#[test]
fn frames_are_shared_and_not_copied() {
    let mut medium = medium(3);
    send(&mut medium, 0, 0);
    let one = medium.poll_delivery(Instant(1_000_000)).unwrap();
    let other = medium.poll_delivery(Instant(1_000_000)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&one.frame, &other.frame));
}

#[test]
fn what_moves_in_the_middle_of_a_frame_is_heard_from_where_it_was() {
    let mut medium = medium(2);
    medium.place(Instant(0), Station(0), 0.0, 0.0);
    medium.place(Instant(0), Station(1), 100.0, 0.0);
    send(&mut medium, 0, 0);
    medium.place(Instant(1000), Station(1), 90_000.0, 0.0);
    assert_eq!(heard_until(&mut medium, 1_000_000), [1]);
    send(&mut medium, 1_000_000, 0);
    assert_eq!(heard_until(&mut medium, 2_000_000), NOBODY);
    medium.place(Instant(2_000_000), Station(1), 100.0, 0.0);
    send(&mut medium, 2_000_000, 0);
    assert_eq!(heard_until(&mut medium, 3_000_000), [1], "it came into reach");
}
