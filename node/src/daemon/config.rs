//! The configuration file: `cairn.toml` in the node's folder.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The file that the first start writes: every key, with its default.
const TEMPLATE: &str = r#"# The configuration of this cairn. Every line that is commented out shows a default;
# what the command line says goes before this file.

# The user's name in addresses: http://…/storage/NAME. Only read at the first start.
# user = "me"

# The HTTP door. Without this line 127.0.0.1:7780 is tried, and any free port if that is taken.
# http = "127.0.0.1:7780"

# Where other nodes may reach this one: tcp://ADDRESS:PORT, or a multiaddr for libp2p.
# Port 0 lets the system choose.
# listen = ["tcp://0.0.0.0:7781", "tcp://[::]:7781", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"]

# Nodes to stay in touch with, besides those that are found on the LAN.
# peers = ["tcp://cairn.example.org:7781"]

# Find nodes on the LAN, and be found, by mDNS.
# mdns = true

# How much the documents may take together, and how long one of them may be.
# quota = "10 GiB"
# document_size_max = "10 GiB"

# What is logged: error, warn, info, debug or trace.
# log = "info"
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
    #[error("\"{0}\" is no size: write a number with B, KiB, MiB, GiB or TiB, such as \"10 GiB\"")]
    BadSize(String),
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

/// Reads a size such as `10 GiB`, in bytes.
pub fn parse_size(text: &str) -> Result<u64, ConfigError> {
    let bad = || ConfigError::BadSize(text.to_owned());
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
            .filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")))
            .map(|line| format!("{line}\n"))
            .collect();
        let all: ConfigFile = toml::from_str(&uncommented).unwrap();
        assert!(all.user.is_some() && all.http.is_some() && all.listen.is_some() && all.mdns.is_some());
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
    fn sizes_are_read() {
        assert_eq!(parse_size("10 GiB").unwrap(), 10 << 30);
        assert_eq!(parse_size("123").unwrap(), 123);
        assert_eq!(parse_size("1KiB").unwrap(), 1024);
        for bad in ["", "GiB", "1 GB", "-1", "99999999 TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
