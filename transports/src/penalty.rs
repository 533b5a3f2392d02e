//! Who is refused for a while: hosts that sent garbage, and peers that the owner of the links complained about.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::link::PeerKey;

/// The first time that a host is refused for: short, because several nodes may stand behind one address.
const FIRST: Duration = Duration::from_secs(1);
/// The longest. Longer ones punish the next holder of the address.
const LONGEST: Duration = Duration::from_secs(300);
/// A host that behaved for this long begins anew.
const FORGIVEN: Duration = Duration::from_secs(600);
/// How many hosts and how many peers are remembered; the one that is due first makes room.
const REMEMBERED_MAX: usize = 4096;

/// The penalties of one transport. Time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    hosts: BTreeMap<IpAddr, Host>,
    peers: BTreeMap<PeerKey, Instant>,
}

#[derive(Debug)]
struct Host {
    strikes: u32,
    until: Instant,
}

/// A host by its address. An IPv6 host counts by its /64: it may choose the rest itself, anew for each connection.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

impl Penalties {
    /// Counts one piece of nonsense from `address`. Returns whether it is the first for a while, and so worth telling.
    pub(crate) fn strike(&mut self, address: IpAddr, now: Instant) -> bool {
        self.hosts.retain(|_, host| now < host.until + FORGIVEN);
        let host_key = host(address);
        if self.hosts.len() >= REMEMBERED_MAX && !self.hosts.contains_key(&host_key) {
            let soonest = self
                .hosts
                .iter()
                .min_by_key(|(_, host)| host.until)
                .map(|(key, _)| *key);
            soonest.and_then(|key| self.hosts.remove(&key));
        }
        let entry = self.hosts.entry(host_key).or_insert(Host {
            strikes: 0,
            until: now,
        });
        let refused_for = FIRST.saturating_mul(1 << entry.strikes.min(16)).min(LONGEST);
        entry.strikes += 1;
        entry.until = now + refused_for;
        entry.strikes == 1
    }

    /// Whether connections from `address` are refused at the moment.
    pub(crate) fn refuses_host(&self, address: IpAddr, now: Instant) -> bool {
        self.hosts
            .get(&host(address))
            .is_some_and(|host| now < host.until)
    }

    /// Refuses `peer` for `duration`, wherever it comes from.
    pub(crate) fn penalise(&mut self, peer: PeerKey, duration: Duration, now: Instant) {
        self.peers.retain(|_, until| now < *until);
        if self.peers.len() >= REMEMBERED_MAX {
            let soonest = self
                .peers
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(key, _)| *key);
            soonest.and_then(|key| self.peers.remove(&key));
        }
        // A time that the clock cannot express is cut to a year.
        let until = now
            .checked_add(duration)
            .unwrap_or(now + Duration::from_secs(365 * 86_400));
        self.peers.insert(peer, until);
    }

    /// Returns for how much longer `peer` is refused.
    pub(crate) fn refuses_peer(&self, peer: PeerKey, now: Instant) -> Option<Duration> {
        self.peers
            .get(&peer)
            .map(|until| until.saturating_duration_since(now))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn garbage_is_told_once_and_refused_for_longer_each_time() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        let address = IpAddr::from([127, 0, 0, 1]);
        assert!(penalties.strike(address, start));
        assert!(penalties.refuses_host(address, start));
        assert!(!penalties.refuses_host(address, start + SECOND));
        assert!(!penalties.strike(address, start + SECOND));
        assert!(penalties.refuses_host(address, start + 2 * SECOND));
        assert!(!penalties.refuses_host(address, start + 3 * SECOND));
        for _ in 0..30 {
            penalties.strike(address, start + 3 * SECOND);
        }
        assert!(
            !penalties.refuses_host(address, start + 304 * SECOND),
            "never longer than five minutes"
        );
        assert!(
            penalties.strike(address, start + 2000 * SECOND),
            "forgiven by then"
        );
    }

    #[test]
    fn an_ipv6_host_cannot_choose_another_address_and_memory_is_bounded() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        penalties.strike("2001:db8::1".parse().unwrap(), start);
        assert!(penalties.refuses_host("2001:db8::ffff".parse().unwrap(), start));
        assert!(!penalties.refuses_host("2001:db8:0:1::1".parse().unwrap(), start));
        for number in 0..10_000_u32 {
            penalties.strike(IpAddr::V4(number.into()), start);
            let mut peer = PeerKey([0; 32]);
            peer.0[..4].copy_from_slice(&number.to_be_bytes());
            penalties.penalise(peer, Duration::MAX, start);
        }
        assert_eq!(
            (penalties.hosts.len(), penalties.peers.len()),
            (REMEMBERED_MAX, REMEMBERED_MAX)
        );
    }
}
