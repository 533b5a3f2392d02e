//! Who may do what: the one place that decides it, for the HTTP door, the control socket and the mesh alike.
//!
//! Whoever lets somebody do something first finds out who asks ([`Asker`]): a door by a token or a session, the mesh by a proven key and
//! the [grants](super::Membership) that stand for it. Then it asks [`may`], which knows nothing but its arguments. What is decided stands as a
//! table in `docs/security.md`, made of this code.

use super::{Capabilities, Category, DocumentPath, FolderPath, Scope};

/// The folder in which the node keeps documents of its own: a module of `/private/`.
pub const INTERNAL: &str = "/private/.cairn/";
const INTERNAL_MODULE: &str = ".cairn";

/// Says whether a path is one of the node's own documents, which are for nobody else.
pub fn is_internal(path: &str) -> bool {
    path.starts_with(INTERNAL)
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// Nobody that is known: no token, no grant.
    Anyone,
    /// A program with a token of these scopes.
    Program(&'a [Scope]),
    /// A browser with a ticket of the node's page, for the one document that the ticket is for.
    Ticket,
    /// The user: at the control socket, or signed in at the node's page.
    User,
    /// A key with these capabilities in the space: another node's, or this one's.
    Key(Capabilities),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// To read a document; for a node of the mesh, to be given the keys that open it.
    Read,
    /// To see what lies in a folder.
    List,
    /// To store and delete documents; for a node of the mesh, that its changes are taken in.
    Write,
    /// To be sent documents as they travel, sealed where they are, and keep them.
    Keep,
    /// To let keys in, each with at most one's own capabilities.
    Admit,
    /// To shut keys out.
    ShutOut,
    /// To change what the node does for whom: tokens, devices, cards, shares, custody.
    Manage,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area<'a> {
    category: Option<Category>,
    module: Option<&'a str>,
}

impl<'a> Area<'a> {
    /// The space as a whole. Also where a sealed document lies, for all that the mesh can tell.
    pub const WHOLE: Area<'static> = Area {
        category: None,
        module: None,
    };

    /// A module, or a category as a whole.
    pub const fn of(category: Category, module: Option<&'a str>) -> Self {
        Self {
            category: Some(category),
            module,
        }
    }

    /// Where a document lies.
    pub fn of_document(path: &'a DocumentPath) -> Self {
        Self::of(path.category(), Some(path.module()))
    }

    /// Where a folder lies.
    pub fn of_folder(path: &'a FolderPath) -> Self {
        let module = path.as_str().split('/').nth(2);
        Self {
            category: path.category(),
            module: module.filter(|name| !name.is_empty()),
        }
    }

    fn is_internal(self) -> bool {
        self.category == Some(Category::Private) && self.module == Some(INTERNAL_MODULE)
    }
}

/// Says whether `asker` may do that there.
pub fn may(asker: Asker<'_>, deed: Deed, area: Area<'_>) -> bool {
    // What is public is for all to read, and to keep. A listing would tell what there is.
    let is_public = area.category == Some(Category::Public) && area.module.is_some();
    let is_for_all = is_public && matches!(deed, Deed::Read | Deed::Keep);
    match asker {
        // Keys are judged by the space; what the node keeps for itself is for all devices of its user.
        Asker::Key(own) => is_for_all || key_may(own, deed),
        _ if area.is_internal() => false,
        _ if is_for_all => true,
        Asker::Anyone => false,
        Asker::Ticket => deed == Deed::Read,
        Asker::User => deed != Deed::Keep,
        Asker::Program(scopes) => {
            let writes = deed == Deed::Write;
            let of_documents = writes || matches!(deed, Deed::Read | Deed::List);
            of_documents && scopes.iter().any(|scope| scope.includes(area.module, writes))
        }
    }
}

fn key_may(own: Capabilities, deed: Deed) -> bool {
    match deed {
        Deed::Read | Deed::List => own.includes(Capabilities::READ),
        Deed::Write => own.includes(Capabilities::WRITE),
        Deed::Keep => own.includes(Capabilities::HOLD) || own.includes(Capabilities::READ),
        // An invite's one-time key lets others in, and does nothing else.
        Deed::Admit => own.includes(Capabilities::ADMIT) || own.is_invite(),
        Deed::ShutOut => own.includes(Capabilities::ADMIT) && !own.is_invite(),
        Deed::Manage => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_internal_is_so_by_path_and_by_area() {
        for path in [
            "/private/.cairn/a",
            "/private/.cairn/b/c",
            "/private/cairn/a",
            "/public/.cairn/a",
        ] {
            let document = DocumentPath::parse(path).unwrap();
            assert_eq!(
                Area::of_document(&document).is_internal(),
                is_internal(path),
                "{path}"
            );
            let folder = document.parent();
            assert_eq!(
                Area::of_folder(&folder).is_internal(),
                is_internal(folder.as_str()),
                "{folder}"
            );
        }
    }

    #[test]
    fn a_folder_lies_where_its_documents_do() {
        let area = |text: &str| {
            let folder = FolderPath::parse(text).unwrap();
            let area = Area::of_folder(&folder);
            (area.category, area.module.map(str::to_owned))
        };
        assert_eq!(area("/"), (None, None));
        assert_eq!(area("/shared/"), (Some(Category::Shared), None));
        assert_eq!(
            area("/shared/notes/a/"),
            (Some(Category::Shared), Some("notes".to_owned()))
        );
    }
}
