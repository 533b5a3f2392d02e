//! Who has signed in, and which forms come from this node's own pages.
//!
//! A cookie of 32 random bytes is set with the sign-in page, and a new one when the passphrase was right. Every form carries
//! a token that only the cookie's holder can know: a hash of the cookie, of what the form does, and of the request that it is about.

use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::daemon::{HomeError, random_seed};

pub(super) const COOKIE_NAME: &str = "cairn-session";
/// How long a sign-in is good for. It also ends with the decision that it was for.
pub(super) const SESSION: Duration = Duration::from_secs(600);
/// Sessions at one time. The oldest makes room.
const SESSIONS_MAX: usize = 32;
/// 32 bytes in base64 for URLs.
const COOKIE_LEN: usize = 43;

struct Session {
    id: blake3::Hash,
    until: Instant,
    /// The passphrase that opened it; another one closes it.
    stamp: [u8; 32],
}

/// The cookie's value.
#[derive(Debug, Clone)]
pub(super) struct Cookie(String);

/// What a form does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    SignIn,
    Decide,
}

impl Cookie {
    /// One that nobody can guess.
    pub(super) fn fresh() -> Result<Self, HomeError> {
        Ok(Self(data_encoding::BASE64URL_NOPAD.encode(&*random_seed()?)))
    }

    /// The one that a request brings.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| {
                *name == COOKIE_NAME
                    && value.len() == COOKIE_LEN
                    && value.bytes().all(super::request::is_base64url)
            })
            .map(|(_, value)| Self(value.to_owned()))
    }

    /// As it stands in a header.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What a form about `request` has to carry.
    pub(super) fn form_token(&self, purpose: Purpose, request: &str) -> String {
        self.token(purpose, request).to_hex().to_string()
    }

    /// Says whether a form carries what it has to. Takes the same time for all that are wrong.
    pub(super) fn is_form_token(&self, purpose: Purpose, request: &str, given: Option<&str>) -> bool {
        // Hashes of this type compare in constant time.
        given
            .and_then(|given| blake3::Hash::from_hex(given).ok())
            .is_some_and(|given| given == self.token(purpose, request))
    }

    fn token(&self, purpose: Purpose, request: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 form token");
        hasher.update(self.0.as_bytes());
        hasher.update(match purpose {
            Purpose::SignIn => b"s",
            Purpose::Decide => b"d",
        });
        hasher.update(request.as_bytes());
        hasher.finalize()
    }

    fn id(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 session");
        hasher.update(self.0.as_bytes());
        hasher.finalize()
    }
}

/// The sessions in which somebody has signed in. They end with the process.
pub(super) struct Sessions(Vec<Session>);

impl Sessions {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Opens one.
    pub(super) fn open(&mut self, cookie: &Cookie, stamp: [u8; 32], now: Instant) {
        self.0.retain(|session| session.until > now);
        if self.0.len() == SESSIONS_MAX {
            self.0.remove(0);
        }
        self.0.push(Session {
            id: cookie.id(),
            until: now + SESSION,
            stamp,
        });
    }

    /// Says whether the cookie's holder has signed in with the passphrase that holds now.
    pub(super) fn is_open(&self, cookie: &Cookie, stamp: [u8; 32], now: Instant) -> bool {
        let id = cookie.id();
        self.0
            .iter()
            .any(|session| session.id == id && session.until > now && session.stamp == stamp)
    }

    /// Ends one.
    pub(super) fn close(&mut self, cookie: &Cookie) {
        let id = cookie.id();
        self.0.retain(|session| session.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_session_ends_with_time_passphrase_and_decision() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        let (mine, other) = (Cookie::fresh().unwrap(), Cookie::fresh().unwrap());
        sessions.open(&mine, [1; 32], start);
        assert!(sessions.is_open(&mine, [1; 32], start));
        assert!(!sessions.is_open(&other, [1; 32], start));
        assert!(!sessions.is_open(&mine, [2; 32], start), "another passphrase");
        assert!(!sessions.is_open(&mine, [1; 32], start + SESSION));
        sessions.close(&mine);
        assert!(!sessions.is_open(&mine, [1; 32], start));
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut sessions, start) = (Sessions::new(), Instant::now());
        let first = Cookie::fresh().unwrap();
        sessions.open(&first, [1; 32], start);
        for _ in 0..SESSIONS_MAX {
            sessions.open(&Cookie::fresh().unwrap(), [1; 32], start);
        }
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
        assert!(!sessions.is_open(&first, [1; 32], start));
    }

    #[test]
    fn form_tokens_are_bound_to_cookie_purpose_and_request() {
        let (mine, other) = (Cookie::fresh().unwrap(), Cookie::fresh().unwrap());
        let token = mine.form_token(Purpose::Decide, "a");
        assert!(mine.is_form_token(Purpose::Decide, "a", Some(&token)));
        assert!(!other.is_form_token(Purpose::Decide, "a", Some(&token)));
        assert!(!mine.is_form_token(Purpose::SignIn, "a", Some(&token)));
        assert!(!mine.is_form_token(Purpose::Decide, "b", Some(&token)));
        for given in [None, Some(""), Some("x"), Some("ü")] {
            assert!(!mine.is_form_token(Purpose::Decide, "a", given));
        }
    }

    #[test]
    fn cookies_are_found_among_others() {
        let mine = Cookie::fresh().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(text).unwrap());
            Cookie::read(&headers).map(|cookie| cookie.0)
        };
        let line = format!("a=b; cairn-session=short; {COOKIE_NAME}={}; c", mine.0);
        assert_eq!(read(&line), Some(mine.0));
        for text in ["", "cairn-session", "cairn-session=", "cairn-session=\"x\""] {
            assert_eq!(read(text), None);
        }
    }
}
