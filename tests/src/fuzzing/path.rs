//! Paths of documents and folders, and their addresses.

use cairn::api::fuzzing::{address_of, document_at};
use cairn::model::{DocumentPath, FolderPath, NAME_LEN_MAX, PATH_DEPTH_MAX, PATH_LEN_MAX, check_name, codec};

use super::build;
use super::choices::Choices;

/// Laws: a path is its own text, in CBOR, in JSON and by itself, within its bounds; its folders lead up to the root,
/// one name at a time; its address leads back to it.
pub fn path(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 4 {
        0 => std::str::from_utf8(choices.rest()).is_ok_and(text),
        1 => std::str::from_utf8(choices.rest()).is_ok_and(address),
        2 => encoded(choices.rest()),
        _ => {
            document(&build::path(&mut choices));
            true
        }
    }
}

fn text(text: &str) -> bool {
    let document = DocumentPath::parse(text).ok();
    if let Some(path) = &document {
        assert_eq!(path.as_str(), text);
        self::document(path);
    }
    let folder = FolderPath::parse(text).ok();
    if let Some(path) = &folder {
        assert_eq!(path.as_str(), text);
        self::folder(path);
    }
    assert!(
        document.is_none() || folder.is_none(),
        "a path is one of both at most"
    );
    document.is_some() || folder.is_some()
}

fn address(raw: &str) -> bool {
    let Some(path) = document_at(raw) else {
        return false;
    };
    document(&path);
    assert!(
        address_of(&path).is_some(),
        "what has an address can be named by one"
    );
    true
}

fn encoded(bytes: &[u8]) -> bool {
    if let Ok(path) = codec::decode::<DocumentPath>(bytes, PATH_LEN_MAX + 3) {
        assert_eq!(codec::encode(&path), bytes, "a path has one encoding");
        document(&path);
        return true;
    }
    let folder = codec::decode::<FolderPath>(bytes, PATH_LEN_MAX + 3);
    if let Ok(path) = &folder {
        folder_round_trip(path);
        folder.is_ok()
    } else {
        false
    }
}

fn document(path: &DocumentPath) {
    let text = path.as_str();
    assert!(text.len() <= PATH_LEN_MAX);
    let names: Vec<&str> = text[1..].split('/').collect();
    assert!((3..=PATH_DEPTH_MAX).contains(&names.len()));
    assert!(
        names
            .iter()
            .all(|name| check_name(name).is_ok() && name.len() <= NAME_LEN_MAX)
    );
    assert_eq!(
        (path.category().name(), path.module(), path.name()),
        (names[0], names[1], names[names.len() - 1])
    );
    assert_eq!(format!("{}{}", path.parent(), path.name()), text);
    let ancestors: Vec<FolderPath> = path.ancestors().collect();
    assert_eq!(ancestors.len(), names.len());
    assert_eq!(ancestors.last(), Some(&FolderPath::root()));
    ancestors.iter().for_each(folder);
    assert_eq!(
        codec::decode::<DocumentPath>(&codec::encode(path), PATH_LEN_MAX + 3).as_ref(),
        Ok(path)
    );
    let json = serde_json::to_string(path).expect("a text");
    assert_eq!(
        serde_json::from_str::<DocumentPath>(&json).expect("a path"),
        *path
    );
    assert_eq!(text.parse::<DocumentPath>().as_ref(), Ok(path));
    if let Some(address) = address_of(path) {
        assert!(
            address.is_ascii() && !address.contains(['?', '#', ' ']),
            "{address}"
        );
        assert_eq!(document_at(&address).as_ref(), Some(path), "{address}");
    }
}

fn folder(path: &FolderPath) {
    folder_round_trip(path);
    assert!(path.as_str().ends_with('/') && path.as_str().len() <= PATH_LEN_MAX);
    match path.parent() {
        None => assert_eq!(*path, FolderPath::root()),
        Some(parent) => {
            assert_eq!(format!("{parent}{}/", path.name()), path.as_str());
            assert!(path.category().is_some());
        }
    }
    if let Some(document) = path.as_document() {
        assert_eq!(document.as_folder(), *path);
    }
}

fn folder_round_trip(path: &FolderPath) {
    assert_eq!(path.as_str().parse::<FolderPath>().as_ref(), Ok(path));
    let bytes = codec::encode(path);
    assert_eq!(
        codec::decode::<FolderPath>(&bytes, PATH_LEN_MAX + 3).as_ref(),
        Ok(path)
    );
}
