//! Fields of a form, from a query or a body.

use std::fmt;

use zeroize::Zeroizing;

use crate::api::url::decode_into;

/// Longest form, encoded, in bytes: a form of the dialogue carries a request within, encoded a second time.
pub(super) const LEN_MAX: usize = 48 * 1024;
const FIELDS_MAX: usize = 64;

/// Why a text is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadForm {
    /// Over [`LEN_MAX`].
    #[error("the parameters have more than {LEN_MAX} bytes")]
    TooLong,
    /// Over [`FIELDS_MAX`].
    #[error("there are more than {FIELDS_MAX} parameters")]
    TooMany,
    /// An escape that is none, or bytes that are no text.
    #[error("the parameters are not percent-encoded UTF-8")]
    Encoding,
}

/// The fields of a form. What they hold is wiped when dropped: one may be a passphrase.
pub(super) struct Form(Vec<(Zeroizing<String>, Zeroizing<String>)>);

impl Form {
    /// Reads `name=value&…`.
    pub(super) fn parse(text: &str) -> Result<Self, BadForm> {
        if text.len() > LEN_MAX {
            return Err(BadForm::TooLong);
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let mut fields = Vec::new();
        for pair in pairs {
            if fields.len() == FIELDS_MAX {
                return Err(BadForm::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.push((decode(name)?, decode(value)?));
        }
        Ok(Self(fields))
    }

    /// The value of a field; `None` if it is missing or empty, which OAuth takes for the same.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own.as_str() == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, name: &str) -> Zeroizing<String> {
        let field = self.0.iter_mut().find(|(own, _)| own.as_str() == name);
        field.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// The first of these names that stands more than once: no parameter of OAuth may.
    pub(super) fn repeated<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        let count = |name: &str| self.0.iter().filter(|(own, _)| own.as_str() == name).count();
        names.iter().copied().find(|name| count(name) > 1)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Forms write a space as "+".
fn decode(raw: &str) -> Result<Zeroizing<String>, BadForm> {
    // As long as it can become: a buffer that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(raw.len()));
    decode_into(raw, b' ', &mut bytes).ok_or(BadForm::Encoding)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(BadForm::Encoding)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read() {
        let mut form = Form::parse("a=1+2%26&b&&a=x&c%3D=%C3%BC").unwrap();
        assert_eq!(form.get("a"), Some("1 2&"));
        assert_eq!((form.get("b"), form.get("d")), (None, None));
        assert_eq!(form.get("c="), Some("ü"));
        assert_eq!(form.repeated(&["c=", "a", "b"]), Some("a"));
        assert_eq!(form.take("a").as_str(), "1 2&");
        assert_eq!(form.get("a"), None);
    }

    #[test]
    fn what_is_no_form_is_an_error_and_no_value_is_shown() {
        for text in ["a=%", "a=%1", "a=%zz", "a=%ff"] {
            assert_eq!(Form::parse(text).unwrap_err(), BadForm::Encoding, "{text}");
        }
        assert_eq!(
            Form::parse(&"a".repeat(LEN_MAX + 1)).unwrap_err(),
            BadForm::TooLong
        );
        assert_eq!(Form::parse(&"a&".repeat(65)).unwrap_err(), BadForm::TooMany);
        assert!(!format!("{:?}", Form::parse("passphrase=secret").unwrap()).contains("secret"));
    }

    proptest! {
        #[test]
        fn no_form_panics(text in "\\PC{0,60}|(a|=|&|%|%4|\\+|ü){0,20}") {
            let _ = Form::parse(&text);
        }
    }
}
