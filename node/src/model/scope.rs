//! Scopes of access tokens, as remoteStorage defines them (draft-dejong-remotestorage-26, section 10): `<module>:r`, `<module>:rw`, `*:r`, `*:rw`.

use serde::{Deserialize, Serialize};

use super::check_name;

/// Longest name of a module in a scope, in bytes.
const MODULE_LEN_MAX: usize = 255;

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
            name if name.len() <= MODULE_LEN_MAX && check_name(name).is_ok() => Some(name.to_owned()),
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
    /// Says whether the scope includes this: `module` is `None` for the root folder, which `*` alone opens.
    pub fn includes(&self, module: Option<&str>, write: bool) -> bool {
        let module_fits = match (&self.module, module) {
            (None, _) => true,
            (Some(own), Some(asked)) => own == asked,
            (Some(_), None) => false,
        };
        module_fits && (self.write || !write)
    }
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
        assert!(notes.includes(Some("notes"), false));
        assert!(!notes.includes(Some("notes"), true));
        assert!(!notes.includes(Some("photos"), false));
        assert!(!notes.includes(None, false), "the root folder shows all modules");
        let all: Scope = "*:rw".parse().unwrap();
        assert!(all.includes(None, true) && all.includes(Some("x"), true));
    }
}
