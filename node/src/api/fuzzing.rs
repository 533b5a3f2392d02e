//! What a fuzzer needs of addresses: where one leads, and which one leads to a document; and of what apps ask for.

pub use super::oauth::fuzzing::{app_answer, app_request};
use super::url::{Item, Target, encode_name};
use crate::model::{Category, DocumentPath};

/// The document that an address below `/storage/<user>` names.
pub fn document_at(raw: &str) -> Option<DocumentPath> {
    match Target::parse(raw).ok()?.item {
        Item::Document(path) => Some(path),
        Item::Root | Item::Folder(_) | Item::Nowhere => None,
    }
}

/// The address of a document; `None` for those in private modules with the name of another category, which have none.
pub fn address_of(path: &DocumentPath) -> Option<String> {
    let hidden = path.category() == Category::Private
        && matches!(
            Category::from_name(path.module()),
            Some(Category::Public | Category::Shared)
        );
    if hidden {
        return None;
    }
    let names = path.as_str().split('/').skip(1);
    let skipped = usize::from(path.category() == Category::Private);
    Some(
        names
            .skip(skipped)
            .flat_map(|name| ["/".to_owned(), encode_name(name)])
            .collect(),
    )
}
