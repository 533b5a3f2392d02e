//! Ranges of bytes (RFC 9110, section 14).

use hyper::HeaderMap;
use hyper::header::{IF_RANGE, RANGE};

use super::conditions::strong_tag;
use crate::model::ETag;

/// Which part of a document is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range, or one that may be passed over.
    Whole,
    /// From the first offset up to, not including, the second.
    Bytes(u64, u64),
    /// A range that holds no byte of this document.
    Nothing,
}

impl Part {
    /// What a GET of a document of `len` bytes with this tag asks for.
    pub(super) fn asked(headers: &HeaderMap, etag: ETag, len: u64) -> Self {
        let Some(range) = headers.get(RANGE) else {
            return Self::Whole;
        };
        // A date is no strong validator, as two versions may have the same second: it gets the whole document.
        let fresh = headers.get(IF_RANGE).is_none_or(|condition| {
            condition
                .to_str()
                .is_ok_and(|condition| strong_tag(condition) == Some(etag))
        });
        match range.to_str() {
            Ok(range) if fresh => Self::parse(range, len),
            _ => Self::Whole,
        }
    }

    /// Several ranges, other units and nonsense are passed over, as the RFC allows.
    fn parse(text: &str, len: u64) -> Self {
        let Some((first, last)) = text
            .split_once('=')
            .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
            .and_then(|(_, range)| range.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            // A number that does not fit lies behind every document.
            is_number.then(|| digits.parse().unwrap_or(u64::MAX))
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(first), _) if first >= len && (last.is_empty() || number(last).is_some()) => Self::Nothing,
            (Some(first), Some(last)) => Self::Bytes(first, last.saturating_add(1).min(len)),
            (Some(first), None) if last.is_empty() => Self::Bytes(first, len),
            (None, Some(suffix)) if first.is_empty() => match suffix.min(len) {
                0 => Self::Nothing,
                suffix => Self::Bytes(len - suffix, len),
            },
            _ => Self::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn single_ranges() {
        for (text, part) in [
            ("bytes=0-0", Part::Bytes(0, 1)),
            ("bytes=2-5", Part::Bytes(2, 6)),
            ("Bytes = 2-", Part::Bytes(2, 10)),
            ("bytes=9-99", Part::Bytes(9, 10)),
            ("bytes=-3", Part::Bytes(7, 10)),
            ("bytes=-99", Part::Bytes(0, 10)),
            ("bytes=0-99999999999999999999999", Part::Bytes(0, 10)),
            ("bytes=10-", Part::Nothing),
            ("bytes=10-11", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=5-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("10-x", Part::Whole),
            ("bytes=10-x", Part::Whole),
        ] {
            assert_eq!(Part::parse(text, 10), part, "{text}");
        }
        assert_eq!(Part::parse("bytes=0-", 0), Part::Nothing);
        assert_eq!(Part::parse("bytes=-1", 0), Part::Nothing);
    }

    #[test]
    fn a_range_of_another_version_is_passed_over() {
        let tag = ETag([1; 16]);
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=1-2"));
        assert_eq!(Part::asked(&headers, tag, 10), Part::Bytes(1, 3));
        headers.insert(IF_RANGE, HeaderValue::from_str(&format!("\"{tag}\"")).unwrap());
        assert_eq!(Part::asked(&headers, tag, 10), Part::Bytes(1, 3));
        assert_eq!(Part::asked(&headers, ETag([2; 16]), 10), Part::Whole);
        headers.insert(
            IF_RANGE,
            HeaderValue::from_static("Mon, 23 Nov 2026 10:00:00 GMT"),
        );
        assert_eq!(Part::asked(&headers, tag, 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_document(text in "\\PC{0,30}|bytes=[0-9]{0,22}-[0-9]{0,22}", len: u64) {
            if let Part::Bytes(start, end) = Part::parse(&text, len) {
                prop_assert!(start < end && end <= len);
            }
        }
    }
}
