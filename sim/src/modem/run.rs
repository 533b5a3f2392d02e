//! Virtual modems on the wall clock.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_transports::lora::Instant;
use cairn_transports::lora::modem::ModemKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::control::Command;
use super::emulator::Touch;
use super::ether::Ether;
use super::port::Port;
use super::quirk::Quirk;
use crate::medium::Station;
use crate::medium::{Airing, Statistics};

/// The modems got their power so long before the first host came, in microseconds of their time.
const POWERED_US: u64 = 10_000_000;
/// How often a port that nobody has open is looked at.
const CLOSED_PAUSE: Duration = Duration::from_millis(10);

/// Which modems there are, and what is between them.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// The kind of each, and its quirks.
    pub modems: Vec<(ModemKind, BTreeSet<Quirk>)>,
    /// Decides all that is random.
    pub seed: u64,
    /// Share of frames that get lost, 0 to 1.
    pub loss: f64,
    /// Each hears only its neighbours in the list.
    pub is_chain: bool,
    /// How many times faster than real their time goes, airtimes and pauses and all; at least 1.
    pub time_scale: u32,
    /// A folder for links with lasting names, `rnode0` and so on.
    pub links: Option<PathBuf>,
}

impl FleetConfig {
    /// So many of one kind that all hear one another, in real time, with no quirk.
    pub fn new(kind: ModemKind, count: usize) -> Self {
        Self {
            modems: vec![(kind, BTreeSet::new()); count],
            seed: 0,
            loss: 0.0,
            is_chain: false,
            time_scale: 1,
            links: None,
        }
    }
}

/// Virtual modems cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No pseudo-terminal could be made.
    #[error("no pseudo-terminal can be made: {0}")]
    Pty(#[source] io::Error),
    /// A link to it could not be made.
    #[error("the link {path} cannot be made: {source}", path = .path.display())]
    Link {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such modem.
    #[error("there is no modem {0}; they count from 0")]
    NoSuchModem(usize),
    /// The thread that runs them is gone.
    #[error("the virtual modems do not run any more")]
    Stopped,
    /// Their thread could not be started.
    #[error("the virtual modems cannot be started: {0}")]
    Start(#[source] io::Error),
}

/// What a command gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The port's path now.
    Path(PathBuf),
    /// Of each modem.
    Statistics(Vec<Statistics>),
    /// Of one modem.
    Airings(Vec<Airing>),
}

type Request = (Command, mpsc::Sender<Result<Answer, FleetError>>);

/// Virtual modems that run in a thread of their own, each behind a pty. They stop when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    paths: Vec<PathBuf>,
    requests: Option<mpsc::Sender<Request>>,
    /// A byte here makes the thread look at its requests.
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Starts them. The ports can be opened at once.
    pub fn start(config: FleetConfig) -> Result<Self, FleetError> {
        let mut ports = Vec::new();
        for (index, (kind, _)) in config.modems.iter().enumerate() {
            let link = config.links.as_ref();
            ports.push(Port::new(
                link.map(|folder| folder.join(format!("{kind}{index}"))),
            )?);
        }
        let paths = ports.iter().filter_map(Port::path).map(Path::to_owned).collect();
        let (wake, woken) = UnixStream::pair().map_err(FleetError::Start)?;
        woken.set_nonblocking(true).map_err(FleetError::Start)?;
        let (requests, received) = mpsc::channel();
        let mut runner = Runner::new(&config, ports, woken, received);
        let thread = std::thread::Builder::new()
            .name("virtual modems".into())
            .spawn(move || runner.run())
            .map_err(FleetError::Start)?;
        Ok(Self {
            paths,
            requests: Some(requests),
            wake,
            thread: Some(thread),
        })
    }

    /// What to open for each modem: its link if there are links, or else its pty.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Does something to the modems and waits until it is done.
    pub fn command(&self, command: Command) -> Result<Answer, FleetError> {
        let (answers, answer) = mpsc::channel();
        let requests = self.requests.as_ref().ok_or(FleetError::Stopped)?;
        requests
            .send((command, answers))
            .map_err(|_| FleetError::Stopped)?;
        self.wake();
        answer.recv().map_err(|_| FleetError::Stopped)?
    }

    /// What each modem sent and received until now.
    pub fn statistics(&self) -> Result<Vec<Statistics>, FleetError> {
        match self.command(Command::Statistics)? {
            Answer::Statistics(statistics) => Ok(statistics),
            _ => Err(FleetError::Stopped),
        }
    }

    fn wake(&self) {
        // It fails when the thread is gone, or is behind and will look anyway.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.requests = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The modems' clock: begins when they start, and may be faster than real.
struct Clock {
    start: std::time::Instant,
    scale: u64,
}

impl Clock {
    #[allow(clippy::disallowed_methods)] // This is where the wall clock comes in.
    fn elapsed(&self) -> Duration {
        std::time::Instant::now().duration_since(self.start)
    }

    fn now(&self) -> Instant {
        let real_us = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant(POWERED_US).after_us(real_us.saturating_mul(self.scale))
    }

    /// How long it is until then in real time.
    fn until(&self, then: Instant) -> Duration {
        Duration::from_micros(then.us_since(self.now()).div_ceil(self.scale))
    }
}

struct Runner {
    clock: Clock,
    ether: Ether,
    ports: Vec<Port>,
    woken: UnixStream,
    requests: mpsc::Receiver<Request>,
}

impl Runner {
    fn new(
        config: &FleetConfig,
        ports: Vec<Port>,
        woken: UnixStream,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let mut ether = Ether::new(config.seed);
        for (kind, quirks) in &config.modems {
            ether.add(Instant(0), *kind, quirks);
        }
        if config.is_chain {
            ether.make_chain();
        }
        ether.medium_mut().set_loss(config.loss);
        #[allow(clippy::disallowed_methods)] // This is where the wall clock comes in.
        let start = std::time::Instant::now();
        Self {
            clock: Clock {
                start,
                scale: u64::from(config.time_scale.max(1)),
            },
            ether,
            ports,
            woken,
            requests,
        }
    }

    fn run(&mut self) {
        loop {
            let now = self.clock.now();
            self.ether.advance(now);
            self.move_bytes(now);
            self.sleep();
            let mut drained = [0; 64];
            while self.woken.read(&mut drained).is_ok_and(|len| len > 0) {}
            loop {
                match self.requests.try_recv() {
                    Ok((command, answers)) => {
                        // Who asked may have gone.
                        let _ = answers.send(self.handle(&command));
                    }
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn move_bytes(&mut self, now: Instant) {
        let mut buffer = [0; 4096];
        for (modem, port) in self.ports.iter_mut().enumerate() {
            if port.notices_open() {
                self.ether.touch(now, modem, Touch::Opened);
            }
            while let Some((len, speed)) = port.read(&mut buffer) {
                self.ether.handle_host(now, modem, &buffer[..len], speed);
            }
            while let Some(bytes) = self.ether.poll_host(now, modem) {
                port.queue(&bytes);
            }
            port.flush();
        }
    }

    fn sleep(&self) {
        let mut pause = self.ether.poll_timeout().map(|then| self.clock.until(then));
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        for port in &self.ports {
            match port.pty() {
                // An end that nobody has open would be ready at once, with nothing to read.
                Some(pty) if port.is_open() => {
                    let wanted = if port.is_flushed() {
                        PollFlags::IN
                    } else {
                        PollFlags::IN | PollFlags::OUT
                    };
                    fds.push(PollFd::new(pty, wanted));
                }
                Some(_) => pause = Some(pause.unwrap_or(CLOSED_PAUSE).min(CLOSED_PAUSE)),
                None => {}
            }
        }
        let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
        // An interruption only means that everything is looked at earlier.
        let _ = poll(&mut fds, pause.as_ref());
    }

    fn handle(&mut self, command: &Command) -> Result<Answer, FleetError> {
        if let Some(missing) = (command.modems().into_iter()).find(|modem| *modem >= self.ports.len()) {
            return Err(FleetError::NoSuchModem(missing));
        }
        let now = self.clock.now();
        self.ether.advance(now);
        match *command {
            Command::Unplug(modem) => {
                self.ether.set_power(now, modem, false);
                self.ports[modem].unplug();
            }
            Command::Plug(modem) => {
                self.ports[modem].plug()?;
                self.ether.set_power(now, modem, true);
                let path = self.ports[modem].path();
                return Ok(path.map_or(Answer::Done, |path| Answer::Path(path.to_owned())));
            }
            Command::Reset(modem) => self.ether.touch(now, modem, Touch::Reset),
            Command::Silent(modem) => self.ether.silence(modem),
            Command::Garbage(modem) => self.ether.say_garbage(now, modem),
            Command::Error(modem, number) => self.ether.touch(now, modem, Touch::Error(number)),
            Command::Lines(modem, m0, m1) => self.ether.touch(now, modem, Touch::Lines { m0, m1 }),
            Command::Loss(share) => self.ether.medium_mut().set_loss(share),
            Command::Reach(one, other, is_heard) => {
                (self.ether.medium_mut()).set_reach(Station(one), Station(other), is_heard);
            }
            Command::Place(modem, x_m, y_m) => {
                (self.ether.medium_mut()).place(now, Station(modem), x_m, y_m);
            }
            Command::Statistics => {
                let stations = (0..self.ports.len()).map(Station);
                let all = stations.map(|station| self.ether.medium().statistics(station).clone());
                return Ok(Answer::Statistics(all.collect()));
            }
            Command::Airings(modem) => {
                let statistics = self.ether.medium().statistics(Station(modem));
                return Ok(Answer::Airings(statistics.airings.iter().copied().collect()));
            }
        }
        Ok(Answer::Done)
    }
}
