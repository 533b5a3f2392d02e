//! Where the dialogue sends the browser back to, and with that: which app it is.

use std::fmt::Write;

use hyper::Uri;

use crate::api::url::encode_name;

const LEN_MAX: usize = 2048;

/// Why an address cannot be one of an app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRedirect {
    /// None given.
    #[error("it did not say where to come back to (redirect_uri)")]
    Missing,
    /// Over [`LEN_MAX`].
    #[error("the address to come back to (redirect_uri) has more than {LEN_MAX} bytes")]
    TooLong,
    /// Anything else.
    #[error(
        "the address to come back to (redirect_uri) is not a full http or https address without a fragment"
    )]
    Malformed,
}

/// An `http` or `https` address with an origin, and without a fragment or a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedirectUri {
    text: String,
    origin: String,
    host: String,
    encrypted: bool,
}

impl RedirectUri {
    /// Reads the parameter.
    ///
    /// The origin gets into a header: only the letters that hosts are made of pass.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, BadRedirect> {
        let text = text.ok_or(BadRedirect::Missing)?;
        if text.len() > LEN_MAX {
            return Err(BadRedirect::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(BadRedirect::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| BadRedirect::Malformed)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadRedirect::Malformed),
        };
        let authority = uri.authority().ok_or(BadRedirect::Malformed)?;
        let host = authority.host().to_ascii_lowercase();
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let literal = || {
            let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
        };
        if host.is_empty() || !(host.bytes().all(name) || literal()) {
            return Err(BadRedirect::Malformed);
        }
        let scheme = if encrypted { "https" } else { "http" };
        let origin = match authority.port_u16() {
            None if authority.as_str().eq_ignore_ascii_case(&host) => format!("{scheme}://{host}"),
            Some(port) if authority.as_str().eq_ignore_ascii_case(&format!("{host}:{port}")) => {
                match (encrypted, port) {
                    (true, 443) | (false, 80) => format!("{scheme}://{host}"),
                    _ => format!("{scheme}://{host}:{port}"),
                }
            }
            // A user's name, or a port that is none.
            _ => return Err(BadRedirect::Malformed),
        };
        Ok(Self {
            text: text.to_owned(),
            origin,
            host,
            encrypted,
        })
    }

    /// As it was given.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port as browsers write them: this names the app.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// What a `form-action` says to let a form lead there. No source of theirs names an IPv6 address.
    pub(super) fn policy_source(&self) -> &str {
        match (self.host.starts_with('['), self.encrypted) {
            (false, _) => &self.origin,
            (true, true) => "https:",
            (true, false) => "http:",
        }
    }

    /// Says whether others on the network could have changed the app on its way to the browser.
    pub(super) fn is_exposed(&self) -> bool {
        let loopback = self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host == "[::1]"
            || self
                .host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback());
        !self.encrypted && !loopback
    }

    /// The address with these parameters behind `#`.
    pub(super) fn with_fragment(&self, parameters: &[(&str, &str)]) -> String {
        format!("{}#{}", self.text, encode(parameters))
    }

    /// The address with these parameters added to its query.
    pub(super) fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        let joint = match self.text.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{}{joint}{}", self.text, encode(parameters))
    }
}

/// `name=value&…`, with everything encoded that is more than a letter, a digit or `-._~`.
pub(super) fn encode(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        let joint = if text.is_empty() { "" } else { "&" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{joint}{name}={}", encode_name(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(text: &str) -> String {
        RedirectUri::parse(Some(text)).unwrap().origin
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        assert_eq!(origin("https://App.Example/a/b?c=d"), "https://app.example");
        assert_eq!(origin("https://app.example:443"), "https://app.example");
        assert_eq!(origin("http://localhost:8000/"), "http://localhost:8000");
        assert_eq!(origin("http://[::1]:80/"), "http://[::1]");
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in [
            "",
            "app.example",
            "/back",
            "//app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://app.example/",
            "https://",
            "https:///x",
            "https://app.example/#x",
            "https://app.example/#",
            "https://user@app.example/",
            "https://good.example:x@evil.example/",
            "https://app.example:99999/",
            "https://app.example:/",
            "https://app.example;x/",
            "https://app*/",
            "https://a,b/",
            "https://app.example\r\nSet-Cookie: a=b",
            "https://app.example/ x",
            "https://app.example/\"x",
            "https://[::1/",
            "https://[x]/",
            "https://müller.example/",
        ] {
            assert_eq!(
                RedirectUri::parse(Some(text)),
                Err(BadRedirect::Malformed),
                "{text}"
            );
        }
        assert_eq!(RedirectUri::parse(None), Err(BadRedirect::Missing));
        let long = format!("https://app.example/{}", "x".repeat(LEN_MAX));
        assert_eq!(RedirectUri::parse(Some(&long)), Err(BadRedirect::TooLong));
    }

    #[test]
    fn answers_are_added_where_they_belong() {
        let with = |text: &str| {
            RedirectUri::parse(Some(text))
                .unwrap()
                .with_query(&[("a", "b c"), ("d", "&")])
        };
        assert_eq!(with("https://h/x"), "https://h/x?a=b%20c&d=%26");
        assert_eq!(with("https://h/x?"), "https://h/x?a=b%20c&d=%26");
        assert_eq!(with("https://h/x?y=z"), "https://h/x?y=z&a=b%20c&d=%26");
        let there = RedirectUri::parse(Some("https://h/x?y=z")).unwrap();
        assert_eq!(there.with_fragment(&[("a", "#")]), "https://h/x?y=z#a=%23");
    }

    #[test]
    fn who_could_be_changed_on_the_way() {
        let exposed = |text: &str| RedirectUri::parse(Some(text)).unwrap().is_exposed();
        assert!(
            exposed("http://app.example/")
                && exposed("http://192.168.1.2/")
                && exposed("http://localhost.evil/")
        );
        for text in [
            "https://app.example/",
            "http://localhost:1/",
            "http://127.0.0.1/",
            "http://[::1]/",
        ] {
            assert!(!exposed(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_fits_in_headers(text in "https?://[a-z\\[\\]:;,'*@ .-]{0,20}(/\\PC{0,20})?") {
            if let Ok(there) = RedirectUri::parse(Some(&text)) {
                prop_assert!(!there.policy_source().contains([' ', ';', ',', '\'', '*']));
                prop_assert!(hyper::header::HeaderValue::try_from(there.with_query(&[("a", "ü\n")])).is_ok());
            }
        }
    }
}
