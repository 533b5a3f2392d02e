//! The page itself: files that are part of the program.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::{Response, StatusCode};

use crate::api::body::ReplyBody;

/// One file.
struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

macro_rules! file {
    ($name:literal, $media:literal) => {
        File {
            name: $name,
            media: $media,
            text: include_str!(concat!("web/", $name)),
        }
    };
}

const FILES: &[File] = &[
    file!("index.html", "text/html; charset=utf-8"),
    file!("style.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("main.js", "text/javascript; charset=utf-8"),
    file!("ask.js", "text/javascript; charset=utf-8"),
    file!("dom.js", "text/javascript; charset=utf-8"),
    file!("dialog.js", "text/javascript; charset=utf-8"),
    file!("files.js", "text/javascript; charset=utf-8"),
    file!("uploads.js", "text/javascript; charset=utf-8"),
    file!("neighbours.js", "text/javascript; charset=utf-8"),
    file!("pending.js", "text/javascript; charset=utf-8"),
    file!("conflicts.js", "text/javascript; charset=utf-8"),
    file!("compare.js", "text/javascript; charset=utf-8"),
    file!("sharing.js", "text/javascript; charset=utf-8"),
    file!("following.js", "text/javascript; charset=utf-8"),
    file!("devices.js", "text/javascript; charset=utf-8"),
    file!("tokens.js", "text/javascript; charset=utf-8"),
];

/// Answers with a file; `None` if there is none of this name. An empty name is the first page's.
pub(super) fn get(name: &str, asked: &HeaderMap) -> Option<Response<ReplyBody>> {
    let name = if name.is_empty() { "index.html" } else { name };
    let file = FILES.iter().find(|file| file.name == name)?;
    // Another version of the program has other files under the same names.
    let etag = format!("\"{}\"", &blake3::hash(file.text.as_bytes()).to_hex()[..32]);
    let is_known = asked
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut answer = Response::new(match is_known {
        true => ReplyBody::Empty,
        false => ReplyBody::from(file.text.to_owned()),
    });
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(HeaderValue::try_from(etag).map(|etag| (ETAG, etag)));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longest that all files together may be, in bytes: they come over radio-poor networks, from an SD card.
    const LEN_MAX: usize = 75 * 1024;

    #[test]
    fn the_page_is_small() {
        let len: usize = FILES.iter().map(|file| file.text.len()).sum();
        assert!(len <= LEN_MAX, "{len} bytes");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_makes_no_markup_of_texts() {
        for file in FILES {
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            for bad in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
                "<style",
                " style=",
                " onclick=",
                "url(",
                "@import",
            ] {
                assert!(!text.contains(bad), "{bad} in {}", file.name);
            }
        }
    }

    #[test]
    fn all_that_is_named_is_there_and_all_that_is_there_is_named() {
        let exists = |name: &str| FILES.iter().any(|file| file.name == name);
        let mut named = vec!["index.html".to_owned()];
        for file in FILES {
            let mark = if file.name == "index.html" {
                "=\""
            } else {
                "from './"
            };
            for part in file.text.split(mark).skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|letter| letter.is_ascii_alphabetic() || *letter == '.')
                    .collect();
                if [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end)) {
                    assert!(exists(&name), "{name} of {}", file.name);
                    named.push(name);
                }
            }
        }
        for file in FILES {
            assert!(named.iter().any(|name| name == file.name), "{}", file.name);
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let first = get("", &HeaderMap::new()).unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(get("", &asked).unwrap().status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("main.js", &asked).unwrap().status(), StatusCode::OK);
        assert!(get("other", &asked).is_none());
    }
}
