//! Access tokens: what is kept of them. What their scopes open is decided in [`crate::model::access`].
//!
//! A token is 32 random bytes; the store keeps its hash, so that a stolen disk opens nothing.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::model::{Hash, Scope, WallTime, codec};
use crate::space::SpaceError;
use crate::store::{ReadTransaction, Table, WriteTransaction};

/// Most scopes of one token.
pub const SCOPES_MAX: usize = 64;
const RECORD_LEN_MAX: usize = 64 * 1024;

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub struct Token {
    /// What it may do: the sum of its scopes.
    pub scopes: Vec<Scope>,
    /// For people: which program it was made for.
    pub name: String,
    /// When it was made.
    pub created: WallTime,
    /// When it ends; `None`: when it is removed.
    pub expires: Option<WallTime>,
    /// The origin of the web app to which it was given on the page of the door; `None` if the command line made it.
    pub origin: Option<String>,
    /// When it was last used, as far as it is written down: a few minutes less than it really was.
    pub used: Option<WallTime>,
}

/// A token on disk.
type Record = (
    Vec<Scope>,
    String,
    WallTime,
    Option<WallTime>,
    Option<String>,
    Option<WallTime>,
);
/// A token on disk, as it was written before tokens could end.
type EndlessRecord = (Vec<Scope>, String, WallTime);

impl From<Record> for Token {
    fn from((scopes, name, created, expires, origin, used): Record) -> Self {
        Self {
            scopes,
            name,
            created,
            expires,
            origin,
            used,
        }
    }
}

impl From<Token> for Record {
    fn from(token: Token) -> Self {
        (
            token.scopes,
            token.name,
            token.created,
            token.expires,
            token.origin,
            token.used,
        )
    }
}

impl Token {
    /// A token that ends when it is removed, and was not used yet.
    pub fn new(scopes: Vec<Scope>, name: String, created: WallTime) -> Self {
        Self {
            scopes,
            name,
            created,
            expires: None,
            origin: None,
            used: None,
        }
    }

    /// Says whether it has ended.
    pub fn has_expired(&self, now: WallTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The text that a program shows for 32 secret bytes: base64 for URLs, 43 characters.
pub fn text(secret: &[u8; 32]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(secret)
}

/// The name under which a shown text is kept. Any text has one; most name no token.
pub fn id(text: &str) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 access token");
    hasher.update(text.as_bytes());
    hasher.finalize().into()
}

/// Keeps a token.
pub fn store(tx: &mut impl WriteTransaction, id: &Hash, token: &Token) -> Result<(), SpaceError> {
    Ok(tx.put(Table::Tokens, &id.0, &codec::encode(token))?)
}

/// Forgets a token. Says whether there was one.
pub fn remove(tx: &mut impl WriteTransaction, id: &Hash) -> Result<bool, SpaceError> {
    Ok(tx.delete(Table::Tokens, &id.0)?)
}

/// The token of this name.
pub fn load(tx: &(impl ReadTransaction + ?Sized), id: &Hash) -> Result<Option<Token>, SpaceError> {
    tx.get(Table::Tokens, &id.0)?
        .map(|bytes| decode(&bytes))
        .transpose()
}

/// All tokens, with their names.
pub fn all(tx: &(impl ReadTransaction + ?Sized)) -> Result<Vec<(Hash, Token)>, SpaceError> {
    let mut tokens = Vec::new();
    let mut result = Ok(());
    tx.scan(Table::Tokens, &[], &mut |key, value| {
        match (<[u8; 32]>::try_from(key), decode(value)) {
            (Ok(id), Ok(token)) => tokens.push((Hash(id), token)),
            (_, Err(error)) => {
                result = Err(error);
                return ControlFlow::Break(());
            }
            (Err(_), _) => {}
        }
        ControlFlow::Continue(())
    })?;
    result?;
    Ok(tokens)
}

/// Writes down that a token was used. Says whether it is still there.
pub fn set_used(tx: &mut impl WriteTransaction, id: &Hash, now: WallTime) -> Result<bool, SpaceError> {
    let Some(mut token) = load(tx, id)? else {
        return Ok(false);
    };
    token.used = Some(now);
    store(tx, id, &token)?;
    Ok(true)
}

/// Forgets tokens that ended before `long_ago`.
pub fn forget_expired(tx: &mut impl WriteTransaction, long_ago: WallTime) -> Result<(), SpaceError> {
    for (id, token) in all(tx)? {
        if token.has_expired(long_ago) {
            remove(tx, &id)?;
        }
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Token, SpaceError> {
    let endless = |_| {
        let record: EndlessRecord = codec::decode_own(bytes, RECORD_LEN_MAX)?;
        Ok(Token::new(record.0, record.1, record.2))
    };
    codec::decode_own(bytes, RECORD_LEN_MAX)
        .or_else(endless)
        .map_err(|error: codec::CodecError| SpaceError::Unreadable {
            table: Table::Tokens.name(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, Store};

    #[test]
    fn records_from_before_tokens_could_end_are_read() {
        let scopes: Vec<Scope> = vec!["notes:rw".parse().unwrap()];
        let old: EndlessRecord = (scopes.clone(), "editor".to_owned(), WallTime(5));
        let read = decode(&codec::encode(&old)).unwrap();
        assert_eq!(read, Token::new(scopes, "editor".to_owned(), WallTime(5)));
        assert_eq!(decode(&codec::encode(&read)).unwrap(), read);
        assert!(decode(&codec::encode(&(1, 2))).is_err());
    }

    #[test]
    fn a_token_ends_when_it_says() {
        let mut token = Token::new(Vec::new(), String::new(), WallTime(1));
        assert!(!token.has_expired(WallTime(u64::MAX)));
        token.expires = Some(WallTime(10));
        assert!(!token.has_expired(WallTime(9)) && token.has_expired(WallTime(10)));
    }

    #[test]
    fn tokens_that_ended_long_ago_are_forgotten() {
        let store = MemoryStore::new();
        let mut tx = store.write().unwrap();
        let mut token = Token::new(Vec::new(), String::new(), WallTime(1));
        let [endless, old, young] = [id("endless"), id("old"), id("young")];
        super::store(&mut tx, &endless, &token).unwrap();
        token.expires = Some(WallTime(10));
        super::store(&mut tx, &old, &token).unwrap();
        token.expires = Some(WallTime(30));
        super::store(&mut tx, &young, &token).unwrap();
        forget_expired(&mut tx, WallTime(20)).unwrap();
        assert!(load(&tx, &old).unwrap().is_none());
        assert!(load(&tx, &endless).unwrap().is_some() && load(&tx, &young).unwrap().is_some());
        assert!(set_used(&mut tx, &young, WallTime(25)).unwrap());
        assert_eq!(load(&tx, &young).unwrap().unwrap().used, Some(WallTime(25)));
        assert!(
            !set_used(&mut tx, &old, WallTime(25)).unwrap(),
            "it does not come back"
        );
    }
}
