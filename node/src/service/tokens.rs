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
#[serde(
    from = "(Vec<Scope>, String, WallTime)",
    into = "(Vec<Scope>, String, WallTime)"
)]
pub struct Token {
    /// What it may do: the sum of its scopes.
    pub scopes: Vec<Scope>,
    /// For people: which program it was made for.
    pub name: String,
    /// When it was made.
    pub created: WallTime,
}

impl From<(Vec<Scope>, String, WallTime)> for Token {
    fn from((scopes, name, created): (Vec<Scope>, String, WallTime)) -> Self {
        Self {
            scopes,
            name,
            created,
        }
    }
}

impl From<Token> for (Vec<Scope>, String, WallTime) {
    fn from(token: Token) -> Self {
        (token.scopes, token.name, token.created)
    }
}

impl Token {
    /// Says whether the token allows this.
    pub fn allows(&self, module: Option<&str>, write: bool) -> bool {
        self.scopes.iter().any(|scope| scope.allows(module, write))
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

fn decode(bytes: &[u8]) -> Result<Token, SpaceError> {
    codec::decode_own(bytes, RECORD_LEN_MAX).map_err(|error| SpaceError::Unreadable {
        table: Table::Tokens.name(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
