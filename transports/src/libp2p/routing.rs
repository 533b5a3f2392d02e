//! Where peers are that are known by their key alone: one Kademlia network (Maymounkov and Mazières, 2002) of all Cairn nodes with the
//! feature `wan`.
//!
//! The network holds no records, and nobody announces anything to it. Every node keeps the addresses of nodes whose keys are near its own,
//! as they themselves told them by identify, and answers who is near a key; so whoever asks on for a peer's key ends at nodes that
//! are in touch with that peer. The library connects to the peers it hears of, the one that is looked for too: a lookup that succeeds
//! ends with a connection, and the frame link follows as it does on any other.
//!
//! Every node answers, also one that nobody can dial: a node behind a router is in its neighbours' tables with the addresses that
//! its relays lend it, and elsewhere nobody would learn of them. The price is a dial in vain now and then.
//!
//! What others tell is a hint and no more: noise proves who answers a dial.

use std::num::NonZeroUsize;
use std::time::Duration;

use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, Caching, Mode, QueryId, StoreInserts};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, StreamProtocol, identify};

use super::dials::bare_peer;

/// The network's name. Its number grows when nodes of the one kind are of no use to the other.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/cairn/kad/1");
/// How many peers are looked up at once. Each lookup asks three nodes at a time, so this is a dozen dials.
const LOOKUPS_MAX: usize = 4;
/// How long a lookup may take. Nodes that are gone take a dial each.
const LOOKUP: Duration = Duration::from_secs(30);
/// How often the node looks for others near its own key, so that they know of it and it of them.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(10 * 60);
/// Addresses of one peer that are kept and passed on.
const ADDRESSES_MAX: usize = 8;
/// The longest of them in bytes. A relayed one has two keys and two hosts, and takes about 150.
const ADDRESS_LEN_MAX: usize = 256;
/// The longest message in bytes: an answer with twenty peers and all their addresses.
const MESSAGE_LEN_MAX: usize = 64 * 1024;
/// While fewer peers are known than a bucket holds, each one more is worth asking everything again.
const FEW: usize = kad::K_VALUE.get();

pub(super) type Kademlia = kad::Behaviour<MemoryStore>;

/// Builds this node's part of the network. Its table is bounded by the library: 256 buckets of twenty peers.
pub(super) fn behaviour(own: PeerId) -> Kademlia {
    let mut config = kad::Config::new(PROTOCOL);
    config
        .set_query_timeout(LOOKUP)
        .set_periodic_bootstrap_interval(Some(LOOK_AROUND_EVERY))
        .set_max_packet_size(MESSAGE_LEN_MAX)
        .set_parallelism(const { NonZeroUsize::new(3).unwrap() })
        // Only what a peer says of itself goes into the table: see `Routing::learn`.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        // Records of others are handed to this program to judge, and it drops them: there are none of its own either.
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_caching(Caching::Disabled)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None);
    let nothing = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    let mut kademlia = kad::Behaviour::with_config(own, MemoryStore::with_config(own, nothing), config);
    kademlia.set_mode(Some(Mode::Server));
    kademlia
}

/// Which peers are being looked up.
#[derive(Debug, Default)]
pub(super) struct Routing {
    lookups: Vec<(PeerId, QueryId)>,
}

impl Routing {
    pub(super) fn is_looking_up(&self, peer: &PeerId) -> bool {
        self.lookups.iter().any(|(other, _)| other == peer)
    }

    /// Asks the network where `peer` is, unless it is being asked or too much else is.
    ///
    /// What was known of the peer led nowhere, and is forgotten: the library would not try a peer twice in one lookup.
    pub(super) fn look_up(&mut self, kademlia: &mut Kademlia, peer: PeerId) {
        if self.lookups.len() < LOOKUPS_MAX && !self.is_looking_up(&peer) {
            kademlia.remove_peer(&peer);
            self.lookups.push((peer, kademlia.get_closest_peers(peer)));
        }
    }

    /// Takes in what a peer told of itself over a connection to `remote`, which this side dialled if `outbound`.
    pub(super) fn learn(
        kademlia: &mut Kademlia,
        peer: PeerId,
        told: &identify::Info,
        remote: &Multiaddr,
        outbound: bool,
    ) {
        let addresses = if told.protocols.contains(&PROTOCOL) {
            worth_keeping(peer, &told.listen_addrs, remote, outbound)
        } else {
            Vec::new()
        };
        for address in &addresses {
            kademlia.add_address(&peer, address.clone());
        }
        let outdated: Vec<Multiaddr> = kademlia
            .kbucket(peer)
            .into_iter()
            .flat_map(|bucket| {
                let entries = bucket.iter().filter(|entry| *entry.node.key.preimage() == peer);
                entries
                    .flat_map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            })
            .filter(|known| !addresses.contains(known))
            .collect();
        for address in outdated {
            kademlia.remove_address(&peer, &address);
        }
    }

    /// Takes in what the library reports. Returns whether there is somebody new to ask, and few others.
    pub(super) fn event(&mut self, kademlia: &mut Kademlia, event: &kad::Event) -> bool {
        match event {
            kad::Event::OutboundQueryProgressed { id, step, .. } if step.last => {
                self.lookups.retain(|(_, lookup)| lookup != id);
                false
            }
            kad::Event::RoutingUpdated {
                is_new_peer: true, ..
            } => {
                kademlia
                    .kbuckets()
                    .map(|bucket| bucket.num_entries())
                    .sum::<usize>()
                    <= FEW
            }
            _ => false,
        }
    }
}

/// Returns the addresses by which others may reach `peer`, each with its name at the end: first the one that this side dialled.
fn worth_keeping(peer: PeerId, told: &[Multiaddr], remote: &Multiaddr, outbound: bool) -> Vec<Multiaddr> {
    let nearby = is_loopback(remote);
    let mut kept: Vec<Multiaddr> = Vec::new();
    for address in outbound.then_some(remote).into_iter().chain(told) {
        // A peer elsewhere means its own machine by such an address, and whoever is told of it would dial itself.
        let useless = is_loopback(address) && !nearby;
        let Ok(address) = address.clone().with_p2p(peer) else {
            continue;
        };
        if !useless
            && address.len() <= ADDRESS_LEN_MAX
            && bare_peer(&address).is_none()
            && !kept.contains(&address)
        {
            kept.push(address);
        }
        if kept.len() == ADDRESSES_MAX {
            break;
        }
    }
    kept
}

/// Whether an address leads back to the machine it is used on.
fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<Multiaddr> {
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn a_peers_addresses_are_kept_with_its_name_but_none_that_lead_elsewhere() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let remote: Multiaddr = "/ip4/198.51.100.7/tcp/4040".parse().unwrap();
        let foreign = format!("/ip4/192.0.2.9/tcp/1/p2p/{other}");
        let told = addresses(&[
            "/ip4/127.0.0.1/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/192.0.2.1/tcp/1",
            &format!("/ip4/192.0.2.2/tcp/1/p2p/{peer}"),
            &format!("/p2p/{peer}"),
            &foreign,
        ]);
        let inbound = addresses(&[
            &format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}"),
            &format!("/ip4/192.0.2.2/tcp/1/p2p/{peer}"),
        ]);
        assert_eq!(worth_keeping(peer, &told, &remote, false), inbound);
        let outbound = worth_keeping(peer, &told, &remote, true);
        assert_eq!(outbound[0].to_string(), format!("{remote}/p2p/{peer}"));
        assert_eq!(outbound[1..], inbound);
        let nearby = worth_keeping(peer, &told, &"/ip4/127.0.0.1/tcp/9".parse().unwrap(), false);
        assert_eq!(nearby.len(), 4, "{nearby:?}");
    }

    #[test]
    fn a_talkative_peer_cannot_fill_the_table() {
        let (own, peer) = (PeerId::random(), PeerId::random());
        let mut kademlia = behaviour(own);
        let remote: Multiaddr = "/ip4/198.51.100.7/tcp/4040".parse().unwrap();
        let mut told = identify::Info {
            public_key: libp2p::identity::Keypair::generate_ed25519().public(),
            protocol_version: String::new(),
            agent_version: String::new(),
            listen_addrs: Vec::new(),
            protocols: vec![PROTOCOL],
            observed_addr: remote.clone(),
            signed_peer_record: None,
        };
        let known = |kademlia: &mut Kademlia| -> usize {
            let buckets = kademlia.kbuckets();
            buckets
                .flat_map(|bucket| {
                    bucket
                        .iter()
                        .map(|entry| entry.node.value.len())
                        .collect::<Vec<_>>()
                })
                .sum()
        };
        for round in 0..50 {
            told.listen_addrs = (1..50)
                .map(|port| format!("/ip4/192.0.2.{round}/tcp/{port}").parse().unwrap())
                .collect();
            Routing::learn(&mut kademlia, peer, &told, &remote, false);
            assert_eq!(known(&mut kademlia), ADDRESSES_MAX);
        }
        told.protocols.clear();
        Routing::learn(&mut kademlia, peer, &told, &remote, false);
        assert_eq!(known(&mut kademlia), 0, "it speaks the protocol no more");
    }

    #[test]
    fn lookups_are_bounded_and_each_peer_is_looked_up_once() {
        let mut kademlia = behaviour(PeerId::random());
        let mut routing = Routing::default();
        let peer = PeerId::random();
        for _ in 0..3 {
            routing.look_up(&mut kademlia, peer);
        }
        assert_eq!(routing.lookups.len(), 1);
        for _ in 0..2 * LOOKUPS_MAX {
            routing.look_up(&mut kademlia, PeerId::random());
        }
        assert_eq!(routing.lookups.len(), LOOKUPS_MAX);
        assert!(routing.is_looking_up(&peer) && !routing.is_looking_up(&PeerId::random()));
    }
}
