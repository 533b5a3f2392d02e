//! A radio that runs: one task with the port, its driver, and the station.
//!
//! When the modem is unplugged, reset, or stops answering, the port is opened again after a pause that grows; what waits to be sent waits.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant as Clock;

use super::budget::BudgetRecord;
use super::lines::{ModeLines, OpenLines};
use super::modem::{Driver, ModemIdentity, ModemSettings, Output};
use super::port::Port;
use super::queue::Slot;
use super::senders::SendersRecord;
use super::station::{Broadcast, Ending, Interest, Station, StationConfig, StationCounts, StationOutput};
use super::{Budget, Instant, KeyName, ObjectId, SpaceKey, SubBand};
use crate::PeerKey;

/// Budgets remember what was used before the start, so time begins two hours in.
const BEGINNING_US: u64 = 7_200_000_000;
/// The first pause before a port is opened again; each is twice as long, up to the longest.
const REOPEN_FIRST: Duration = Duration::from_millis(250);
const REOPEN_LONGEST: Duration = Duration::from_secs(30);
/// Commands and events that wait.
const CHANNEL_LEN: usize = 64;

/// Makes a record of used airtime durable, and returns when it is.
pub type RecordSink = Arc<dyn Fn(&BudgetRecord) -> io::Result<()> + Send + Sync>;

/// Makes a record of senders durable, and returns when it is.
pub type SendersSink = Arc<dyn Fn(&SendersRecord) -> io::Result<()> + Send + Sync>;

/// What a radio is told at its start.
pub struct RadioConfig {
    /// The port, such as `/dev/ttyUSB0`.
    pub port: String,
    /// Where an E22's mode lines are, if they are wired.
    pub lines: Option<ModeLines>,
    /// How the modem is set.
    pub modem: ModemSettings,
    /// Whose rules hold.
    pub band: &'static SubBand,
    /// Whose radio it is.
    pub node: PeerKey,
    /// The keys of the space as they are last: see [`Station::set_keys`], and [`RadioCommand::Keys`].
    pub keys: watch::Receiver<Vec<SpaceKey>>,
    /// Greater than at any start before, as far as one can tell, with random low bits.
    pub generation: u64,
    /// What the last run left; `None`: nothing was ever sent. A record that cannot be read counts as all used.
    pub record: Option<Vec<u8>>,
    /// Who was heard in the last run; empty where that is lost.
    pub senders: SendersRecord,
    /// Names this boot of the machine.
    pub boot: [u8; 16],
    /// Microseconds since the machine's boot, now.
    pub since_boot_us: u64,
    /// Makes records of airtime durable.
    pub sink: RecordSink,
    /// Makes records of senders durable.
    pub senders_sink: SendersSink,
    /// Makes everything random.
    pub seed: [u8; 32],
}

/// For a radio that runs.
#[derive(Debug)]
pub enum RadioCommand {
    /// Send a message.
    Broadcast(Broadcast),
    /// Do not send it.
    Cancel(Slot),
    /// What came of this object counts as not received.
    Forget(ObjectId),
    /// What is wanted of others.
    Interest(Interest),
    /// The keys are others now: [`RadioConfig::keys`] has them. Should this command find no room, the one that takes it brings them as well.
    Keys,
}

/// What a radio tells.
#[derive(Debug)]
pub enum RadioEvent {
    /// The modem is set up and on air.
    Online(ModemIdentity),
    /// The modem cannot be used now.
    Offline {
        /// Why, for people.
        reason: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Something odd that does no harm.
    Notice(String),
    /// A message came.
    Message {
        /// Who sealed it.
        from: PeerKey,
        /// With which key.
        under: KeyName,
        /// What it says.
        bytes: Vec<u8>,
    },
    /// A frame of a neighbour came.
    Heard {
        /// Whose.
        from: PeerKey,
        /// As the modem measured it.
        rssi_dbm: Option<i16>,
        /// As the modem measured it.
        snr_db: Option<f32>,
    },
    /// A message came to its end.
    Ended {
        /// Which.
        slot: Slot,
        /// How.
        ending: Ending,
    },
    /// Somebody is heard for the first time, or was told who this station is: what was said before may not have been understood. Under an earlier key,
    /// whenever somebody says who it is.
    Introduced {
        /// Who; `None`: this station.
        from: Option<PeerKey>,
        /// Under which key.
        under: KeyName,
    },
    /// There is room for a message.
    Ready,
    /// Sums since the start, and the used and allowed airtime of the window that has least left. Now and then.
    Counts {
        /// The sums.
        counts: StationCounts,
        /// In microseconds.
        airtime_used_us: Option<(u64, u64)>,
    },
}

/// The two ends of a radio that runs. It stops when both are dropped.
pub struct Radio {
    /// Takes commands.
    pub commands: mpsc::Sender<RadioCommand>,
    /// Gives events.
    pub events: mpsc::Receiver<RadioEvent>,
}

impl Radio {
    /// Starts the task. Must be called within a tokio runtime.
    pub fn start(config: RadioConfig) -> Self {
        let (commands, incoming) = mpsc::channel(CHANNEL_LEN);
        let (outgoing, events) = mpsc::channel(CHANNEL_LEN);
        tokio::spawn(Task::new(config, outgoing).run(incoming));
        Self { commands, events }
    }
}

struct Task {
    port_path: String,
    lines: Option<ModeLines>,
    open_lines: Option<OpenLines>,
    modem: ModemSettings,
    station: Station,
    keys: watch::Receiver<Vec<SpaceKey>>,
    sink: RecordSink,
    senders_sink: SendersSink,
    events: mpsc::Sender<RadioEvent>,
    started: Clock,
    told: Option<StationCounts>,
}

/// Why a port was left.
enum Left {
    /// To be opened again.
    Because(String),
    /// Nobody needs the radio any more.
    Stopped,
}

impl Task {
    fn new(mut config: RadioConfig, events: mpsc::Sender<RadioEvent>) -> Self {
        let now = Instant(BEGINNING_US);
        let budget = match config.record.as_deref().map(BudgetRecord::decode) {
            None => Budget::new(config.band),
            Some(Ok(record)) => Budget::restore(config.band, &record, config.boot, config.since_boot_us, now),
            Some(Err(_)) => Budget::exhausted(config.band, now),
        };
        let station = Station::new(StationConfig {
            node: config.node,
            keys: config.keys.borrow_and_update().clone(),
            timing: config.modem.timing(),
            band: config.band,
            budget,
            generation: config.generation,
            senders: config.senders,
            boot: config.boot,
            boot_offset_us: config.since_boot_us.cast_signed() - BEGINNING_US.cast_signed(),
            seed: config.seed,
        });
        Self {
            port_path: config.port,
            lines: config.lines,
            open_lines: None,
            modem: config.modem,
            station,
            keys: config.keys,
            sink: config.sink,
            senders_sink: config.senders_sink,
            events,
            started: Clock::now(),
            told: None,
        }
    }

    fn now(&self) -> Instant {
        Instant(BEGINNING_US).after(self.started.elapsed())
    }

    /// The real time of an instant.
    fn at(&self, instant: Instant) -> Clock {
        self.started + Duration::from_micros(instant.us_since(Instant(BEGINNING_US)))
    }

    async fn run(mut self, mut commands: mpsc::Receiver<RadioCommand>) {
        let mut pause = REOPEN_FIRST;
        loop {
            let opened = Clock::now();
            let left = match self.open() {
                Ok(port) => self.serve(port, &mut commands).await,
                Err(error) => Left::Because(format!("cannot open {}: {error}", self.port_path)),
            };
            let Left::Because(reason) = left else { return };
            let now = self.now();
            self.station.modem_down(now);
            if opened.elapsed() > REOPEN_LONGEST {
                pause = REOPEN_FIRST;
            }
            let offline = RadioEvent::Offline {
                reason,
                retry_in: pause,
            };
            if self.events.send(offline).await.is_err() || !self.wait(pause, &mut commands).await {
                return;
            }
            pause = (pause * 2).min(REOPEN_LONGEST);
        }
    }

    fn open(&mut self) -> io::Result<Port> {
        self.open_lines = None;
        let port = Port::open(&self.port_path, 115_200)?;
        if let Some(lines) = &self.lines {
            self.open_lines = Some(lines.open()?);
        }
        Ok(port)
    }

    /// Waits before the port is opened again; says whether the radio is still needed.
    async fn wait(&mut self, pause: Duration, commands: &mut mpsc::Receiver<RadioCommand>) -> bool {
        let mut over = pin!(tokio::time::sleep(pause));
        loop {
            tokio::select! {
                () = &mut over => return true,
                command = commands.recv() => {
                    let Some(command) = command else { return false };
                    self.command(command);
                    // Without a modem nothing is to be done, but messages may be refused. A record that cannot be written is tried again.
                    if let Err(Left::Stopped) = self.station_outputs(None).await {
                        return false;
                    }
                }
            }
        }
    }

    fn command(&mut self, command: RadioCommand) {
        let now = self.now();
        // Before anything else: what was said after they changed is for those who have the new ones.
        if self.keys.has_changed().unwrap_or(false) {
            let keys = self.keys.borrow_and_update().clone();
            self.station.set_keys(now, keys);
        }
        match command {
            RadioCommand::Broadcast(message) => self.station.broadcast(now, message),
            RadioCommand::Cancel(slot) => self.station.cancel(now, slot),
            RadioCommand::Forget(name) => self.station.forget(name),
            RadioCommand::Interest(interest) => self.station.set_interest(interest),
            RadioCommand::Keys => {}
        }
    }

    /// Works with an open port until it cannot.
    async fn serve(&mut self, mut port: Port, commands: &mut mpsc::Receiver<RadioCommand>) -> Left {
        let mut driver = self.modem.driver();
        driver.start(self.now());
        loop {
            match self.settle(&mut port, &mut *driver).await {
                Ok(None) => {}
                Ok(Some(left)) => return left,
                Err(error) => return Left::Because(error.to_string()),
            }
            let due = [driver.poll_timeout(), self.station.poll_timeout()];
            let due = due.into_iter().flatten().min().map(|due| self.at(due));
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                bytes = port.read() => match bytes {
                    Ok(bytes) => {
                        let now = Instant(BEGINNING_US).after(self.started.elapsed());
                        driver.handle_bytes(now, bytes);
                    }
                    Err(error) => return Left::Because(error.to_string()),
                },
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => {
                        driver.stop(self.now());
                        let _ = self.settle(&mut port, &mut *driver).await;
                        return Left::Stopped;
                    }
                },
                () = sleep => {
                    let now = self.now();
                    if driver.poll_timeout().is_some_and(|due| due <= now) {
                        driver.handle_timeout(now);
                    }
                    if self.station.poll_timeout().is_some_and(|due| due <= now) {
                        self.station.handle_timeout(now);
                    }
                }
            }
        }
    }

    /// Carries out what driver and station want, until neither wants more.
    async fn settle(&mut self, port: &mut Port, driver: &mut dyn Driver) -> io::Result<Option<Left>> {
        loop {
            let mut idle = true;
            while let Some(output) = driver.poll_output() {
                idle = false;
                let now = self.now();
                match output {
                    Output::Write(bytes) => port.write(&bytes).await?,
                    Output::SetSpeed(speed_bps) => port.set_speed(speed_bps).await?,
                    Output::SetMode { m0, m1 } => {
                        // Everything that was written belongs to the mode before.
                        port.drain().await?;
                        if let Some(lines) = &self.open_lines {
                            lines.set(m0, m1)?;
                        }
                    }
                    Output::Online(identity) => {
                        self.station.modem_up(now);
                        if self.events.send(RadioEvent::Online(identity)).await.is_err() {
                            return Ok(Some(Left::Stopped));
                        }
                    }
                    Output::Received(frame) => self.station.received(now, &frame),
                    Output::Sent { accepted } => self.station.sent(now, accepted),
                    Output::Notice(text) => {
                        let _ = self.events.send(RadioEvent::Notice(text)).await;
                    }
                    Output::Failed(error) => return Ok(Some(Left::Because(error.to_string()))),
                }
            }
            match self.station_outputs(Some(driver)).await {
                Ok(worked) => idle &= !worked,
                Err(left) => return Ok(Some(left)),
            }
            if idle {
                return Ok(None);
            }
        }
    }

    /// Says whether there was anything to do.
    async fn station_outputs(&mut self, mut driver: Option<&mut (dyn Driver + '_)>) -> Result<bool, Left> {
        let mut worked = false;
        while let Some(output) = self.station.poll_output() {
            worked = true;
            let now = self.now();
            let event = match output {
                StationOutput::Transmit(frame) => {
                    match driver.as_deref_mut().filter(|driver| driver.is_ready()) {
                        Some(driver) => driver.send(now, &frame),
                        None => self.station.sent(now, false),
                    }
                    continue;
                }
                StationOutput::Record(record) => {
                    let sink = self.sink.clone();
                    match tokio::task::spawn_blocking(move || sink(&record)).await {
                        Ok(Ok(())) => self.station.recorded(self.now()),
                        // Without a record nothing may be sent: tried again with the next opening of the port.
                        Ok(Err(error)) => {
                            return Err(Left::Because(format!(
                                "the airtime record cannot be written, so nothing may be sent: {error}"
                            )));
                        }
                        Err(_) => return Err(Left::Stopped),
                    }
                    continue;
                }
                StationOutput::Senders(record) => {
                    let sink = self.senders_sink.clone();
                    match tokio::task::spawn_blocking(move || sink(&record)).await {
                        Ok(Ok(())) => self.station.senders_recorded(),
                        Ok(Err(error)) => {
                            return Err(Left::Because(format!(
                                "the record of who was heard cannot be written, so nothing that was heard counts: {error}"
                            )));
                        }
                        Err(_) => return Err(Left::Stopped),
                    }
                    continue;
                }
                StationOutput::Message { from, under, bytes } => RadioEvent::Message { from, under, bytes },
                StationOutput::Introduced { from, under } => RadioEvent::Introduced { from, under },
                StationOutput::Heard {
                    from,
                    rssi_dbm,
                    snr_db,
                } => RadioEvent::Heard {
                    from,
                    rssi_dbm,
                    snr_db,
                },
                StationOutput::Ended { slot, ending } => RadioEvent::Ended { slot, ending },
                StationOutput::Ready => RadioEvent::Ready,
            };
            if self.events.send(event).await.is_err() {
                return Err(Left::Stopped);
            }
        }
        let counts = self.station.counts();
        if self.told != Some(counts) {
            self.told = Some(counts);
            let now = self.now();
            let airtime_used_us = self.station.airtime_used_us(now);
            // For people: if nobody reads just now, the next one tells more.
            let _ = self.events.try_send(RadioEvent::Counts {
                counts,
                airtime_used_us,
            });
        }
        Ok(worked)
    }
}
