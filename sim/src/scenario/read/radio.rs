//! The table `[radio]`, and what groups of nodes change of it.

use cairn_transports::lora::modem::{
    ConfigError, E22_BANDWIDTH_HZ, E22Config, ModemKind, ModemSettings, RnodeConfig, RylrConfig,
};
use cairn_transports::lora::{CodingRate, Region, SpreadingFactor, SubBand};

use crate::scenario::node::NodeRadio;
use crate::scenario::radio::{Bursts, InterSf, PowerDraw, Propagation, RadioSettings};
use crate::scenario::reader::Reader;

/// What `[radio]` says.
pub(super) struct Radio {
    pub(super) settings: RadioSettings,
    dials: Dials,
}

/// What can be set at a modem.
#[derive(Clone, Copy)]
struct Dials {
    kind: ModemKind,
    frequency_hz: u32,
    spreading_factor: SpreadingFactor,
    bandwidth_hz: u32,
    coding_rate: CodingRate,
    air_rate_bps: u32,
    tx_power_dbm: u8,
    antenna_gain_dbi: f64,
}

fn spreading_factor(reader: &Reader<'_, '_>) -> Option<SpreadingFactor> {
    SpreadingFactor::new(u8::try_from(reader.integer("spreading_factor")?).ok()?)
}

fn tx_power_dbm(reader: &Reader<'_, '_>) -> Option<u8> {
    u8::try_from(reader.integer("tx_power_dbm")?).ok()
}

fn hz(reader: &Reader<'_, '_>, key: &str) -> Option<u32> {
    u32::try_from(reader.integer(key)?).ok()
}

pub(super) fn read(reader: &Reader<'_, '_>) -> Radio {
    let region = reader
        .word("region")
        .and_then(|name| name.parse::<Region>().ok())
        .unwrap_or(Region::Eu868);
    let kind = reader
        .kind()
        .and_then(|name| name.parse().ok())
        .unwrap_or(ModemKind::Rnode);
    let dials = Dials {
        kind,
        frequency_hz: hz(reader, "frequency_hz").unwrap_or_else(|| default_frequency_hz(region, kind)),
        spreading_factor: spreading_factor(reader).unwrap_or(SF_DEFAULT),
        bandwidth_hz: hz(reader, "bandwidth_hz").unwrap_or(125_000),
        coding_rate: reader
            .integer("coding_rate")
            .and_then(|rate| CodingRate::new(u8::try_from(rate).ok()?))
            .unwrap_or(CR_DEFAULT),
        air_rate_bps: hz(reader, "air_rate_bps").unwrap_or(2400),
        tx_power_dbm: tx_power_dbm(reader).unwrap_or(14),
        antenna_gain_dbi: reader.number("antenna_gain_dbi").unwrap_or(0.0),
    };
    let band = sub_band(reader, region, &dials);
    dials.check(reader, band, false);
    let number = |key, default| reader.number(key).unwrap_or(default);
    let settings = RadioSettings {
        region,
        band,
        propagation: propagation(reader),
        shadowing_db: number("shadowing_db", 0.0),
        fading_db: number("fading_db", 0.0),
        capture_db: number("capture_db", 6.0),
        inter_sf: match reader.word("inter_sf") {
            Some("none") => InterSf::None,
            Some("croce") => InterSf::Croce,
            _ => InterSf::Goursaud,
        },
        noise_figure_db: number("noise_figure_db", 6.0),
        loss: number("loss", 0.0),
        bursts: reader.table("bursts").and_then(|reader| bursts(&reader)),
        listen_before_talk: reader.flag("listen_before_talk").unwrap_or(true),
        power: PowerDraw {
            tx_mw: number("tx_mw", 400.0),
            rx_mw: number("rx_mw", 40.0),
            idle_mw: number("idle_mw", 35.0),
        },
    };
    Radio { settings, dials }
}

/// Where the region's nodes usually are, or the nearest channel that the modem has and the region allows.
fn default_frequency_hz(region: Region, kind: ModemKind) -> u32 {
    let usual_hz = region.default_frequency_hz();
    if kind != ModemKind::E22 {
        return usual_hz;
    }
    let channels =
        (0..=83).flat_map(|channel| [410_125_000, 850_125_000].map(|first| first + channel * 1_000_000));
    channels
        .filter(|hz| E22Config::new(*hz).check().is_ok() && region.sub_band(*hz, E22_BANDWIDTH_HZ).is_ok())
        .min_by_key(|hz| hz.abs_diff(usual_hz))
        .unwrap_or(usual_hz)
}

/// The defaults are in the tables, and in range.
const SF_DEFAULT: SpreadingFactor = match SpreadingFactor::new(8) {
    Some(factor) => factor,
    None => unreachable!(),
};
const CR_DEFAULT: CodingRate = match CodingRate::new(5) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// The sub-band of the channel; any of the region's, after a note, if there is none.
fn sub_band(reader: &Reader<'_, '_>, region: Region, dials: &Dials) -> &'static SubBand {
    let (frequency_hz, bandwidth_hz) = dials.modem().channel_hz();
    match region.sub_band(frequency_hz, bandwidth_hz) {
        Ok(band) => band,
        Err(_) => {
            let mut edges: Vec<String> = region
                .sub_bands()
                .iter()
                .map(|band| format!("{} to {} Hz", band.from_hz, band.to_hz))
                .collect();
            edges.dedup();
            reader.reject(
                "frequency_hz",
                format!(
                    "a signal of {bandwidth_hz} Hz around {frequency_hz} Hz lies in no sub-band of {region}"
                ),
                edges.join(", "),
            );
            &region.sub_bands()[0]
        }
    }
}

fn propagation(reader: &Reader<'_, '_>) -> Propagation {
    let name = reader.word("propagation").unwrap_or("log-distance");
    let Propagation::LogDistance {
        reference_m,
        reference_loss_db,
        exponent,
    } = Propagation::BOR
    else {
        return Propagation::BOR;
    };
    let log_distance = Propagation::LogDistance {
        reference_m: reader.number("reference_m").unwrap_or(reference_m),
        reference_loss_db: reader.number("reference_loss_db").unwrap_or(reference_loss_db),
        exponent: reader.number("exponent").unwrap_or(exponent),
    };
    let other = match name {
        "suburban" => Propagation::Suburban,
        "metropolitan" => Propagation::Metropolitan,
        "free-space" => Propagation::FreeSpace,
        _ => return log_distance,
    };
    for key in ["reference_m", "reference_loss_db", "exponent"] {
        if reader.has(key) {
            let what = format!("it says nothing with propagation = \"{name}\"");
            reader.reject(key, what, "it goes with propagation = \"log-distance\"");
        }
    }
    other
}

fn bursts(reader: &Reader<'_, '_>) -> Option<Bursts> {
    let (good, bad) = (reader.duration("good"), reader.duration("bad"));
    Some(Bursts {
        loss: reader.number("loss").unwrap_or(1.0),
        good_us: good?,
        bad_us: bad?,
    })
}

impl Radio {
    /// A group's radio: as the channel's, but for what the group says of its own.
    pub(super) fn of_group(&self, reader: &Reader<'_, '_>) -> NodeRadio {
        let mut dials = self.dials;
        if dials.kind == ModemKind::E22 && reader.has("spreading_factor") {
            let what = "an E22 has an air rate, and no spreading factor of its own";
            reader.reject(
                "spreading_factor",
                what,
                "it goes with modem = \"rnode\" and \"rylr\"",
            );
        }
        dials.spreading_factor = spreading_factor(reader).unwrap_or(dials.spreading_factor);
        dials.tx_power_dbm = tx_power_dbm(reader).unwrap_or(dials.tx_power_dbm);
        dials.antenna_gain_dbi = reader
            .number("antenna_gain_dbi")
            .unwrap_or(dials.antenna_gain_dbi);
        // Otherwise it was checked before, and would only be noted again.
        if OVERRIDES.iter().any(|key| reader.has(key)) {
            dials.check(reader, self.settings.band, true);
        }
        NodeRadio {
            modem: dials.modem(),
            tx_power_dbm: f64::from(dials.sent_dbm()),
            antenna_gain_dbi: dials.antenna_gain_dbi,
        }
    }
}

/// What a group may say of its radios.
pub(super) const OVERRIDES: [&str; 3] = ["spreading_factor", "tx_power_dbm", "antenna_gain_dbi"];

impl Dials {
    /// An E22 has four steps, and takes the highest that is not above what was asked for.
    fn sent_dbm(&self) -> u8 {
        let steps = [22, 17, 13, 10];
        match self.kind {
            ModemKind::E22 => steps
                .into_iter()
                .find(|step| *step <= self.tx_power_dbm)
                .unwrap_or(self.tx_power_dbm),
            _ => self.tx_power_dbm,
        }
    }

    fn modem(&self) -> ModemSettings {
        match self.kind {
            ModemKind::E22 => ModemSettings::E22(E22Config {
                frequency_hz: self.frequency_hz,
                air_rate_bps: self.air_rate_bps,
                tx_power_dbm: self.tx_power_dbm,
                address: u16::MAX,
                network: 0,
                speed_bps: 9600,
                listen_first: true,
                rssi: true,
            }),
            ModemKind::Rylr => ModemSettings::Rylr(RylrConfig {
                bandwidth_hz: self.bandwidth_hz,
                tx_power_dbm: self.tx_power_dbm,
                ..RylrConfig::new(self.frequency_hz, self.spreading_factor, self.coding_rate)
            }),
            _ => ModemSettings::Rnode(RnodeConfig {
                frequency_hz: self.frequency_hz,
                bandwidth_hz: self.bandwidth_hz,
                spreading_factor: self.spreading_factor,
                coding_rate: self.coding_rate,
                tx_power_dbm: self.tx_power_dbm,
            }),
        }
    }

    /// Notes what the modem cannot do, and what the law forbids; of a group only what it says itself.
    fn check(&self, reader: &Reader<'_, '_>, band: &SubBand, is_group: bool) {
        if let Err(ConfigError::OutOfRange {
            parameter, allowed, ..
        }) = self.modem().check()
        {
            let key = match parameter {
                "the frequency" => "frequency_hz",
                "the bandwidth" => "bandwidth_hz",
                "the spreading factor" => "spreading_factor",
                "the air rate" => "air_rate_bps",
                _ => "tx_power_dbm",
            };
            if !is_group || reader.has(key) {
                let what = format!("an {} cannot be set so", self.kind.name().to_uppercase());
                reader.reject(key, what, allowed);
            }
        }
        let radiated_dbm = f64::from(self.sent_dbm()) + self.antenna_gain_dbi;
        let most_dbm = f64::from(band.eirp_dbm);
        if radiated_dbm > most_dbm + 0.01 {
            let what = format!(
                "{} dBm and an antenna of {} dBi radiate {radiated_dbm} dBm",
                self.sent_dbm(),
                self.antenna_gain_dbi
            );
            let allowed = format!(
                "up to {most_dbm:.2} dBm radiated between {} and {} Hz",
                band.from_hz, band.to_hz
            );
            reader.reject("tx_power_dbm", what, allowed);
        }
    }
}
