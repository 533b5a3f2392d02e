//! Access tokens: which program may do what with which modules.
//!
//! A token is 32 random bytes; the store keeps its hash, so that a stolen disk opens nothing. Scopes are those of
//! remoteStorage (draft-dejong-remotestorage-26, section 10): `<module>:r`, `<module>:rw`, `*:r`, `*:rw`.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::model::{Hash, WallTime, codec};
use crate::space::SpaceError;
use crate::store::{ReadTransaction, Table, WriteTransaction};

/// Most scopes of one token.
pub const SCOPES_MAX: usize = 64;
/// Longest name of a module in a scope, in bytes.
const MODULE_LEN_MAX: usize = 255;
const RECORD_LEN_MAX: usize = 64 * 1024;

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    /// The module; `None` for `*`.
    pub module: Option<String>,
    /// May write.
    pub write: bool,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no scope: write <module>:r, <module>:rw, *:r or *:rw")]
pub struct BadScope(String);

impl std::str::FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        let bad = || BadScope(text.to_owned());
        let (module, level) = text.rsplit_once(':').ok_or_else(bad)?;
        let write = match level {
            "r" => false,
            "rw" => true,
            _ => return Err(bad()),
        };
        let module = match module {
            "*" => None,
            "public" => return Err(bad()),
            name if name.len() <= MODULE_LEN_MAX && crate::model::check_name(name).is_ok() => {
                Some(name.to_owned())
            }
            _ => return Err(bad()),
        };
        Ok(Self { module, write })
    }
}

impl TryFrom<String> for Scope {
    type Error = BadScope;

    fn try_from(text: String) -> Result<Self, BadScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = if self.write { "rw" } else { "r" };
        write!(f, "{}:{level}", self.module.as_deref().unwrap_or("*"))
    }
}

impl Scope {
    /// Says whether the scope allows this: `module` is `None` for the root folder, which `*` alone opens.
    pub fn allows(&self, module: Option<&str>, write: bool) -> bool {
        let module_fits = match (&self.module, module) {
            (None, _) => true,
            (Some(own), Some(asked)) => own == asked,
            (Some(_), None) => false,
        };
        module_fits && (self.write || !write)
    }
}

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

    /// Says whether the token allows this.
    pub fn allows(&self, module: Option<&str>, write: bool) -> bool {
        self.scopes.iter().any(|scope| scope.allows(module, write))
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
    fn scopes_are_read_and_written() {
        for text in ["notes:r", "notes:rw", "*:r", "*:rw"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "notes", "notes:w", ":rw", "public:rw", "a/b:rw", "..:r"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_opens_its_module_and_no_other() {
        let notes: Scope = "notes:r".parse().unwrap();
        assert!(notes.allows(Some("notes"), false));
        assert!(!notes.allows(Some("notes"), true));
        assert!(!notes.allows(Some("photos"), false));
        assert!(!notes.allows(None, false), "the root folder shows all modules");
        let all: Scope = "*:rw".parse().unwrap();
        assert!(all.allows(None, true) && all.allows(Some("x"), true));
    }

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
