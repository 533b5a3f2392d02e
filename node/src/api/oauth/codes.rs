//! Codes that an app changes for a token (RFC 6749, section 4.1.2; RFC 7636, section 4.6).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::daemon::{HomeError, random_seed};
use crate::model::{Hash, Scope};

/// How long a code is good for.
const CODE: Duration = Duration::from_secs(60);
/// How long a code that was used is remembered, to know it when it comes again.
const MEMORY: Duration = Duration::from_secs(600);
/// Codes at one time, used ones as well. The oldest makes room.
const CODES_MAX: usize = 64;

/// What the owner has allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) client: String,
    pub(super) redirect: String,
    pub(super) origin: String,
    pub(super) challenge: String,
    pub(super) scopes: Vec<Scope>,
    /// How long the token will be good for, in seconds.
    pub(super) valid_s: u64,
}

enum State {
    Fresh(Allowed),
    /// Used; the token is being made. Whether it came again meanwhile.
    Used {
        again: bool,
    },
    /// Used for this token.
    Spent(Hash),
}

struct Code {
    made: Instant,
    state: State,
}

/// What an app brings.
pub(super) struct Presented<'a> {
    pub(super) code: &'a str,
    pub(super) client: &'a str,
    pub(super) redirect: &'a str,
    pub(super) verifier: &'a str,
}

/// Why a code opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadCode {
    /// Never given, too old, meant for somebody else, or without its secret.
    Refused,
    /// Used before: somebody has got hold of it, so the token that it gave must go too, if there is one yet.
    Again(Option<Hash>),
}

/// The codes that were given out. They end with the process.
pub(super) struct Codes(BTreeMap<[u8; 32], Code>);

fn key(code: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 authorization code");
    hasher.update(code.as_bytes());
    *hasher.finalize().as_bytes()
}

impl Codes {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Makes a code.
    pub(super) fn issue(&mut self, allowed: Allowed, now: Instant) -> Result<String, HomeError> {
        let code = BASE64URL_NOPAD.encode(&*random_seed()?);
        self.0.retain(|_, own| now.duration_since(own.made) < MEMORY);
        if self.0.len() >= CODES_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, own)| own.made).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        let state = State::Fresh(allowed);
        self.0.insert(key(&code), Code { made: now, state });
        Ok(code)
    }

    /// Takes a code in. Whatever is wrong with the rest, it is used up.
    pub(super) fn redeem(&mut self, presented: &Presented<'_>, now: Instant) -> Result<Allowed, BadCode> {
        let code = self.0.get_mut(&key(presented.code)).ok_or(BadCode::Refused)?;
        match std::mem::replace(&mut code.state, State::Used { again: false }) {
            State::Fresh(allowed) => {
                let fits = now.duration_since(code.made) < CODE
                    && allowed.client == presented.client
                    && allowed.redirect == presented.redirect
                    && is_verifier(presented.verifier, &allowed.challenge);
                fits.then_some(allowed).ok_or(BadCode::Refused)
            }
            State::Used { .. } => {
                code.state = State::Used { again: true };
                Err(BadCode::Again(None))
            }
            State::Spent(token) => {
                code.state = State::Spent(token);
                Err(BadCode::Again(Some(token)))
            }
        }
    }

    /// Notes which token a code gave. Says whether the token may be handed over: the code came once.
    pub(super) fn spent(&mut self, code: &str, token: Hash) -> bool {
        match self.0.get_mut(&key(code)) {
            Some(Code {
                state: state @ State::Used { again: false },
                ..
            }) => {
                *state = State::Spent(token);
                true
            }
            _ => false,
        }
    }
}

/// Says whether `verifier` is the secret behind an S256 `challenge`.
fn is_verifier(verifier: &str, challenge: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let computed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    // Hashes of this type compare in constant time.
    blake3::hash(computed.as_bytes()) == blake3::hash(challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn allowed() -> Allowed {
        Allowed {
            client: "app".into(),
            redirect: "https://a.example/".into(),
            origin: "https://a.example".into(),
            challenge: CHALLENGE.into(),
            scopes: vec!["notes:rw".parse().unwrap()],
            valid_s: 60,
        }
    }

    fn presented(code: &str) -> Presented<'_> {
        Presented {
            code,
            client: "app",
            redirect: "https://a.example/",
            verifier: VERIFIER,
        }
    }

    #[test]
    fn the_verifier_of_the_rfc() {
        assert!(is_verifier(VERIFIER, CHALLENGE));
        assert!(!is_verifier(CHALLENGE, CHALLENGE), "plain is not taken");
        assert!(!is_verifier("short", CHALLENGE));
        assert!(!is_verifier(&VERIFIER.replace('d', "e"), CHALLENGE));
    }

    #[test]
    fn a_code_is_good_once_for_whom_it_was_meant_and_not_for_long() {
        let (mut codes, start) = (Codes::new(), Instant::now());
        let code = codes.issue(allowed(), start).unwrap();
        assert_eq!(codes.redeem(&presented(&code), start), Ok(allowed()));
        let code = codes.issue(allowed(), start).unwrap();
        assert_eq!(
            codes.redeem(&presented(&code), start + CODE),
            Err(BadCode::Refused)
        );
        assert_eq!(codes.redeem(&presented("other"), start), Err(BadCode::Refused));
        let wrong: [fn(&mut Presented<'_>); 3] = [
            |presented| presented.client = "other",
            |presented| presented.redirect = "https://b.example/",
            |presented| presented.verifier = "x",
        ];
        for change in wrong {
            let code = codes.issue(allowed(), start).unwrap();
            let mut one = presented(&code);
            change(&mut one);
            assert_eq!(codes.redeem(&one, start), Err(BadCode::Refused));
            assert!(codes.redeem(&presented(&code), start).is_err(), "it is used up");
        }
    }

    #[test]
    fn a_code_that_comes_again_takes_its_token_along() {
        let (mut codes, start) = (Codes::new(), Instant::now());
        let code = codes.issue(allowed(), start).unwrap();
        codes.redeem(&presented(&code), start).unwrap();
        assert!(codes.spent(&code, Hash([7; 32])));
        for _ in 0..2 {
            assert_eq!(
                codes.redeem(&presented(&code), start),
                Err(BadCode::Again(Some(Hash([7; 32]))))
            );
        }
        // While the token is still being made.
        let code = codes.issue(allowed(), start).unwrap();
        codes.redeem(&presented(&code), start).unwrap();
        assert_eq!(codes.redeem(&presented(&code), start), Err(BadCode::Again(None)));
        assert!(!codes.spent(&code, Hash([8; 32])));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut codes, start) = (Codes::new(), Instant::now());
        let first = codes.issue(allowed(), start).unwrap();
        for _ in 0..CODES_MAX {
            codes.issue(allowed(), start + Duration::from_secs(1)).unwrap();
        }
        assert_eq!(codes.0.len(), CODES_MAX);
        assert_eq!(codes.redeem(&presented(&first), start), Err(BadCode::Refused));
    }
}
