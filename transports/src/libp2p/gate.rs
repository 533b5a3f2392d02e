//! Refuses connections from hosts that sent garbage, before any work is done for them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dummy::ConnectionHandler;
use libp2p::swarm::{ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, ToSwarm};
use libp2p::{Multiaddr, PeerId};

use crate::penalty::Penalties;

/// Knows which hosts are refused at the moment.
#[derive(Debug, Default)]
pub(super) struct Gate {
    penalties: Penalties,
}

#[derive(Debug, thiserror::Error)]
#[error("the host sent garbage before")]
struct Refused;

/// Returns the host's address that a multiaddr begins with. `None` for relayed ones, whose beginning is the relay's.
fn host(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

impl Gate {
    /// Counts one piece of nonsense. Returns whether it is worth telling.
    pub(super) fn strike(&mut self, address: &Multiaddr) -> bool {
        host(address).is_some_and(|host| self.penalties.strike(host, Instant::now()))
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let refused = host(remote).is_some_and(|host| self.penalties.refuses_host(host, Instant::now()));
        if refused {
            Err(ConnectionDenied::new(Refused))
        } else {
            Ok(())
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<ConnectionHandler, ConnectionDenied> {
        Ok(ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _remote: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<ConnectionHandler, ConnectionDenied> {
        Ok(ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _event: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _peer: PeerId, _connection: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, Infallible>> {
        Poll::Pending
    }
}
