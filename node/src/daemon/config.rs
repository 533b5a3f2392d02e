//! The configuration file: `cairn.toml` in the node's folder.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::LoraSettings;
use crate::mesh::PayloadPolicy;

/// The file that the first start writes: every key.
const TEMPLATE: &str = r#"# The configuration of this cairn. What the command line says goes before this file.
# Take the # off a line to set it; where a default is not named, the line shows it.

# The user's name in addresses: http://…/storage/NAME. Only read at the first start.
# user = "me"

# The HTTP door. Without this line 127.0.0.1:7780 is tried, and any free port if that is taken.
# http = "127.0.0.1:7780"

# Where programs reach the HTTP door, if a proxy with TLS stands before it. No default.
# public_url = "https://cairn.example.org"

# TLS at the HTTP door: a certificate with its chain, and its key, in PEM. Both or neither; when
# they are renewed, no restart is needed. None by default.
# tls_certificate = "/etc/letsencrypt/live/cairn.example.org/fullchain.pem"
# tls_key = "/etc/letsencrypt/live/cairn.example.org/privkey.pem"

# Where other nodes may reach this one: tcp://ADDRESS:PORT, or a multiaddr for libp2p.
# Port 0 lets the system choose.
# listen = ["tcp://0.0.0.0:7781", "tcp://[::]:7781", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"]

# Under which addresses others reach this node from outside, as behind a router that
# forwards a port: invites name them first. None by default.
# external = ["tcp://cairn.example.org:7781"]

# Nodes to stay in touch with, besides those that are found on the LAN. None by default.
# peers = ["tcp://cairn.example.org:7781"]

# Find nodes on the LAN, and be found, by mDNS.
# mdns = true

# Relays through which to be reachable, each a multiaddr that ends in /p2p/ID, and whether
# to relay for others. Both need a program built with the feature wan. None by default.
# relays = ["/dns4/relay.example.org/tcp/4040/p2p/12D3KooWGzh1R5dT2zmRVNAjWjGcXHsm4gJ8SxwJpTg2aCtNcSC9"]
# relay_for_others = false

# How much the documents may take together: by default as much as the disk has.
# quota = "100 GiB"

# How long one document may be.
# document_size_max = "10 GiB"

# What is logged: error, warn, info, debug or trace.
# log = "info"

# A LoRa radio. The other keys are those of the options: modem, frequency, sf, bandwidth,
# coding_rate, tx_power, air_rate, mode_lines. None by default.
# [lora]
# port = "/dev/ttyUSB0"
# region = "EU868"

# Longer documents come by radio only when somebody asks: cairn fetch PATH. One size for
# all, and another for some category; none comes unasked with "0 B".
# payload_size_max = "128 KiB"
# payload_size_max_public = "128 KiB"
# payload_size_max_private = "128 KiB"
# payload_size_max_shared = "128 KiB"
"#;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The disk.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key's name.
        reason: String,
    },
    /// No size.
    #[error("{key}: \"{value}\" is no size: write a number with B, KiB, MiB, GiB or TiB, such as \"10 GiB\"")]
    BadSize {
        /// The option, or the file and the key.
        key: String,
        /// What it says.
        value: String,
    },
    /// A value that means nothing.
    #[error("cairn.toml: {key}: {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// No level.
    #[error("{key}: \"{value}\" is no log level: use error, warn, info, debug or trace")]
    BadLevel {
        /// The option, or the file and the key.
        key: String,
        /// What it says.
        value: String,
    },
}

/// What the file may say. Everything may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The user's name in addresses.
    pub user: Option<String>,
    /// The HTTP door.
    pub http: Option<SocketAddr>,
    /// Addresses to listen on.
    pub listen: Option<Vec<String>>,
    /// Where programs reach the HTTP door.
    pub public_url: Option<String>,
    /// The certificate for TLS at the HTTP door.
    pub tls_certificate: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Addresses at which others reach this node from outside.
    #[serde(default)]
    pub external: Vec<String>,
    /// Relays through which to be reachable.
    #[serde(default)]
    pub relays: Vec<String>,
    /// Relay for others.
    #[serde(default)]
    pub relay_for_others: bool,
    /// Nodes to stay in touch with.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Find nodes on the LAN.
    pub mdns: Option<bool>,
    /// Bytes that the documents may take together.
    pub quota: Option<String>,
    /// Longest document.
    pub document_size_max: Option<String>,
    /// What is logged.
    pub log: Option<String>,
    /// A LoRa radio.
    pub lora: Option<LoraFile>,
}

/// A LoRa radio, as the file may describe it. Each key is as the option of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraFile {
    /// The serial port.
    pub port: String,
    /// The kind of modem.
    pub modem: Option<String>,
    /// Whose rules hold.
    pub region: Option<String>,
    /// In Hz.
    pub frequency: Option<u32>,
    /// The spreading factor.
    pub sf: Option<u8>,
    /// In Hz.
    pub bandwidth: Option<u32>,
    /// 5 to 8.
    pub coding_rate: Option<u8>,
    /// In dBm.
    pub tx_power: Option<u8>,
    /// In bits per second, of an E22.
    pub air_rate: Option<u32>,
    /// The GPIO lines of an E22's M0 and M1.
    pub mode_lines: Option<String>,
    /// Longest payload that is fetched unasked.
    pub payload_size_max: Option<String>,
    /// Likewise, in `public/`.
    pub payload_size_max_public: Option<String>,
    /// Likewise, in `private/`.
    pub payload_size_max_private: Option<String>,
    /// Likewise, in `shared/`.
    pub payload_size_max_shared: Option<String>,
}

impl LoraFile {
    /// Which payloads come by radio unasked.
    pub fn payloads(&self) -> Result<PayloadPolicy, ConfigError> {
        let read = |key: &str, text: &Option<String>| {
            let read = text
                .as_deref()
                .map(|text| parse_size(&format!("cairn.toml: lora.{key}"), text));
            read.transpose()
        };
        let all = read("payload_size_max", &self.payload_size_max)?;
        let PayloadPolicy {
            public,
            private,
            shared,
        } = all.map_or(PayloadPolicy::DEFAULT, PayloadPolicy::all);
        Ok(PayloadPolicy {
            public: read("payload_size_max_public", &self.payload_size_max_public)?.unwrap_or(public),
            private: read("payload_size_max_private", &self.payload_size_max_private)?.unwrap_or(private),
            shared: read("payload_size_max_shared", &self.payload_size_max_shared)?.unwrap_or(shared),
        })
    }

    /// The settings that it describes.
    pub fn settings(self) -> Result<LoraSettings, ConfigError> {
        fn read<T: FromStr<Err: ToString>>(
            key: &str,
            text: Option<String>,
        ) -> Result<Option<T>, ConfigError> {
            let read = |text: String| {
                text.parse().map_err(|error: T::Err| ConfigError::BadValue {
                    key: key.to_owned(),
                    reason: error.to_string(),
                })
            };
            text.map(read).transpose()
        }
        Ok(LoraSettings {
            port: self.port,
            modem: read("lora.modem", self.modem)?,
            mode_lines: read("lora.mode_lines", self.mode_lines)?,
            region: read("lora.region", self.region)?,
            frequency_hz: self.frequency,
            spreading_factor: self.sf,
            bandwidth_hz: self.bandwidth,
            coding_rate: self.coding_rate,
            tx_power_dbm: self.tx_power,
            air_rate_bps: self.air_rate,
            airtime_used: false,
        })
    }
}

impl ConfigFile {
    /// Reads the file in `home`; writes one that changes nothing if there is none.
    pub fn load(home: &Path) -> Result<Self, ConfigError> {
        let path = home.join("cairn.toml");
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| ConfigError::Content {
                path,
                reason: error.to_string(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder that cannot be written to is found out by whoever needs to write.
                let _ = fs::write(&path, TEMPLATE);
                Ok(Self::default())
            }
            Err(error) => Err(ConfigError::Io { path, error }),
        }
    }
}

/// Reads a size such as `10 GiB`, in bytes. `key` says where it stands, for the error.
pub fn parse_size(key: &str, text: &str) -> Result<u64, ConfigError> {
    let bad = || ConfigError::BadSize {
        key: key.to_owned(),
        value: text.to_owned(),
    };
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = trimmed[..digits].parse().map_err(|_| bad())?;
    let shift = match trimmed[digits..].trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        "TiB" | "T" => 40,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_written_first_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ConfigFile::load(folder.path()).unwrap(), ConfigFile::default());
        assert_eq!(ConfigFile::load(folder.path()).unwrap(), ConfigFile::default());
        // With the comment signs taken off, every key is one that is known.
        let uncommented: String = TEMPLATE
            .lines()
            .filter_map(|line| {
                line.strip_prefix("# ")
                    .filter(|line| line.contains(" = ") || line.starts_with('['))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let all: ConfigFile = toml::from_str(&uncommented).unwrap();
        assert!(all.user.is_some() && all.http.is_some() && all.listen.is_some() && all.mdns.is_some());
        assert!(all.tls_certificate.is_some() && all.tls_key.is_some());
        assert!(all.public_url.is_some() && !all.external.is_empty() && !all.relays.is_empty());
        assert!(all.quota.is_some() && all.document_size_max.is_some() && all.log.is_some());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cairn.toml"), "htpp = \"127.0.0.1:1\"\n").unwrap();
        let said = ConfigFile::load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("htpp") && said.contains("cairn.toml"), "{said}");
    }

    #[test]
    fn a_category_may_have_a_size_of_its_own() {
        let read = |text: &str| toml::from_str::<LoraFile>(text).unwrap().payloads();
        assert_eq!(read("port = \"x\"").unwrap(), PayloadPolicy::DEFAULT);
        let text = "port = \"x\"\npayload_size_max = \"1 MiB\"\npayload_size_max_public = \"0 B\"";
        let expected = PayloadPolicy {
            public: 0,
            ..PayloadPolicy::all(1 << 20)
        };
        assert_eq!(read(text).unwrap(), expected);
        let said = read("port = \"x\"\npayload_size_max_shared = \"much\"")
            .unwrap_err()
            .to_string();
        assert!(said.contains("lora.payload_size_max_shared"), "{said}");
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("quota", "10 GiB").unwrap(), 10 << 30);
        assert_eq!(parse_size("quota", "123").unwrap(), 123);
        assert_eq!(parse_size("quota", "1KiB").unwrap(), 1024);
        for bad in ["", "GiB", "1 GB", "-1", "99999999 TiB"] {
            let said = parse_size("quota", bad).unwrap_err().to_string();
            assert!(said.starts_with("quota: "), "{said}");
        }
    }
}
