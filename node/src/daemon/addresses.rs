//! Addresses under which others may reach this node.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses that an invite names: `external` first, then those that are listened on, with this machine's own in
/// the place of "every address". Those that mean something else elsewhere are left out, unless there are no others.
pub(super) fn reachable(external: &[String], listening: &[String]) -> Vec<String> {
    let own = own_addresses();
    let mut reachable = external.to_vec();
    for address in listening {
        let all = [
            address.contains("0.0.0.0"),
            address.contains("[::]") || address.contains("/ip6/::/"),
        ];
        match all {
            [true, _] => reachable.extend(
                own.iter()
                    .filter(|ip| ip.is_ipv4())
                    .map(|ip| address.replace("0.0.0.0", &ip.to_string())),
            ),
            [_, true] => reachable.extend(own.iter().filter(|ip| ip.is_ipv6()).map(|ip| {
                address
                    .replace("[::]", &format!("[{ip}]"))
                    .replace("/ip6/::/", &format!("/ip6/{ip}/"))
            })),
            _ => reachable.push(address.clone()),
        }
    }
    let mut seen = BTreeSet::new();
    reachable.retain(|address| seen.insert(address.clone()));
    if reachable.iter().any(|address| !is_local(address)) {
        reachable.retain(|address| !is_local(address));
    }
    reachable
}

/// Says whether an address leads back to the machine it is used on, or to one of its own links.
fn is_local(address: &str) -> bool {
    ip_of(address).is_some_and(|ip| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    })
}

/// The IP address in `tcp://IP:PORT` or a multiaddr; `None` where a host is named.
fn ip_of(address: &str) -> Option<IpAddr> {
    match address.strip_prefix("tcp://") {
        Some(socket) => socket.parse::<SocketAddr>().ok().map(|socket| socket.ip()),
        None => address.split('/').nth(2)?.parse().ok(),
    }
}

/// The addresses that this machine would send from. Nothing is sent to find out: connecting a datagram socket only
/// chooses a route.
fn own_addresses() -> Vec<IpAddr> {
    let anywhere: [(IpAddr, SocketAddr); 2] = [
        (
            Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::from(([192, 0, 2, 1], 9)),
        ),
        (
            Ipv6Addr::UNSPECIFIED.into(),
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
        ),
    ];
    let mut own: Vec<IpAddr> = anywhere
        .into_iter()
        .filter_map(|(any, remote)| {
            let socket = UdpSocket::bind((any, 0)).ok()?;
            socket.connect(remote).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .filter(|ip| !ip.is_unspecified())
        .collect();
    if own.is_empty() {
        own.push(Ipv4Addr::LOCALHOST.into());
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_becomes_real_ones() {
        let listening = ["tcp://0.0.0.0:7".to_owned()];
        let reachable = reachable(&[], &listening);
        assert!(
            !reachable.is_empty() && !reachable[0].contains("0.0.0.0"),
            "{reachable:?}"
        );
    }

    #[test]
    fn an_invite_names_what_leads_here_from_elsewhere() {
        let all = |addresses: &[&str]| -> Vec<String> { addresses.iter().map(|a| (*a).to_owned()).collect() };
        let local = all(&[
            "tcp://127.0.0.1:5",
            "tcp://[::1]:5",
            "/ip4/127.0.0.1/tcp/9",
            "/ip6/fe80::1/tcp/9",
        ]);
        assert_eq!(
            reachable(&[], &local),
            local,
            "better than nothing: two folders of one machine"
        );
        let mut listening = local;
        listening.extend(all(&[
            "/ip4/192.0.2.1/tcp/9",
            "tcp://192.0.2.1:5",
            "tcp://192.0.2.1:5",
        ]));
        let external = all(&["tcp://cairn.example.org:7781", "/dns4/cairn.example.org/tcp/9"]);
        let expected = all(&[
            "tcp://cairn.example.org:7781",
            "/dns4/cairn.example.org/tcp/9",
            "/ip4/192.0.2.1/tcp/9",
            "tcp://192.0.2.1:5",
        ]);
        assert_eq!(reachable(&external, &listening), expected);
    }
}
