//! A LoRa radio as one of the node's links: settings that keep within the law, and the way between it and the engine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_transports::PeerKey;
use cairn_transports::lora::modem::{
    ConfigError, E22_BANDWIDTH_HZ, E22Config, ModemKind, ModemSettings, RnodeConfig, RylrConfig, Timing,
};
use cairn_transports::lora::{
    Broadcast as OnAir, BudgetRecord, CodingRate, DwellTiming, INTRODUCTION_LEN, Interest, KeyName,
    MESSAGE_OVERHEAD, ModeLines, Radio, RadioCommand, RadioConfig, RadioEvent, Region, RegionError,
    SendersRecord, SpaceKey, SpreadingFactor, SubBand, probe_port,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant};

use super::chunk_worker::{Expected, Job};
use super::engine_thread::{Input, Inputs};
use super::home::{Home, HomeError, random_seed};
use super::modem_call::{ModemCall, caller};
use super::radio_table::{RadioInfo, RadioTable, Signal};
use crate::mesh::{
    Broadcast, Event, Lane, LinkId, Overheard, RadioProfile, chunk_frame, radio_carried_chunk,
};
use crate::model::{EpochId, Hash, NodeId, WallTime};
use crate::seal::{EpochKey, Keyring};
use crate::service::SharedKeys;

/// The record of used airtime, in the node's folder.
const RECORD_FILE: &str = "airtime.record";
/// The record of who was heard, in the node's folder.
const SENDERS_FILE: &str = "senders.record";
/// The region that was told once.
const REGION_FILE: &str = "region";
/// The kind of modem that was used last.
const MODEM_FILE: &str = "modem";
/// An antenna's gain over an isotropic one, in dB: what a plain dipole has.
const ANTENNA_DB: f32 = 2.15;
/// Calls are answered at most so often.
const ANSWER_PAUSE: Duration = Duration::from_secs(2);
/// The slot of answers to calls: none of the engine's.
const ANSWER_SLOT: u64 = 1 << 62;
/// The power that is used if nobody says which, in dBm.
const TX_POWER_DBM: u8 = 14;

/// How a radio is to be used, as far as somebody said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoraSettings {
    /// The serial port.
    pub port: String,
    /// Which kind of modem is there. If nobody says, it is asked, and what was found last is remembered.
    pub modem: Option<ModemKind>,
    /// Where an E22's mode lines are wired. If nobody says, a HAT on a Raspberry Pi is taken to have them where they usually are.
    pub mode_lines: Option<ModeLines>,
    /// Whose rules hold. Told once, it is remembered.
    pub region: Option<Region>,
    /// In Hz.
    pub frequency_hz: Option<u32>,
    /// 5 to 12.
    pub spreading_factor: Option<u8>,
    /// In Hz.
    pub bandwidth_hz: Option<u32>,
    /// 5 to 8, for 4/5 to 4/8.
    pub coding_rate: Option<u8>,
    /// In dBm, at the modem.
    pub tx_power_dbm: Option<u8>,
    /// Bits per second over the air, of an E22.
    pub air_rate_bps: Option<u32>,
    /// Somebody who is not known here used the radio within the last hour: at this start all airtime counts as used.
    pub airtime_used: bool,
}

/// Why a radio cannot be used so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoraError {
    /// Nobody said where the radio is.
    #[error(
        "say once where this radio is used, so that it keeps to the law: add --region with one of EU868, EU433, US915, AU915, AS923, IN865"
    )]
    NoRegion,
    /// The rules of the region.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// Too strong.
    #[error("{found} dBm with a plain antenna is more than {region} allows there: at most {allowed} dBm")]
    TooStrong {
        /// As asked for.
        found: u8,
        /// Most, at the modem.
        allowed: u8,
        /// Whose rules.
        region: Region,
    },
    /// The modem's limits.
    #[error(transparent)]
    Modem(#[from] ConfigError),
    /// A number that means nothing.
    #[error("{parameter} {found} is none: use {allowed}")]
    BadNumber {
        /// The option.
        parameter: &'static str,
        /// As given.
        found: u8,
        /// What would do.
        allowed: &'static str,
    },
    /// An option of other modems.
    #[error("{option} means nothing to a modem of the kind {kind}: leave it away{instead}")]
    NotForModem {
        /// The option.
        option: &'static str,
        /// Which modem.
        kind: ModemKind,
        /// What to use, for people.
        instead: &'static str,
    },
    /// Even the shortest frame that is of use takes longer than the band allows.
    #[error(
        "{region} allows {allowed_ms} ms for one frame there, too little at this speed: choose a faster one (a smaller --sf, a wider --bandwidth or a higher --air-rate)"
    )]
    TooSlow {
        /// Where.
        region: Region,
        /// The longest frame, in milliseconds.
        allowed_ms: u64,
    },
    /// Nothing answers, and nothing did before.
    #[error(
        "nothing at {port} answers as a modem does: check the wiring and the power, or name its kind with --modem (rnode, e22 or rylr)"
    )]
    NoModem {
        /// The port.
        port: String,
    },
    /// It cannot be used now.
    #[error("the radio cannot be used: {0}")]
    Unusable(String),
    /// This node joined by an invite of a node that knew none.
    #[error(
        "this node has no key of its space, which radio frames need: join again, with an invite from a node that has it"
    )]
    NoKey,
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// A radio's settings, complete and lawful.
struct Lawful {
    region: Region,
    band: &'static SubBand,
    modem: ModemSettings,
}

impl LoraSettings {
    /// The region that was told here once.
    pub fn remembered_region(home: &Path) -> Option<Region> {
        let text = fs::read_to_string(home.join(REGION_FILE)).ok()?;
        text.trim().parse().ok()
    }

    fn region(&self, home: &Home) -> Result<Region, LoraError> {
        let remembered = || Self::remembered_region(home.path());
        self.region.or_else(remembered).ok_or(LoraError::NoRegion)
    }

    /// Where an E22's mode lines are.
    fn lines(&self) -> Option<ModeLines> {
        self.mode_lines.clone().or_else(|| ModeLines::of_hat(&self.port))
    }

    /// The kind that was told; else what answers now; else what was there last.
    async fn kind(&self, home: &Home) -> Result<ModemKind, LoraError> {
        if let Some(kind) = self.modem {
            return Ok(kind);
        }
        // A question may go on air.
        self.region(home)?;
        match probe_port(&self.port, self.lines().as_ref()).await {
            Ok(Some(found)) => {
                tracing::info!(port = self.port, modem = found.description, "found a modem");
                return Ok(found.kind);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(port = self.port, %error, "the port cannot be asked"),
        }
        let text = fs::read_to_string(home.file(MODEM_FILE)).unwrap_or_default();
        text.trim().parse().map_err(|_| LoraError::NoModem {
            port: self.port.clone(),
        })
    }

    fn lawful(&self, home: &Home, kind: ModemKind) -> Result<Lawful, LoraError> {
        let region = self.region(home)?;
        self.check_options(kind)?;
        let e22 = kind == ModemKind::E22;
        let bandwidth_hz = if e22 {
            E22_BANDWIDTH_HZ
        } else {
            self.bandwidth_hz.unwrap_or(125_000)
        };
        let usual = if e22 {
            best_e22_frequency_hz(region)
        } else {
            region.default_frequency_hz()
        };
        let frequency_hz = self.frequency_hz.unwrap_or(usual);
        let band = region.sub_band(frequency_hz, bandwidth_hz)?;
        let allowed = (band.eirp_dbm - ANTENNA_DB).max(0.0).floor() as u8;
        let tx_power_dbm = self.tx_power_dbm.unwrap_or(TX_POWER_DBM.min(allowed));
        if tx_power_dbm > allowed {
            return Err(LoraError::TooStrong {
                found: tx_power_dbm,
                allowed,
                region,
            });
        }
        let factor = self.spreading_factor.unwrap_or(8);
        let rate = self.coding_rate.unwrap_or(5);
        let spreading_factor = SpreadingFactor::new(factor).ok_or(LoraError::BadNumber {
            parameter: "--sf",
            found: factor,
            allowed: "5 to 12",
        })?;
        let coding_rate = CodingRate::new(rate).ok_or(LoraError::BadNumber {
            parameter: "--coding-rate",
            found: rate,
            allowed: "5 to 8, for 4/5 to 4/8",
        })?;
        let modem = match kind {
            ModemKind::E22 => ModemSettings::E22(E22Config {
                air_rate_bps: self.air_rate_bps.unwrap_or(2400),
                tx_power_dbm,
                ..E22Config::new(frequency_hz)
            }),
            ModemKind::Rylr => ModemSettings::Rylr(RylrConfig {
                bandwidth_hz,
                tx_power_dbm,
                ..RylrConfig::new(frequency_hz, spreading_factor, coding_rate)
            }),
            _ => ModemSettings::Rnode(RnodeConfig {
                frequency_hz,
                bandwidth_hz,
                spreading_factor,
                coding_rate,
                tx_power_dbm,
            }),
        };
        modem.check()?;
        if DwellTiming::new(modem.timing(), band).frame_len_max() < INTRODUCTION_LEN {
            return Err(LoraError::TooSlow {
                region,
                allowed_ms: band.frame_us_max().unwrap_or(0) / 1000,
            });
        }
        Ok(Lawful { region, band, modem })
    }

    /// Options that mean nothing to the modem are wrong usage: whoever gives them expects something of them.
    fn check_options(&self, kind: ModemKind) -> Result<(), LoraError> {
        let e22 = kind == ModemKind::E22;
        let foreign = [
            (
                e22 && self.spreading_factor.is_some(),
                "--sf",
                ", and give --air-rate",
            ),
            (
                e22 && self.bandwidth_hz.is_some(),
                "--bandwidth",
                ", and give --air-rate",
            ),
            (
                e22 && self.coding_rate.is_some(),
                "--coding-rate",
                ", and give --air-rate",
            ),
            (
                !e22 && self.air_rate_bps.is_some(),
                "--air-rate",
                ", and give --sf",
            ),
        ];
        for (given, option, instead) in foreign {
            if given {
                return Err(LoraError::NotForModem {
                    option,
                    kind,
                    instead,
                });
            }
        }
        Ok(())
    }
}

/// Where an E22, which goes in steps of 1 MHz, may send the most.
fn best_e22_frequency_hz(region: Region) -> u32 {
    let share = |hz: u32| region.sub_band(hz, E22_BANDWIDTH_HZ).map_or(0.0, SubBand::share);
    E22Config::frequencies_hz()
        .max_by(|a, b| share(*a).total_cmp(&share(*b)))
        .unwrap_or(region.default_frequency_hz())
}

/// This boot of the machine, and how long it has lasted, in microseconds.
fn boot() -> ([u8; 16], u64) {
    let mut boot = [0; 16];
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    if let Ok(bytes) = data_encoding::HEXLOWER_PERMISSIVE.decode(&digits) {
        for (to, from) in boot.iter_mut().zip(bytes) {
            *to = from;
        }
    }
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = since.tv_sec.unsigned_abs() * 1_000_000 + since.tv_nsec.unsigned_abs() / 1000;
    (boot, micros)
}

/// Who was heard by the last run. Without it recordings may count as new once: their entries are signed, and nothing but time is lost, so
/// that is no reason not to start.
fn senders_record(home: &Home) -> SendersRecord {
    let path = home.file(SENDERS_FILE);
    match fs::read(&path).map(|bytes| SendersRecord::decode(&bytes)) {
        Ok(Ok(record)) => record,
        Ok(Err(error)) => {
            tracing::warn!(path = %path.display(), "{error}");
            SendersRecord::default()
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "the record of senders cannot be read");
            }
            SendersRecord::default()
        }
    }
}

/// What the engine's thread needs of a radio.
pub(super) struct Controls {
    pub(super) commands: mpsc::Sender<RadioCommand>,
    keys: watch::Sender<Vec<SpaceKey>>,
    overheard: Arc<Mutex<Overheard>>,
}

impl Controls {
    /// Frames are sealed and opened with these keys from now on. They are not lost, however busy the radio is.
    pub(super) fn set_keys(&self, keyring: &Keyring) {
        self.keys.send_replace(frame_keys(keyring));
        // Without room for it, there are commands that bring them.
        let _ = self.commands.try_send(RadioCommand::Keys);
    }

    /// A chunk that came before anybody asked for it.
    pub(super) fn overheard(&self, chunk: &Hash) -> Option<Vec<u8>> {
        self.overheard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(chunk)
    }
}

/// A radio that was started, on its way to the engine.
pub(super) struct Started {
    pub(super) controls: Controls,
    pub(super) profile: RadioProfile,
    pub(super) events: mpsc::Receiver<RadioEvent>,
    pub(super) table: RadioTable,
}

/// The keys of frames, the newest first.
fn frame_keys(keyring: &Keyring) -> Vec<SpaceKey> {
    let key = |epoch: &EpochKey| SpaceKey::new(KeyName(epoch.id().0), &epoch.radio());
    keyring.newest_first().map(key).collect()
}

/// Starts the radio.
pub(super) async fn start(
    settings: &LoraSettings,
    home: &Arc<Home>,
    node: NodeId,
    keyring: &Keyring,
    now: WallTime,
) -> Result<Started, LoraError> {
    let kind = settings.kind(home).await?;
    let lawful = settings.lawful(home, kind)?;
    let keys = frame_keys(keyring);
    if keys.is_empty() {
        return Err(LoraError::NoKey);
    }
    let (keys, latest_keys) = watch::channel(keys);
    let (boot, since_boot_us) = boot();
    let record = match fs::read(home.file(RECORD_FILE)) {
        _ if settings.airtime_used => Some(Vec::new()),
        Ok(bytes) => Some(bytes),
        // A record that was there once and is gone counts as damaged: all airtime as used.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !home.file(REGION_FILE).exists() => {
            home.write_durably(RECORD_FILE, &BudgetRecord::default().encode())?;
            None
        }
        Err(_) => Some(Vec::new()),
    };
    let senders = senders_record(home);
    home.write_durably(REGION_FILE, lawful.region.name().as_bytes())?;
    home.write_durably(MODEM_FILE, kind.name().as_bytes())?;
    let seed = random_seed()?;
    let low = u64::from(u32::from_be_bytes([seed[0], seed[1], seed[2], seed[3]]));
    let (folder, senders_folder) = (home.clone(), home.clone());
    let timing = DwellTiming::new(lawful.modem.timing(), lawful.band);
    let frame_len_max = timing.frame_len_max();
    let profile = RadioProfile {
        frame_len_max: frame_len_max - MESSAGE_OVERHEAD,
        frame_airtime_us: timing.airtime_us(frame_len_max).unwrap_or(1_000_000),
        share_permille: (lawful.band.share() * 1000.0) as u32,
        window_us: lawful.band.longest_window().as_micros() as u64,
    };
    let (frequency_hz, bandwidth_hz) = lawful.modem.channel_hz();
    tracing::info!(
        port = settings.port,
        modem = %lawful.modem.kind(),
        region = %lawful.region,
        frequency_hz,
        bandwidth_hz,
        "radio: at most {} of 1000 s may be spent sending",
        profile.share_permille
    );
    let table = RadioTable::default();
    table.set(RadioInfo {
        port: settings.port.clone(),
        modem: lawful.modem.kind().to_string(),
        frequency_hz,
        ..RadioInfo::default()
    });
    let radio = Radio::start(RadioConfig {
        port: settings.port.clone(),
        lines: settings.lines().filter(|_| kind == ModemKind::E22),
        modem: lawful.modem,
        band: lawful.band,
        node: PeerKey(node.0),
        keys: latest_keys,
        generation: (now.0 / 1000) << 32 | low,
        senders,
        record,
        boot,
        since_boot_us,
        sink: Arc::new(move |record: &BudgetRecord| {
            folder
                .write_durably(RECORD_FILE, &record.encode())
                .map_err(io::Error::other)
        }),
        senders_sink: Arc::new(move |record: &SendersRecord| {
            senders_folder
                .write_durably(SENDERS_FILE, &record.encode())
                .map_err(io::Error::other)
        }),
        seed: *blake3::hash(&seed[..]).as_bytes(),
    });
    Ok(Started {
        controls: Controls {
            commands: radio.commands,
            keys,
            overheard: Arc::default(),
        },
        profile,
        events: radio.events,
        table,
    })
}

/// Where what a radio hears goes.
pub(super) struct Listener {
    radio: LinkId,
    commands: mpsc::Sender<RadioCommand>,
    table: RadioTable,
    overheard: Arc<Mutex<Overheard>>,
    keys: SharedKeys,
    pub(super) inputs: Inputs,
    expected: Expected,
    jobs: mpsc::Sender<Job>,
}

impl Listener {
    pub(super) fn new(
        radio: LinkId,
        started: &Started,
        keys: SharedKeys,
        inputs: Inputs,
        expected: Expected,
        jobs: mpsc::Sender<Job>,
    ) -> Self {
        Self {
            radio,
            commands: started.controls.commands.clone(),
            table: started.table.clone(),
            overheard: started.controls.overheard.clone(),
            keys,
            inputs,
            expected,
            jobs,
        }
    }
}

/// Hands what a radio tells to the engine, until it ends.
pub(super) async fn read(listener: Listener, mut events: mpsc::Receiver<RadioEvent>) {
    let mut answered: Option<Instant> = None;
    let Listener {
        radio,
        commands,
        table,
        overheard,
        keys,
        inputs,
        expected,
        jobs,
    } = listener;
    let is_current = |under: KeyName| {
        let keys = keys.get();
        keys.current().is_some_and(|epoch| epoch.id().0 == under.0)
    };
    while let Some(event) = events.recv().await {
        let event = match event {
            RadioEvent::Online(identity) => {
                tracing::info!(modem = identity.description, "the radio is on air");
                table.change(|info| {
                    info.online = true;
                    info.problem = None;
                    info.modem = identity.description;
                });
                continue;
            }
            RadioEvent::Offline { reason, retry_in } => {
                tracing::warn!(%reason, ?retry_in, "the radio cannot be used now");
                table.change(|info| {
                    info.online = false;
                    info.problem = Some(reason);
                });
                continue;
            }
            RadioEvent::Notice(text) => {
                tracing::info!(%text, "radio");
                continue;
            }
            RadioEvent::Message { from, under, bytes } if let Some(call) = ModemCall::decode(&bytes) => {
                let from = NodeId(from.0);
                if let ModemCall::Call { number } = call
                    && is_current(under)
                    && answered.is_none_or(|at| at.elapsed() >= ANSWER_PAUSE)
                {
                    answered = Some(Instant::now());
                    let info = table.info().unwrap_or_default();
                    let heard = info.signals.get(&from).copied().unwrap_or_default();
                    let _ = commands.try_send(answer(number, from, heard));
                }
                continue;
            }
            RadioEvent::Message { from, under, bytes } => match radio_carried_chunk(&bytes) {
                // Whoever has been shut out brings nothing.
                Some(_) if !is_current(under) => continue,
                Some((chunk, bytes)) => {
                    if expected.take(radio, chunk, bytes.len()) {
                        let frame = chunk_frame(&chunk, &bytes).into();
                        let _ = jobs.send(Job::Store { link: radio, frame }).await;
                    } else {
                        overheard
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .keep(chunk, bytes);
                    }
                    continue;
                }
                None => Event::RadioMessage {
                    radio,
                    from: NodeId(from.0),
                    under: EpochId(under.0),
                    message: bytes,
                },
            },
            RadioEvent::Heard {
                from,
                rssi_dbm,
                snr_db,
            } => {
                tracing::debug!(peer = %NodeId(from.0), ?rssi_dbm, ?snr_db, "heard by radio");
                table.change(|info| {
                    info.signals.insert(NodeId(from.0), Signal { rssi_dbm, snr_db });
                });
                continue;
            }
            RadioEvent::Ended { slot, ending } => {
                tracing::debug!(slot, ?ending, "radio");
                continue;
            }
            RadioEvent::Counts {
                counts,
                airtime_used_us,
            } => {
                tracing::debug!(?counts, ?airtime_used_us, "radio");
                table.change(|info| {
                    info.counts = counts;
                    info.airtime_us = airtime_used_us;
                });
                continue;
            }
            RadioEvent::Introduced { from, under } => Event::RadioIntroduced {
                radio,
                from: from.map(|from| NodeId(from.0)),
                under: EpochId(under.0),
            },
            RadioEvent::Ready => Event::RadioReady { radio },
        };
        if inputs.send(Input::Event(event)).is_err() {
            return;
        }
    }
}

/// What answers a call of `cairn modem test`.
pub(super) fn answer(number: u8, to: NodeId, heard: Signal) -> RadioCommand {
    RadioCommand::Broadcast(OnAir {
        slot: ANSWER_SLOT,
        lane: cairn_transports::Lane::Control,
        under: None,
        name: [0; 4],
        bytes: ModemCall::Answer {
            number,
            caller: caller(to),
            heard,
        }
        .encode(),
        audience: 1,
    })
}

/// The engine's message, for the radio.
pub(super) fn on_air(broadcast: Broadcast) -> RadioCommand {
    let lane = match broadcast.lane {
        Lane::Control => cairn_transports::Lane::Control,
        Lane::Entries => cairn_transports::Lane::Entries,
        Lane::Small => cairn_transports::Lane::Small,
        Lane::Bulk => cairn_transports::Lane::Bulk,
    };
    RadioCommand::Broadcast(OnAir {
        slot: broadcast.slot,
        lane,
        under: broadcast.under.map(|epoch| KeyName(epoch.0)),
        name: broadcast.name,
        bytes: broadcast.message,
        audience: 1,
    })
}

/// What the engine wants to hear, for the radio.
pub(super) fn interest(senders: BTreeSet<NodeId>, chunks: BTreeSet<[u8; 4]>) -> RadioCommand {
    RadioCommand::Interest(Interest {
        senders: senders.into_iter().map(|sender| PeerKey(sender.0)).collect(),
        objects: chunks,
    })
}

/// The slot of a chunk that is sent.
pub(super) fn chunk_slot(name: [u8; 4]) -> u64 {
    1 << 63 | u64::from(u32::from_be_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> LoraSettings {
        LoraSettings {
            port: "/dev/null".into(),
            modem: Some(ModemKind::Rnode),
            mode_lines: None,
            region: Some(Region::Eu868),
            frequency_hz: None,
            spreading_factor: None,
            bandwidth_hz: None,
            coding_rate: None,
            tx_power_dbm: None,
            air_rate_bps: None,
            airtime_used: false,
        }
    }

    #[test]
    fn the_law_is_kept_whatever_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        assert!(settings().lawful(&home, ModemKind::Rnode).is_ok());
        let said = |settings: LoraSettings| {
            settings
                .lawful(&home, ModemKind::Rnode)
                .err()
                .unwrap()
                .to_string()
        };
        let nowhere = LoraSettings {
            region: None,
            ..settings()
        };
        assert!(said(nowhere).contains("--region"));
        let outside = LoraSettings {
            frequency_hz: Some(868_650_000),
            ..settings()
        };
        assert!(said(outside).contains("no sub-band"));
        let strong = LoraSettings {
            frequency_hz: Some(868_100_000),
            tx_power_dbm: Some(20),
            ..settings()
        };
        assert!(said(strong).contains("at most 14 dBm"));
        let slow = LoraSettings {
            spreading_factor: Some(13),
            ..settings()
        };
        assert!(said(slow).contains("5 to 12"));
        let never = LoraSettings {
            region: Some(Region::Us915),
            spreading_factor: Some(12),
            ..settings()
        };
        assert!(said(never).contains("400 ms"));
    }

    #[test]
    fn usual_speeds_are_fast_enough_for_a_dwell_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        for region in [Region::Eu868, Region::Us915, Region::Au915] {
            for kind in [ModemKind::Rnode, ModemKind::E22, ModemKind::Rylr] {
                let settings = LoraSettings {
                    region: Some(region),
                    ..settings()
                };
                let refused = settings.lawful(&home, kind).err();
                assert!(refused.is_none(), "{region} {kind}: {refused:?}");
            }
        }
    }

    #[test]
    fn a_damaged_record_of_senders_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        assert_eq!(senders_record(&home), SendersRecord::default());
        let bytes = SendersRecord::default().encode();
        home.write_durably(SENDERS_FILE, &bytes).unwrap();
        assert_eq!(senders_record(&home), SendersRecord::default());
        home.write_durably(SENDERS_FILE, &bytes[1..]).unwrap();
        assert_eq!(senders_record(&home), SendersRecord::default());
    }

    #[test]
    fn the_region_is_asked_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        fs::write(home.file(REGION_FILE), "US915\n").unwrap();
        let remembered = LoraSettings {
            region: None,
            ..settings()
        };
        assert_eq!(
            remembered.lawful(&home, ModemKind::Rnode).unwrap().region,
            Region::Us915
        );
    }
}
