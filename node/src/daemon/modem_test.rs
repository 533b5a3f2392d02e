//! `cairn modem test`: calls by radio, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_transports::Lane;
use cairn_transports::lora::modem::ModemIdentity;
use cairn_transports::lora::{Broadcast, RadioCommand, RadioEvent};
use tokio::time::{Instant, sleep_until};

use super::home::Home;
use super::modem_call::{ModemCall, caller};
use super::radio::{self, LoraError, LoraSettings};
use super::radio_table::Signal;
use super::{RunError, SystemClock, repair};
use crate::model::NodeId;
use crate::seal::Keyring;
use crate::space::records;
use crate::store::{RedbStore, Store as _};

/// Between two calls.
const CALL_EVERY: Duration = Duration::from_secs(4);
/// How long a modem may take until it can send.
const ONLINE_MAX: Duration = Duration::from_secs(30);
/// A node introduces itself at most this often.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(10);
/// A call's slot in the station.
const SLOT: u64 = 1;

/// What happens during a test, for people.
#[derive(Debug, Clone, PartialEq)]
pub enum ModemTestEvent {
    /// The modem is set up.
    Online(ModemIdentity),
    /// The modem cannot be used.
    Offline(String),
    /// A call was sent.
    Called(u8),
    /// A node answered.
    Answered {
        /// Who.
        node: NodeId,
        /// Its name, if this node knows it.
        name: Option<String>,
        /// Which call.
        number: u8,
        /// How well this node heard the answer.
        here: Signal,
        /// How well the other heard the call.
        there: Signal,
        /// After which time.
        after: Duration,
    },
    /// Frames came that no key of this node opens.
    Foreign(u64),
}

/// The space's keys as the node has them when it does not run.
fn keyring(home: &Home) -> Result<Keyring, RunError> {
    let database = repair::database(home.path());
    let statements = || records::membership(&RedbStore::open(&database).ok()?.read().ok()?).ok()?;
    // What cannot be read the node repairs when it starts.
    let statements = database.exists().then(statements).flatten();
    Ok(home.keys(statements.as_ref())?.space)
}

/// Calls `count` times and tells what comes back. Gives the number of answers. Must be called within a tokio runtime.
pub async fn test_modem(
    home: Home,
    settings: &LoraSettings,
    count: u8,
    mut tell: impl FnMut(ModemTestEvent),
) -> Result<u64, RunError> {
    let home = Arc::new(home);
    let node = home.device_key()?.node_id();
    let names: BTreeMap<NodeId, String> = home
        .space()?
        .map(|space| {
            let grants = space.membership.grants();
            grants
                .iter()
                .map(|grant| (grant.subject, grant.name.clone()))
                .collect()
        })
        .unwrap_or_default();
    let keyring = keyring(&home)?;
    let wall = SystemClock::start().now().wall;
    let mut started = radio::start(settings, &home, node, &keyring, wall).await?;
    let mut called: BTreeMap<u8, Instant> = BTreeMap::new();
    let (mut online, mut answers, mut foreign) = (false, 0, 0);
    let mut signals: BTreeMap<NodeId, Signal> = BTreeMap::new();
    let mut due = Instant::now() + ONLINE_MAX;
    let mut problem = None;
    let mut last = count;
    loop {
        let event = tokio::select! {
            event = started.events.recv() => event,
            () = sleep_until(due) => {
                if !online {
                    let reason = problem.unwrap_or_else(|| "the modem did not come on air".to_owned());
                    return Err(LoraError::Unusable(reason).into());
                }
                let number = called.len() as u8 + 1;
                if number > last {
                    // Somebody is there who has not introduced itself yet: that is not done more often than this.
                    if answers == 0 && foreign > 0 && last == count {
                        last = count.saturating_mul(2);
                        due = Instant::now() + INTRODUCED_WITHIN;
                        continue;
                    }
                    return Ok(answers);
                }
                let call = Broadcast {
                    slot: SLOT,
                    lane: Lane::Control,
                    under: None,
                    name: [0; 4],
                    bytes: ModemCall::Call { number }.encode(),
                    audience: 1,
                };
                let _ = started.controls.commands.send(RadioCommand::Broadcast(call)).await;
                called.insert(number, Instant::now());
                tell(ModemTestEvent::Called(number));
                due = Instant::now() + CALL_EVERY;
                continue;
            }
        };
        match event {
            Some(RadioEvent::Online(identity)) => {
                online = true;
                // The introduction goes first.
                due = Instant::now() + Duration::from_secs(1);
                tell(ModemTestEvent::Online(identity));
            }
            Some(RadioEvent::Offline { reason, .. }) => {
                problem = Some(reason.clone());
                tell(ModemTestEvent::Offline(reason));
            }
            Some(RadioEvent::Heard {
                from,
                rssi_dbm,
                snr_db,
            }) => {
                signals.insert(NodeId(from.0), Signal { rssi_dbm, snr_db });
            }
            Some(RadioEvent::Message { from, bytes, .. }) => {
                let from = NodeId(from.0);
                let here = signals.get(&from).copied().unwrap_or_default();
                match ModemCall::decode(&bytes) {
                    Some(ModemCall::Answer {
                        number,
                        caller: of,
                        heard,
                    }) if of == caller(node) => {
                        if let Some(at) = called.get(&number) {
                            answers += 1;
                            tell(ModemTestEvent::Answered {
                                node: from,
                                name: names.get(&from).cloned(),
                                number,
                                here,
                                there: heard,
                                after: at.elapsed(),
                            });
                        }
                    }
                    // Two tests may call one another.
                    Some(ModemCall::Call { number }) => {
                        let answer = radio::answer(number, from, here);
                        let _ = started.controls.commands.send(answer).await;
                    }
                    _ => {}
                }
            }
            Some(RadioEvent::Counts { counts, .. }) if counts.frames_foreign > foreign => {
                foreign = counts.frames_foreign;
                tell(ModemTestEvent::Foreign(foreign));
            }
            Some(_) => {}
            None => return Ok(answers),
        }
    }
}
