//! `tcp://HOST:PORT`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::link::AddressError;

/// The longest host name by DNS.
const HOST_LEN_MAX: usize = 253;

/// Where a node can be reached by TCP: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TcpAddress {
    /// An IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl FromStr for TcpAddress {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Self, AddressError> {
        let malformed = |reason: &str| AddressError::Malformed {
            address: address.to_owned(),
            reason: reason.to_owned(),
        };
        let rest = address
            .strip_prefix("tcp://")
            .ok_or_else(|| AddressError::WrongScheme {
                address: address.to_owned(),
                transport: "tcp",
                expected: "tcp://HOST:PORT",
            })?;
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| malformed("the port is missing"))?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| malformed("the port must be 1 to 65535"))?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner
                .parse::<Ipv6Addr>()
                .map_err(|_| malformed("no IPv6 address in the brackets"))?
                .to_string(),
            None if host.is_empty() || host.len() > HOST_LEN_MAX => {
                return Err(malformed("the host must have 1 to 253 bytes"));
            }
            None if host.contains(':') => return Err(malformed("an IPv6 address goes in brackets")),
            None if host
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "/@?#[]".contains(c)) =>
            {
                return Err(malformed("the host has characters that no host has"));
            }
            None => host.to_ascii_lowercase(),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "tcp://[{host}]:{port}")
        } else {
            write!(f, "tcp://{host}:{port}")
        }
    }
}

/// Returns the form of a socket's address that can be dialled.
pub(super) fn tcp_url(address: SocketAddr) -> String {
    format!(
        "tcp://{}",
        SocketAddr::new(address.ip().to_canonical(), address.port())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (given, kept) in [
            ("tcp://Node.Example:4040", "tcp://node.example:4040"),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
            ("tcp://[0:0::1]:65535", "tcp://[::1]:65535"),
        ] {
            assert_eq!(given.parse::<TcpAddress>().unwrap().to_string(), kept);
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for given in [
            "tcp://",
            "tcp://a",
            "tcp://a:0",
            "tcp://a:65536",
            "tcp://:1",
            "tcp://::1:1",
            "tcp://[a]:1",
            "tcp://a/b:1",
            "tcp://a b:1",
        ] {
            assert!(
                matches!(given.parse::<TcpAddress>(), Err(AddressError::Malformed { .. })),
                "{given}"
            );
        }
        assert!(matches!(
            "/ip4/1.2.3.4/tcp/1".parse::<TcpAddress>(),
            Err(AddressError::WrongScheme { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_not_and_what_parses_has_one_spelling(text in "(tcp://)?[a-z0-9:.\\[\\]/ü]{0,30}") {
            if let Ok(address) = text.parse::<TcpAddress>() {
                prop_assert_eq!(address.to_string().parse::<TcpAddress>().unwrap(), address);
            }
        }
    }
}
