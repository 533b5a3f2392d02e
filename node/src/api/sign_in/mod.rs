//! Whether somebody is the owner: the passphrase, and how often it may be tried.
//!
//! The pages that let apps in (`oauth`) and the node's own page (`page`) ask here, so that whoever guesses at one of them has
//! no more tries at the other. A passphrase is looked at by its Argon2id hash, one at a time.

mod limiter;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use self::limiter::Limiter;
use super::refusal::Refusal;
use crate::daemon::SignInFile;
use crate::seal::{Passphrase, PassphraseHash};

/// How long a sign-in waits for others' to be checked.
const HASHING_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// The passphrase is another.
    #[error("This is not the passphrase. Try again.")]
    Wrong,
    /// There were too many tries; seconds until the next.
    #[error("There were too many tries. Try again in {0} seconds.")]
    TooMany(u64),
    /// Others sign in at this moment.
    #[error("Others are signing in at this moment. Try again.")]
    Busy,
}

/// Checks passphrases.
pub(super) struct SignIn {
    file: Option<SignInFile>,
    limiter: Mutex<Limiter>,
    /// One permit: hashing takes 19 MiB and a core.
    hashing: Arc<Semaphore>,
}

impl SignIn {
    /// Checks against the passphrase in this file; without one nobody is let in.
    pub(super) fn new(file: Option<SignInFile>) -> Self {
        Self {
            file,
            limiter: Mutex::new(Limiter::new()),
            hashing: Arc::new(Semaphore::new(1)),
        }
    }

    /// What a passphrase is checked with now; `None` if none is set. Reads a small file.
    pub(super) fn hash(&self) -> Result<Option<PassphraseHash>, Refusal> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        file.hash().map_err(|error| {
            tracing::error!(%error, "nobody can sign in");
            Refusal::Broken
        })
    }

    /// Checks a passphrase that came from `peer`.
    pub(super) async fn check(
        &self,
        hash: PassphraseHash,
        passphrase: Zeroizing<String>,
        peer: IpAddr,
    ) -> Result<Result<(), Denied>, Refusal> {
        let Ok(passphrase) = Passphrase::from_line(passphrase) else {
            return Ok(Err(Denied::Wrong));
        };
        let attempt = self.limiter(|limiter| limiter.attempt(peer, Instant::now()));
        if let Err(wait) = attempt {
            tracing::warn!(%peer, "too many tries to sign in");
            return Ok(Err(Denied::TooMany(wait.as_secs() + 1)));
        }
        let permit = self.hashing.clone().acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(HASHING_WAIT_MAX, permit).await else {
            return Ok(Err(Denied::Busy));
        };
        let checking = tokio::task::spawn_blocking(move || {
            // Held until the work is done, whether or not the browser waits for it.
            let _permit = permit;
            hash.check(&passphrase)
        });
        match checking.await.map_err(|_| Refusal::Broken)? {
            Ok(true) => {
                self.limiter(|limiter| limiter.succeeded(peer));
                Ok(Ok(()))
            }
            Ok(false) => {
                tracing::warn!(%peer, "a wrong passphrase");
                Ok(Err(Denied::Wrong))
            }
            Err(error) => {
                tracing::error!(%error, "nobody can sign in");
                Err(Refusal::Broken)
            }
        }
    }

    fn limiter<T>(&self, with: impl FnOnce(&mut Limiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_passphrase_lets_in_and_guessing_is_slowed_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = SignInFile::of(folder.path());
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let sign_in = SignIn::new(Some(file.clone()));
        assert!(sign_in.hash().unwrap().is_none());
        file.set(&Passphrase::from_line(text("right")).unwrap()).unwrap();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let check = async |passphrase, peer| {
            let hash = sign_in.hash().unwrap().unwrap();
            sign_in.check(hash, text(passphrase), peer).await.unwrap()
        };
        assert_eq!(check("", peer).await, Err(Denied::Wrong));
        for _ in 0..5 {
            assert_eq!(check("wrong", peer).await, Err(Denied::Wrong));
        }
        let Err(Denied::TooMany(1..=31)) = check("right", peer).await else {
            panic!("the right one must not be looked at either");
        };
        let other = IpAddr::from([10, 0, 0, 2]);
        for _ in 0..10 {
            assert_eq!(check("right", other).await, Ok(()));
        }
    }
}
