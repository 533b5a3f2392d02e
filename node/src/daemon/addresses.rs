//! Addresses under which others may reach this node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Puts this machine's own addresses in the place of "every address".
pub(super) fn reachable(listening: &[String]) -> Vec<String> {
    let own = own_addresses();
    let mut reachable = Vec::new();
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
    reachable.dedup();
    reachable
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
        let listening = ["tcp://127.0.0.1:5".to_owned(), "tcp://0.0.0.0:7".to_owned()];
        let reachable = reachable(&listening);
        assert_eq!(reachable[0], "tcp://127.0.0.1:5");
        assert!(
            reachable.len() >= 2 && !reachable[1].contains("0.0.0.0"),
            "{reachable:?}"
        );
    }
}
