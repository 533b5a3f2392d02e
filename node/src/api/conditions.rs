//! Conditions in headers (RFC 9110, section 13).

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::mesh::{Condition, Precondition, TagSet};
use crate::model::ETag;

/// A header that should hold entity tags and does not. Passing over it would undo what the client guards against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{header} holds \"*\" or entity tags in double quotes, with commas between: correct the header")]
pub(super) struct BadTags {
    header: &'static str,
}

/// One entity tag of a list. Tags that no document here can have are read and match nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListedTag {
    weak: bool,
    tag: Option<ETag>,
}

/// What stands in `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`
    Any,
    /// Some versions.
    List(Vec<ETag>),
}

impl Tags {
    /// Says whether `current` is meant.
    pub(super) fn contains(&self, current: ETag) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => tags.contains(&current),
        }
    }
}

impl From<Tags> for TagSet {
    fn from(tags: Tags) -> Self {
        match tags {
            Tags::Any => Self::Any,
            Tags::List(tags) => Self::Tags(tags),
        }
    }
}

/// The conditions of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<Tags>,
    pub(super) if_none_match: Option<Tags>,
}

impl Conditions {
    /// Reads the headers.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, BadTags> {
        let tags = |name: &HeaderName, shown: &'static str, weak_counts: bool| {
            let mut lines = headers.get_all(name).iter().peekable();
            if lines.peek().is_none() {
                return Ok(None);
            }
            let mut text = String::new();
            for line in lines {
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(line.to_str().map_err(|_| BadTags { header: shown })?);
            }
            parse(&text, weak_counts)
                .map(Some)
                .ok_or(BadTags { header: shown })
        };
        Ok(Self {
            // If-Match compares strongly: a weak tag never matches. If-None-Match compares weakly.
            if_match: tags(&IF_MATCH, "If-Match", false)?,
            if_none_match: tags(&IF_NONE_MATCH, "If-None-Match", true)?,
        })
    }
}

impl From<Conditions> for Precondition {
    fn from(conditions: Conditions) -> Self {
        let if_match = conditions.if_match.map(|tags| Condition::IfMatch(tags.into()));
        let if_none_match = conditions
            .if_none_match
            .map(|tags| Condition::IfNoneMatch(tags.into()));
        Self(if_match.into_iter().chain(if_none_match).collect())
    }
}

fn parse(text: &str, weak_counts: bool) -> Option<Tags> {
    let mut rest = text.trim_matches([' ', '\t']);
    if rest == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    let mut count = 0;
    // A sender may leave elements of a list empty.
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix([',', ' ', '\t']) {
            rest = after;
            continue;
        }
        let (listed, after) = one(rest)?;
        count += 1;
        if weak_counts || !listed.weak {
            tags.extend(listed.tag);
        }
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    (count > 0).then_some(Tags::List(tags))
}

/// Takes one entity tag off the front.
fn one(text: &str) -> Option<(ListedTag, &str)> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((
        ListedTag {
            weak,
            tag: known(opaque),
        },
        after,
    ))
}

/// The tag as it is written here: other spellings of the same digits are other tags.
fn known(opaque: &str) -> Option<ETag> {
    let tag: ETag = opaque.parse().ok()?;
    (tag.to_string() == opaque).then_some(tag)
}

/// A single strong tag, as in `If-Range`.
pub(super) fn strong_tag(text: &str) -> Option<ETag> {
    match one(text.trim())? {
        (ListedTag { weak: false, tag }, "") => tag,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    const A: ETag = ETag([0xaa; 16]);
    const B: ETag = ETag([0xbb; 16]);

    #[test]
    fn lists_are_read() {
        assert_eq!(parse(" * ", false), Some(Tags::Any));
        assert_eq!(parse(&format!("\"{A}\""), false), Some(Tags::List(vec![A])));
        assert_eq!(
            parse(&format!("\"x, y\" ,, \"{A}\",\"{B}\","), false),
            Some(Tags::List(vec![A, B]))
        );
    }

    #[test]
    fn weak_tags_never_match_strongly() {
        let text = format!("W/\"{A}\"");
        assert_eq!(parse(&text, false), Some(Tags::List(vec![])));
        assert_eq!(parse(&text, true), Some(Tags::List(vec![A])));
        assert_eq!(strong_tag(&text), None);
    }

    #[test]
    fn a_tag_is_its_very_characters() {
        let upper = format!("\"{}\"", A.to_string().to_uppercase());
        assert_eq!(parse(&upper, false), Some(Tags::List(vec![])));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", ",", "abc", "\"abc", "*, \"a\"", "\"a\" \"b\"", "w/\"a\""] {
            assert_eq!(parse(text, true), None, "{text}");
        }
    }

    #[test]
    fn repeated_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        for tag in [A, B] {
            headers.append(IF_MATCH, HeaderValue::from_str(&format!("\"{tag}\"")).unwrap());
        }
        let conditions = Conditions::read(&headers).unwrap();
        assert_eq!(conditions.if_match, Some(Tags::List(vec![A, B])));
        assert_eq!(conditions.if_none_match, None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}|(W/|\"|,|\\*|a| ){0,12}") {
            let _ = parse(&text, true);
            let _ = strong_tag(&text);
        }
    }
}
