//! Paths of documents and folders: `/<category>/<module>/<path…>`.
//!
//! The remoteStorage rules (draft-dejong-remotestorage-26, section 3): names are UTF-8, kept as given with no
//! normalisation, any character but `/` and NUL, never empty, `.` or `..`. A path is parsed once, into a type that
//! cannot be wrong.

use serde::{Deserialize, Serialize};

/// Longest name of one document or folder, in bytes.
pub const NAME_LEN_MAX: usize = 255;
/// Longest path, in bytes, slashes included.
pub const PATH_LEN_MAX: usize = 2048;
/// Most names in one path: bounds the folders that one write touches.
pub const PATH_DEPTH_MAX: usize = 64;

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Does not begin with `/public/`, `/private/` or `/shared/`.
    #[error("a path begins with /public/, /private/ or /shared/")]
    NoCategory,
    /// A document outside any module.
    #[error("a document lies in a module: /<category>/<module>/<name>")]
    NoModule,
    /// An empty name, as in `//`.
    #[error("a name in a path is never empty")]
    EmptyName,
    /// The names `.` and `..`.
    #[error("\".\" and \"..\" are no names")]
    DotName,
    /// A NUL byte or a slash inside of a name.
    #[error("a name holds neither \"/\" nor NUL")]
    BadCharacter,
    /// A name over [`NAME_LEN_MAX`].
    #[error("a name has at most {NAME_LEN_MAX} bytes")]
    NameTooLong,
    /// A path over [`PATH_LEN_MAX`] or [`PATH_DEPTH_MAX`].
    #[error("a path has at most {PATH_LEN_MAX} bytes and {PATH_DEPTH_MAX} names")]
    TooLong,
    /// A folder where a document is wanted.
    #[error("this is a folder: its path ends with \"/\"")]
    IsFolder,
    /// A document where a folder is wanted.
    #[error("this is a document: a folder's path ends with \"/\"")]
    IsDocument,
}

/// Who may see a document, and where it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Anyone may read.
    Public,
    /// The owner alone.
    Private,
    /// The owner and named users.
    Shared,
}

impl Category {
    /// All three, in path order of their first letters.
    pub const ALL: [Self; 3] = [Self::Private, Self::Public, Self::Shared];

    /// The first name of the path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Shared => "shared",
        }
    }

    /// The category that a path's first name means.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }
}

/// Checks one name of a path.
pub fn check_name(name: &str) -> Result<(), PathError> {
    match name {
        "" => Err(PathError::EmptyName),
        "." | ".." => Err(PathError::DotName),
        _ if name.len() > NAME_LEN_MAX => Err(PathError::NameTooLong),
        _ if name.contains(['/', '\0']) => Err(PathError::BadCharacter),
        _ => Ok(()),
    }
}

/// The path of a document: never ends with a slash, always lies in a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentPath(String);

/// The path of a folder: always ends with a slash. `/` is the root, `/public/` a category.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderPath(String);

fn check_names(inner: &str) -> Result<usize, PathError> {
    let mut names = inner.split('/');
    let first = names.next().unwrap_or_default();
    if Category::from_name(first).is_none() {
        return Err(PathError::NoCategory);
    }
    let mut count = 1;
    for name in names {
        check_name(name)?;
        count += 1;
    }
    if count > PATH_DEPTH_MAX {
        return Err(PathError::TooLong);
    }
    Ok(count)
}

impl DocumentPath {
    /// Parses `/<category>/<module>/<path…>`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_LEN_MAX {
            return Err(PathError::TooLong);
        }
        let inner = text.strip_prefix('/').ok_or(PathError::NoCategory)?;
        if inner.is_empty() || inner.ends_with('/') {
            return Err(PathError::IsFolder);
        }
        if check_names(inner)? < 3 {
            return Err(PathError::NoModule);
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The category that the path begins with.
    pub fn category(&self) -> Category {
        category_of(&self.0).unwrap_or(Category::Private)
    }

    /// The module: the second name.
    pub fn module(&self) -> &str {
        self.0.split('/').nth(2).unwrap_or_default()
    }

    /// The folder that the document lies in.
    pub fn parent(&self) -> FolderPath {
        let end = self.0.rfind('/').map_or(0, |slash| slash + 1);
        FolderPath(self.0[..end].to_owned())
    }

    /// Every folder above the document, from its own up to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = FolderPath> + use<> {
        std::iter::successors(Some(self.parent()), FolderPath::parent)
    }

    /// The folder that would have the same name in the same place: no space holds both.
    pub fn as_folder(&self) -> FolderPath {
        FolderPath(format!("{}/", self.0))
    }
}

impl FolderPath {
    /// The root of a space.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Parses a folder's path, which begins and ends with a slash.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_LEN_MAX {
            return Err(PathError::TooLong);
        }
        if text == "/" {
            return Ok(Self::root());
        }
        let inner = text.strip_prefix('/').ok_or(PathError::NoCategory)?;
        let inner = inner.strip_suffix('/').ok_or(PathError::IsDocument)?;
        check_names(inner)?;
        Ok(Self(text.to_owned()))
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &str {
        self.0
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// The category, unless this is the root.
    pub fn category(&self) -> Option<Category> {
        category_of(&self.0)
    }

    /// The folder above; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let trimmed = self.0.strip_suffix('/')?;
        let slash = trimmed.rfind('/')?;
        Some(Self(trimmed[..=slash].to_owned()))
    }

    /// The document that would have the same name in the same place, if documents may lie there.
    pub fn as_document(&self) -> Option<DocumentPath> {
        DocumentPath::parse(self.0.strip_suffix('/')?).ok()
    }
}

fn category_of(path: &str) -> Option<Category> {
    Category::from_name(path.split('/').nth(1)?)
}

macro_rules! path_text {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PathError;

            fn try_from(text: String) -> Result<Self, PathError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = PathError;

            fn from_str(text: &str) -> Result<Self, PathError> {
                Self::parse(text)
            }
        }
    };
}

path_text!(DocumentPath);
path_text!(FolderPath);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_knows_its_place() {
        let path = DocumentPath::parse("/public/notes/a, b/c%20#?+ü").unwrap();
        assert_eq!(path.category(), Category::Public);
        assert_eq!(path.module(), "notes");
        assert_eq!(path.name(), "c%20#?+ü");
        let above: Vec<String> = path.ancestors().map(String::from).collect();
        assert_eq!(above, ["/public/notes/a, b/", "/public/notes/", "/public/", "/"]);
    }

    #[test]
    fn every_rule_has_its_error() {
        let cases = [
            ("", PathError::NoCategory),
            ("public/a/b", PathError::NoCategory),
            ("/else/a/b", PathError::NoCategory),
            ("/public", PathError::NoModule),
            ("/public/a", PathError::NoModule),
            ("/public/a/", PathError::IsFolder),
            ("/public//b", PathError::EmptyName),
            ("/public/a/./b", PathError::DotName),
            ("/public/a/..", PathError::DotName),
            ("/public/a/b\0", PathError::BadCharacter),
        ];
        for (text, error) in cases {
            assert_eq!(DocumentPath::parse(text), Err(error), "{text:?}");
        }
        let long = format!("/public/a/{}", "x".repeat(NAME_LEN_MAX + 1));
        assert_eq!(DocumentPath::parse(&long), Err(PathError::NameTooLong));
        let deep = format!("/public/a{}", "/x".repeat(PATH_DEPTH_MAX));
        assert_eq!(DocumentPath::parse(&deep), Err(PathError::TooLong));
        assert_eq!(
            DocumentPath::parse(&"/x".repeat(PATH_LEN_MAX)),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn nothing_is_normalised() {
        let composed = DocumentPath::parse("/private/m/\u{e9}").unwrap();
        let decomposed = DocumentPath::parse("/private/m/e\u{301}").unwrap();
        assert_ne!(composed, decomposed);
    }

    #[test]
    fn folders() {
        assert_eq!(FolderPath::parse("/").unwrap().parent(), None);
        assert_eq!(
            FolderPath::parse("/public/").unwrap().parent(),
            Some(FolderPath::root())
        );
        assert_eq!(FolderPath::parse("/public/a/b/").unwrap().name(), "b");
        assert_eq!(FolderPath::parse("/public/a"), Err(PathError::IsDocument));
        assert_eq!(FolderPath::parse("/public/").unwrap().as_document(), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "\\PC{0,80}|(/(public|private|shared|a|\\.|)){0,6}/?") {
            if let Ok(path) = DocumentPath::parse(&text) {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert_eq!(path.ancestors().last(), Some(FolderPath::root()));
                prop_assert_eq!(path.as_folder().as_document(), Some(path));
            }
            if let Ok(folder) = FolderPath::parse(&text) {
                prop_assert_eq!(folder.as_str(), &text);
            }
        }
    }
}
