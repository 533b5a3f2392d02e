//! TLS at the door, with a certificate that the owner brings.
//!
//! Files are looked at again now and then: a certificate that was renewed is used for the next connections, with no restart. One that
//! cannot be read then is left alone: the one before serves on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ServerConfig};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate in PEM, with the chain behind it.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why the door cannot speak TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The disk.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No PEM, or not of the right kind.
    #[error(
        "{path} holds no {what} in PEM ({reason}): name the files that certbot calls fullchain.pem and privkey.pem, or their like"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not make a pair, or are of a kind that is not known here.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
}

/// When the files were written: the certificate's, the key's.
type Written = (Option<SystemTime>, Option<SystemTime>);

struct Current {
    acceptor: TlsAcceptor,
    written: Written,
    looked: Instant,
}

/// What makes connections secret.
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.files)
    }
}

impl Tls {
    /// Reads the files. Blocks.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let written = files.written();
        let current = Current {
            acceptor: files.acceptor()?,
            written,
            looked: Instant::now(),
        };
        Ok(Self {
            files,
            current: Mutex::new(current),
        })
    }

    /// What the next connection is taken with.
    pub(super) async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let due = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let due = current.looked.elapsed() >= LOOK_EVERY;
            if due {
                current.looked = Instant::now();
            }
            due
        };
        if due {
            let tls = self.clone();
            // If it panics, what was read last serves on.
            let _ = tokio::task::spawn_blocking(move || tls.look_again()).await;
        }
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.acceptor.clone()
    }

    fn look_again(&self) {
        let written = self.files.written();
        let lock = || self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().written == written {
            return;
        }
        match self.files.acceptor() {
            Ok(acceptor) => {
                tracing::info!(certificate = %self.files.certificate.display(), "a renewed certificate is in use");
                let mut current = lock();
                current.acceptor = acceptor;
                current.written = written;
            }
            // Perhaps one of two files is written already: looked at again in a while.
            Err(error) => {
                tracing::warn!(%error, "the certificate changed and cannot be used: the one before is")
            }
        }
    }
}

impl TlsFiles {
    fn written(&self) -> Written {
        let of = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
        (of(&self.certificate), of(&self.key))
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| refused(&self.certificate, "certificate", error))?;
        if certificates.is_empty() {
            return Err(refused(
                &self.certificate,
                "certificate",
                pem::Error::NoItemsFound,
            ));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| refused(&self.key, "private key", error))?;
        let pair = |reason| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            reason,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn refused(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Io { path, error },
        other => TlsError::Content {
            path,
            what,
            reason: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
    }

    fn files(folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join("fullchain.pem"),
            key: folder.join("privkey.pem"),
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        assert!(matches!(Tls::load(files.clone()), Err(TlsError::Io { .. })));
        std::fs::write(&files.certificate, "no certificate").unwrap();
        std::fs::write(&files.key, "no key").unwrap();
        let said = Tls::load(files.clone()).unwrap_err().to_string();
        assert!(said.contains("fullchain.pem holds no certificate"), "{said}");
        write(&files);
        let key = std::fs::read(&files.key).unwrap();
        write(&files);
        std::fs::write(&files.key, key).unwrap();
        assert!(matches!(Tls::load(files), Err(TlsError::Pair { .. })));
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_damaged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        write(&files);
        let tls = Tls::load(files.clone()).unwrap();
        let config = || Arc::as_ptr(tls.current.lock().unwrap().acceptor.config());
        let aged = |age: u64| {
            // As if the others had been written earlier: clocks of file systems are coarse.
            let then = SystemTime::now() - Duration::from_secs(age);
            let times = std::fs::FileTimes::new().set_modified(then);
            std::fs::File::options()
                .write(true)
                .open(&files.key)
                .unwrap()
                .set_times(times)
                .unwrap();
        };
        let first = config();
        tls.look_again();
        assert_eq!(config(), first);
        write(&files);
        aged(100);
        tls.look_again();
        let second = config();
        assert_ne!(second, first);
        std::fs::write(&files.key, "damaged").unwrap();
        aged(50);
        tls.look_again();
        assert_eq!(config(), second);
        write(&files);
        aged(10);
        tls.look_again();
        assert_ne!(config(), second);
    }
}
