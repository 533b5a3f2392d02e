//! The addresses that are kept, and when each is due. No I/O; time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use rand::Rng;
use tokio::time::Instant;

use crate::backoff::{Backoff, GOOD_LINK};
use crate::link::AddressError;

/// How many addresses are kept on request.
const KEPT_MAX: usize = 1024;
/// How many are kept because somebody was seen there. Anybody on the LAN can claim to be many.
const DISCOVERED_MAX: usize = 256;
/// Looking a peer up costs others too: the longest pause of an address that names a peer alone is this many times as long.
const BARE_SLOWER: u32 = 5;
/// While another address of the same peer is tried, this one waits.
const OTHER_FIRST: Duration = Duration::from_secs(1);

/// Where to connect to, again and again.
#[derive(Debug)]
pub(super) struct Dials {
    kept: BTreeMap<String, Dial>,
    shortest: Duration,
    longest: Duration,
}

#[derive(Debug)]
struct Dial {
    address: Multiaddr,
    discovered: bool,
    peer: Option<PeerId>,
    backoff: Backoff,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Due(Instant),
    Dialling(ConnectionId),
    Up { since: Instant },
}

/// Returns the peer that an address names at its end, if it does.
pub(super) fn named_peer(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// Returns the peer that an address names, if it says nothing else: `/p2p/…`.
pub(super) fn bare_peer(address: &Multiaddr) -> Option<PeerId> {
    named_peer(address).filter(|_| address.iter().count() == 1)
}

impl Dials {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            kept: BTreeMap::new(),
            shortest,
            longest,
        }
    }

    /// Keeps an address on request; it is due at once.
    pub(super) fn keep(&mut self, address: Multiaddr, now: Instant) -> Result<(), AddressError> {
        let name = address.to_string();
        if let Some(dial) = self.kept.get_mut(&name) {
            dial.discovered = false;
        } else if self.count(false) >= KEPT_MAX {
            return Err(AddressError::TooMany {
                address: name,
                len_max: KEPT_MAX,
            });
        } else {
            self.insert(name, address, false, now);
        }
        Ok(())
    }

    /// Keeps an address where a peer was seen. False: it was kept already, or there are too many.
    pub(super) fn discovered(&mut self, address: Multiaddr, now: Instant) -> bool {
        let name = address.to_string();
        let new = !self.kept.contains_key(&name) && self.count(true) < DISCOVERED_MAX;
        if new {
            self.insert(name, address, true, now);
        }
        new
    }

    /// Forgets an address where nobody is seen any more, unless it is kept on request.
    pub(super) fn expired(&mut self, address: &Multiaddr) {
        let name = address.to_string();
        if self.kept.get(&name).is_some_and(|dial| dial.discovered) {
            self.kept.remove(&name);
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.kept.remove(name);
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    fn count(&self, discovered: bool) -> usize {
        self.kept
            .values()
            .filter(|dial| dial.discovered == discovered)
            .count()
    }

    fn insert(&mut self, name: String, address: Multiaddr, discovered: bool, now: Instant) {
        let longest = match bare_peer(&address) {
            Some(_) => self.longest * BARE_SLOWER,
            None => self.longest,
        };
        let backoff = Backoff::new(self.shortest, longest);
        let peer = named_peer(&address);
        self.kept.insert(
            name,
            Dial {
                address,
                discovered,
                peer,
                backoff,
                state: State::Due(now),
            },
        );
    }

    /// Returns when the next address is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.kept.values().filter_map(Dial::due).min()
    }

    /// Returns an address to dial now. Call [`Dials::began`] or [`Dials::failed_to_begin`] with it.
    ///
    /// An address whose peer is connected already counts as up; one whose peer is being dialled elsewhere waits, and so does a bare one
    /// whose peer is being looked up.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        connected: impl Fn(&PeerId) -> bool,
        looked_up: impl Fn(&PeerId) -> bool,
    ) -> Option<(String, Multiaddr)> {
        let busy: Vec<PeerId> = self.kept.values().filter_map(Dial::dialling).collect();
        for (name, dial) in &mut self.kept {
            if dial.due().is_none_or(|due| due > now) {
                continue;
            }
            match dial.peer {
                Some(peer) if connected(&peer) => dial.state = State::Up { since: now },
                Some(peer) if busy.contains(&peer) || (dial.is_bare() && looked_up(&peer)) => {
                    dial.state = State::Due(now + OTHER_FIRST);
                }
                _ => return Some((name.clone(), dial.address.clone())),
            }
        }
        None
    }

    pub(super) fn began(&mut self, name: &str, connection: ConnectionId) {
        if let Some(dial) = self.kept.get_mut(name) {
            dial.state = State::Dialling(connection);
        }
    }

    /// The connection came up, and this peer is there. Returns whether it was dialled here.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId, now: Instant) -> bool {
        let mut dialled = false;
        for dial in self
            .kept
            .values_mut()
            .filter(|dial| dial.state == State::Dialling(connection))
        {
            dial.peer = Some(peer);
            dial.state = State::Up { since: now };
            dialled = true;
        }
        dialled
    }

    /// Something else than these dials made a connection to `peer`. Returns whether an address of the peer is kept: it counts as up now.
    #[cfg(feature = "wan")]
    pub(super) fn reached(&mut self, peer: &PeerId, now: Instant) -> bool {
        let mut kept = false;
        for dial in self.kept.values_mut().filter(|dial| dial.peer == Some(*peer)) {
            if dial.due().is_some() {
                dial.state = State::Up { since: now };
            }
            kept = true;
        }
        kept
    }

    /// There is somebody new to ask where peers are: bare addresses are due soon.
    #[cfg(feature = "wan")]
    pub(super) fn ask_again(&mut self, now: Instant) {
        for dial in self.kept.values_mut().filter(|dial| dial.is_bare()) {
            if let State::Due(due) = dial.state {
                dial.state = State::Due(due.min(now + OTHER_FIRST));
            }
        }
    }

    /// Returns the address that led to `peer`.
    pub(super) fn led_to(&self, peer: &PeerId) -> Option<&str> {
        let mut all = self
            .kept
            .iter()
            .filter(|(_, dial)| dial.peer.as_ref() == Some(peer));
        all.find(|(_, dial)| matches!(dial.state, State::Up { .. }))
            .map(|(name, _)| name.as_str())
    }

    /// The connection did not come up. Returns the address and the pause before the next try, if it is still kept.
    pub(super) fn failed(
        &mut self,
        connection: ConnectionId,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<(String, Duration)> {
        let mut all = self.kept.iter_mut();
        let (name, dial) = all.find(|(_, dial)| dial.state == State::Dialling(connection))?;
        Some((name.clone(), dial.again(now, rng)))
    }

    /// The dial could not even begin.
    pub(super) fn failed_to_begin(
        &mut self,
        name: &str,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Duration> {
        Some(self.kept.get_mut(name)?.again(now, rng))
    }

    /// No connection to `peer` is left.
    pub(super) fn gone(&mut self, peer: &PeerId, now: Instant, rng: &mut impl Rng) {
        for dial in self
            .kept
            .values_mut()
            .filter(|dial| dial.peer.as_ref() == Some(peer))
        {
            if let State::Up { since } = dial.state {
                if now.duration_since(since) >= GOOD_LINK {
                    dial.backoff.reset();
                }
                dial.again(now, rng);
            }
        }
    }
}

impl Dial {
    fn due(&self) -> Option<Instant> {
        if let State::Due(due) = self.state {
            Some(due)
        } else {
            None
        }
    }

    fn is_bare(&self) -> bool {
        bare_peer(&self.address).is_some()
    }

    fn dialling(&self) -> Option<PeerId> {
        if let State::Dialling(_) = self.state {
            self.peer
        } else {
            None
        }
    }

    fn again(&mut self, now: Instant, rng: &mut impl Rng) -> Duration {
        let pause = self.backoff.next(rng);
        self.state = State::Due(now + pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn an_address_is_due_again_after_each_failure_and_when_its_peer_is_gone() {
        let (mut rng, start) = (rand::rngs::StdRng::seed_from_u64(1), Instant::now());
        let mut dials = Dials::new(Duration::from_secs(1), Duration::from_secs(60));
        dials.keep("/ip4/10.0.0.1/tcp/1".parse().unwrap(), start).unwrap();
        let (name, _) = dials.take_due(start, |_| false, |_| false).unwrap();
        let (one, two) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        dials.began(&name, one);
        assert_eq!(dials.take_due(start, |_| false, |_| false), None);
        let (_, pause) = dials.failed(one, start, &mut rng).unwrap();
        assert_eq!(dials.next_due(), Some(start + pause));
        dials.began(&name, two);
        let peer = PeerId::random();
        dials.connected(two, peer, start);
        assert_eq!(
            (dials.next_due(), dials.led_to(&peer)),
            (None, Some(name.as_str()))
        );
        dials.gone(&peer, start + GOOD_LINK, &mut rng);
        assert!(
            dials.next_due().unwrap() < start + GOOD_LINK + Duration::from_millis(1250),
            "the pause is short again"
        );
        dials.forget(&name);
        assert_eq!(dials.next_due(), None);
    }

    #[test]
    fn a_peer_is_dialled_at_one_address_at_a_time_and_not_while_it_is_connected() {
        let start = Instant::now();
        let mut dials = Dials::new(Duration::from_secs(1), Duration::from_secs(60));
        let peer = PeerId::random();
        for host in 1..=2 {
            let address: Multiaddr = format!("/ip4/10.0.0.{host}/tcp/1/p2p/{peer}").parse().unwrap();
            assert!(dials.discovered(address, start));
        }
        let (name, _) = dials.take_due(start, |_| false, |_| false).unwrap();
        dials.began(&name, ConnectionId::new_unchecked(1));
        assert_eq!(dials.take_due(start, |_| false, |_| false), None);
        assert_eq!(
            dials.take_due(start + OTHER_FIRST, |connected| *connected == peer, |_| false),
            None
        );
        assert_eq!(dials.next_due(), None);
    }

    #[test]
    fn the_lan_cannot_fill_the_memory() {
        let start = Instant::now();
        let mut dials = Dials::new(Duration::from_secs(1), Duration::from_secs(60));
        let address = |port: usize| format!("/ip4/10.0.0.1/tcp/{port}").parse::<Multiaddr>().unwrap();
        assert_eq!(
            (1..2000)
                .filter(|port| dials.discovered(address(*port), start))
                .count(),
            DISCOVERED_MAX
        );
        assert_eq!(
            (2000..4000)
                .filter(|port| dials.keep(address(*port), start).is_ok())
                .count(),
            KEPT_MAX
        );
        dials.expired(&address(1));
        assert!(dials.discovered(address(1), start));
    }

    #[test]
    fn a_bare_address_names_a_peer_and_nothing_else() {
        let (peer, relay) = (PeerId::random(), PeerId::random());
        let bare: Multiaddr = format!("/p2p/{peer}").parse().unwrap();
        assert_eq!(bare_peer(&bare), Some(peer));
        for more in [
            format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}"),
            format!("/p2p/{relay}/p2p-circuit/p2p/{peer}"),
            "/ip4/10.0.0.1/tcp/1".to_owned(),
        ] {
            assert_eq!(bare_peer(&more.parse().unwrap()), None, "{more}");
        }
        assert!("/p2p/nobody".parse::<Multiaddr>().is_err() && "/p2p".parse::<Multiaddr>().is_err());
    }

    #[test]
    fn a_bare_address_waits_while_its_peer_is_looked_up() {
        let start = Instant::now();
        let mut dials = Dials::new(Duration::from_secs(1), Duration::from_secs(60));
        let bare: Multiaddr = format!("/p2p/{}", PeerId::random()).parse().unwrap();
        dials.keep(bare.clone(), start).unwrap();
        assert_eq!(dials.take_due(start, |_| false, |_| true), None);
        let later = start + OTHER_FIRST;
        assert_eq!(
            dials.take_due(later, |_| false, |_| false),
            Some((bare.to_string(), bare))
        );
    }

    #[cfg(feature = "wan")]
    #[test]
    fn bare_addresses_are_due_soon_when_there_is_somebody_new_to_ask() {
        let (mut rng, start) = (rand::rngs::StdRng::seed_from_u64(1), Instant::now());
        let mut dials = Dials::new(Duration::from_secs(100), Duration::from_secs(1000));
        let peer = PeerId::random();
        let bare: Multiaddr = format!("/p2p/{peer}").parse().unwrap();
        dials.keep(bare.clone(), start).unwrap();
        dials.failed_to_begin(&bare.to_string(), start, &mut rng);
        assert!(dials.next_due().unwrap() > start + Duration::from_secs(60));
        dials.ask_again(start);
        assert_eq!(dials.next_due(), Some(start + OTHER_FIRST));
        assert!(dials.reached(&peer, start) && !dials.reached(&PeerId::random(), start));
        assert_eq!(
            (dials.next_due(), dials.led_to(&peer)),
            (None, Some(bare.to_string().as_str()))
        );
    }
}
