//! What the address of a request means.

use crate::model::access::{Area, Deed};
use crate::model::{Category, DocumentPath, FolderPath, PathError};

/// Why an address is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    /// A `%` without two hexadecimal digits behind it.
    #[error("this address is not percent-encoded rightly: write \"%25\" where a name has \"%\"")]
    BadEscape,
    /// The decoded bytes are no text.
    #[error("a name in this address is not UTF-8: percent-encode the UTF-8 bytes of each name")]
    NotUtf8,
    /// The rules for paths.
    #[error("this address names nothing here: {0}; correct the address")]
    Path(#[from] PathError),
    /// Nothing behind the user's name.
    #[error("the address of the root folder ends with \"/\"")]
    NoSlash,
}

impl UrlError {
    /// Says whether the address is longer than any path.
    pub(super) fn is_too_long(&self) -> bool {
        matches!(self, Self::Path(PathError::TooLong | PathError::NameTooLong))
    }
}

/// What lies at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// The folder that holds the private modules and the other two categories.
    Root,
    /// A folder.
    Folder(FolderPath),
    /// A document.
    Document(DocumentPath),
    /// A document that lies in no module: there is never one.
    Nowhere,
}

/// An address below the user's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Who may see it.
    pub(super) category: Category,
    /// The module; `None` for what only a token for all modules opens.
    pub(super) module: Option<String>,
    /// What it names.
    pub(super) item: Item,
}

impl Target {
    /// Reads the raw path behind `/storage/<user>`.
    pub(super) fn parse(raw: &str) -> Result<Self, UrlError> {
        let inner = raw.strip_prefix('/').ok_or(UrlError::NoSlash)?;
        let (inner, is_folder) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None if inner.is_empty() => {
                return Ok(Self {
                    category: Category::Private,
                    module: None,
                    item: Item::Root,
                });
            }
            None => (inner, false),
        };
        let mut names = inner.split('/').map(decode_name).collect::<Result<Vec<_>, _>>()?;
        let category = match names.first().map(String::as_str) {
            Some("public") => Category::Public,
            Some("shared") => Category::Shared,
            _ => {
                names.insert(0, Category::Private.name().to_owned());
                Category::Private
            }
        };
        let mut path = format!("/{}", names.join("/"));
        let item = if is_folder {
            path.push('/');
            Item::Folder(FolderPath::parse(&path)?)
        } else {
            match DocumentPath::parse(&path) {
                Ok(path) => Item::Document(path),
                Err(PathError::NoModule) => Item::Nowhere,
                Err(error) => return Err(error.into()),
            }
        };
        let module = match item {
            Item::Document(_) | Item::Folder(_) if names.len() > 1 => Some(names.swap_remove(1)),
            _ => None,
        };
        Ok(Self {
            category,
            module,
            item,
        })
    }

    /// What a request asks for that reads what is named, or writes it.
    pub(super) fn deed(&self, reads: bool) -> Deed {
        match &self.item {
            _ if !reads => Deed::Write,
            Item::Document(_) => Deed::Read,
            Item::Root | Item::Folder(_) | Item::Nowhere => Deed::List,
        }
    }

    /// Where that is.
    pub(super) fn area(&self) -> Area<'_> {
        Area::of(self.category, self.module.as_deref())
    }
}

/// Decodes one name of a path: once, and only into a name that a path can hold.
fn decode_name(raw: &str) -> Result<String, UrlError> {
    let name = decode(raw)?;
    crate::model::check_name(&name)?;
    Ok(name)
}

/// Decodes percent-encoded text. A `+` is a `+`.
pub(super) fn decode(raw: &str) -> Result<String, UrlError> {
    if !raw.contains('%') {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    decode_into(raw, b'+', &mut bytes).ok_or(UrlError::BadEscape)?;
    String::from_utf8(bytes).map_err(|_| UrlError::NotUtf8)
}

/// Appends the bytes that percent-encoded text stands for, `plus` for a `+`. `None`: it has an escape that is none.
pub(super) fn decode_into(raw: &str, plus: u8, bytes: &mut Vec<u8>) -> Option<()> {
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => {
                let mut digit = || {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let high = digit()?;
                high << 4 | digit()?
            }
            other => other,
        });
    }
    Some(())
}

/// Encodes one name for an address.
pub(super) fn encode_name(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    encoded
}

/// The value of a parameter in a query, the first if there are several.
pub(super) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Forms write a space as "+".
        let plain = |text: &str| decode(&text.replace('+', " ")).ok();
        (plain(key)? == name).then(|| plain(value))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(raw: &str) -> String {
        match Target::parse(raw).unwrap().item {
            Item::Document(path) => path.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_category_has_its_address() {
        assert_eq!(document("/notes/a"), "/private/notes/a");
        assert_eq!(document("/public/notes/a"), "/public/notes/a");
        assert_eq!(document("/shared/notes/b/a"), "/shared/notes/b/a");
        assert_eq!(document("/private/notes"), "/private/private/notes");
        let target = Target::parse("/public/notes/a").unwrap();
        assert_eq!(target.module.as_deref(), Some("notes"));
        assert_eq!(target.category, Category::Public);
    }

    #[test]
    fn folders_and_the_module_that_opens_them() {
        for (raw, path, module) in [
            ("/notes/", "/private/notes/", Some("notes")),
            ("/notes/b/", "/private/notes/b/", Some("notes")),
            ("/public/", "/public/", None),
            ("/shared/notes/", "/shared/notes/", Some("notes")),
        ] {
            let target = Target::parse(raw).unwrap();
            assert_eq!(target.item, Item::Folder(FolderPath::parse(path).unwrap()));
            assert_eq!(target.module.as_deref(), module);
        }
        assert_eq!(Target::parse("/").unwrap().item, Item::Root);
        for raw in ["/a", "/public/a", "/public"] {
            let target = Target::parse(raw).unwrap();
            assert_eq!((target.item, target.module), (Item::Nowhere, None), "{raw}");
        }
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(document("/m/%25%23+%20%3F%C3%BC%252e"), "/private/m/%#+ ?ü%2e");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for raw in ["/m/%", "/m/%1", "/m/%zz", "/m/%+1"] {
            assert_eq!(Target::parse(raw), Err(UrlError::BadEscape), "{raw}");
        }
        assert_eq!(Target::parse("/m/%ff"), Err(UrlError::NotUtf8));
        for raw in [
            "//",
            "/m//a",
            "//a",
            "/m/a%2Fb",
            "/m/a%00",
            "/m/%2e%2e/a",
            "/../a",
            "/./",
        ] {
            assert!(matches!(Target::parse(raw), Err(UrlError::Path(_))), "{raw}");
        }
        assert_eq!(Target::parse(""), Err(UrlError::NoSlash));
        let long = format!("/m/{}", "a/".repeat(2000));
        assert!(Target::parse(&long).unwrap_err().is_too_long());
    }

    #[test]
    fn parameters_of_a_query() {
        let query = Some("a=1&resource=acct%3Aada%40h&b");
        assert_eq!(query_value(query, "resource").as_deref(), Some("acct:ada@h"));
        assert_eq!(query_value(query, "b").as_deref(), Some(""));
        assert_eq!(query_value(query, "c"), None);
    }

    proptest! {
        #[test]
        fn no_address_panics(raw in "\\PC{0,60}|(/(public|shared|m|%2e|%|%c3%bc|)){0,6}/?") {
            let _ = Target::parse(&raw);
            let _ = query_value(Some(&raw), "a");
        }

        #[test]
        fn encoded_names_come_back(name in "\\PC{1,40}") {
            prop_assert_eq!(decode(&encode_name(&name)), Ok(name));
        }
    }
}
