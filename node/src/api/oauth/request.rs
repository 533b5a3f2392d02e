//! What an app asks for (RFC 6749, sections 4.1.1 and 4.2.1; RFC 7636, section 4.3).

use super::form::{BadForm, Form};
use super::redirect::{BadRedirect, RedirectUri, encode};
use crate::model::Scope;
use crate::service::tokens::SCOPES_MAX;

/// Longest query of a request, encoded, in bytes.
const QUERY_LEN_MAX: usize = 14 * 1024;
const CLIENT_LEN_MAX: usize = 256;
/// remoteStorage's library keeps what it found by WebFinger in here.
const STATE_LEN_MAX: usize = 4096;
/// A SHA-256 hash in base64 for URLs.
const CHALLENGE_LEN: usize = 43;

const PARAMETERS: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// How the app gets its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    /// In the fragment of the address that it comes back to.
    Implicit,
    /// For a code, and the secret of which this is the hash.
    Code {
        /// The S256 challenge.
        challenge: String,
    },
}

/// A request that can be put before the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// What the app calls itself: nobody vouches for it.
    pub(super) client: Option<String>,
    /// Where it comes back to: this names the app.
    pub(super) redirect: RedirectUri,
    /// What it wants, each module once.
    pub(super) scopes: Vec<Scope>,
    /// Given back as it came.
    pub(super) state: Option<String>,
    /// How it gets its token.
    pub(super) flow: Flow,
}

/// Why a request is not put before the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// Nobody knows where to send the browser: the owner is told.
    Form(BadForm),
    /// Likewise.
    Redirect(BadRedirect),
    /// Likewise: it could be meant for two places.
    Repeated(&'static str),
    /// The app is told.
    Refused(Refused),
}

/// A refusal that goes to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Where to.
    pub(super) location: String,
}

impl Asked {
    /// Reads the query of the request.
    pub(super) fn parse(query: &str) -> Result<Self, BadRequest> {
        if query.len() > QUERY_LEN_MAX {
            return Err(BadRequest::Form(BadForm::TooLong));
        }
        let form = Form::parse(query).map_err(BadRequest::Form)?;
        let repeated = form.repeated(&PARAMETERS);
        if let Some(name @ ("redirect_uri" | "client_id")) = repeated {
            return Err(BadRequest::Repeated(name));
        }
        let redirect = RedirectUri::parse(form.get("redirect_uri")).map_err(BadRequest::Redirect)?;

        // From here on the app can be told. What is wrong with the state is no reason to lose it, unless it is too long.
        let state = form.get("state").filter(|state| state.len() <= STATE_LEN_MAX);
        let implicit = form.get("response_type") == Some("token");
        let refuse = |error: &str, description: &str| {
            BadRequest::Refused(Refused {
                location: answer(
                    &redirect,
                    implicit,
                    &[("error", error), ("error_description", description)],
                    state,
                ),
            })
        };
        let invalid = |description: &str| refuse("invalid_request", description);
        if repeated.is_some() {
            return Err(invalid("a parameter stands more than once"));
        }
        if state != form.get("state") {
            return Err(invalid("state has at most 4096 bytes"));
        }
        let client = form.get("client_id");
        if client.is_some_and(|client| client.len() > CLIENT_LEN_MAX) {
            return Err(invalid("client_id has at most 256 bytes"));
        }
        let flow = match form.get("response_type") {
            Some("token") => Flow::Implicit,
            Some("code") => {
                if client.is_none() {
                    return Err(invalid("client_id is missing"));
                }
                let challenge = form
                    .get("code_challenge")
                    .ok_or_else(|| invalid("code_challenge is missing: a code is given with PKCE alone"))?;
                if form.get("code_challenge_method") != Some("S256") {
                    return Err(invalid("code_challenge_method has to be S256"));
                }
                if challenge.len() != CHALLENGE_LEN || !challenge.bytes().all(is_base64url) {
                    return Err(invalid("code_challenge is no SHA-256 hash in base64url"));
                }
                Flow::Code {
                    challenge: challenge.to_owned(),
                }
            }
            Some(_) => {
                return Err(refuse(
                    "unsupported_response_type",
                    "response_type is token or code",
                ));
            }
            None => return Err(invalid("response_type is missing")),
        };
        let scopes = form.get("scope").and_then(scopes).ok_or_else(|| {
            refuse(
                "invalid_scope",
                "scope is 1 to 64 of <module>:r, <module>:rw, *:r or *:rw, with spaces between",
            )
        })?;
        Ok(Self {
            client: client.map(str::to_owned),
            scopes,
            state: state.map(str::to_owned),
            flow,
            redirect,
        })
    }

    /// The same request as a query, always written alike.
    pub(super) fn query(&self) -> String {
        let scope = self.scope();
        let mut parameters = vec![("redirect_uri", self.redirect.as_str()), ("scope", &scope)];
        parameters.extend(self.client.as_deref().map(|client| ("client_id", client)));
        parameters.extend(self.state.as_deref().map(|state| ("state", state)));
        match &self.flow {
            Flow::Implicit => parameters.push(("response_type", "token")),
            Flow::Code { challenge } => parameters.extend([
                ("response_type", "code"),
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
            ]),
        }
        encode(&parameters)
    }

    /// The scopes as one text.
    pub(super) fn scope(&self) -> String {
        self.scopes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Where the browser goes with an answer.
    pub(super) fn answer(&self, parameters: &[(&str, &str)]) -> String {
        let implicit = self.flow == Flow::Implicit;
        answer(&self.redirect, implicit, parameters, self.state.as_deref())
    }
}

fn answer(
    redirect: &RedirectUri,
    in_fragment: bool,
    parameters: &[(&str, &str)],
    state: Option<&str>,
) -> String {
    let mut parameters = parameters.to_vec();
    parameters.extend(state.map(|state| ("state", state)));
    match in_fragment {
        true => redirect.with_fragment(&parameters),
        false => redirect.with_query(&parameters),
    }
}

pub(super) fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Reads scopes; `None` if one of them is none. A scope that another holds already falls away.
fn scopes(text: &str) -> Option<Vec<Scope>> {
    let mut all: Vec<Scope> = Vec::new();
    for (index, part) in text.split(' ').filter(|part| !part.is_empty()).enumerate() {
        if index == SCOPES_MAX {
            return None;
        }
        let scope: Scope = part.parse().ok()?;
        if !all
            .iter()
            .any(|own| own.includes(scope.module.as_deref(), scope.write))
        {
            all.retain(|own| !scope.includes(own.module.as_deref(), own.write));
            all.push(scope);
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn refused(query: &str) -> String {
        match Asked::parse(query) {
            Err(BadRequest::Refused(refused)) => refused.location,
            other => panic!("{query}: {other:?}"),
        }
    }

    fn code(more: &str) -> String {
        format!(
            "redirect_uri=https://a.example/b?c=d&scope=notes:rw&client_id=x&state=s+1&response_type=code{more}"
        )
    }

    #[test]
    fn a_request_is_read_and_written() {
        let query = "redirect_uri=https%3A%2F%2Fa.example%2F&scope=notes%3Arw%20photos:r&client_id=A&state=s%231&response_type=token";
        let asked = Asked::parse(query).unwrap();
        assert_eq!(asked.scope(), "notes:rw photos:r");
        assert_eq!(
            (asked.client.as_deref(), asked.state.as_deref()),
            (Some("A"), Some("s#1"))
        );
        assert_eq!(Asked::parse(&asked.query()).unwrap(), asked);
        assert_eq!(asked.answer(&[("x", "y")]), "https://a.example/#x=y&state=s%231");
        let query = code(&format!("&code_challenge={CHALLENGE}&code_challenge_method=S256"));
        let asked = Asked::parse(&query).unwrap();
        assert_eq!(Asked::parse(&asked.query()).unwrap(), asked);
        assert_eq!(
            asked.answer(&[("x", "y")]),
            "https://a.example/b?c=d&x=y&state=s%201"
        );
    }

    #[test]
    fn without_a_good_address_nothing_goes_anywhere() {
        for query in [
            "",
            "redirect_uri=javascript:x&scope=a:r&response_type=token",
            "redirect_uri=https://a.example&redirect_uri=https://b.example&scope=a:r&response_type=token",
            "redirect_uri=https://a.example&client_id=a&client_id=b&scope=a:r&response_type=token",
            "redirect_uri=%ff",
        ] {
            let outcome = Asked::parse(query);
            assert!(
                !matches!(outcome, Ok(_) | Err(BadRequest::Refused(_))),
                "{query}: {outcome:?}"
            );
        }
        let long = format!("redirect_uri=https://a.example&x={}", "y".repeat(QUERY_LEN_MAX));
        assert_eq!(Asked::parse(&long), Err(BadRequest::Form(BadForm::TooLong)));
    }

    #[test]
    fn other_errors_go_to_the_app() {
        let base = "redirect_uri=https://a.example/&state=s&scope=notes:rw";
        assert!(refused(base).starts_with("https://a.example/?error=invalid_request&"));
        assert!(refused(base).ends_with("&state=s"));
        assert!(
            refused(&format!("{base}&response_type=id_token")).contains("?error=unsupported_response_type")
        );
        assert!(refused(&format!("{base}&response_type=token&state=t")).contains("#error=invalid_request"));
        let long = "x".repeat(STATE_LEN_MAX + 1);
        let location = refused(&format!(
            "redirect_uri=https://a.example/&response_type=token&scope=a:r&state={long}"
        ));
        assert!(location.contains("#error=invalid_request") && !location.contains("xxx"));
        for scope in ["", "notes", "notes:w", "public:rw", "a:r ../:rw", "a/b:r"] {
            let query = format!("redirect_uri=https://a.example/&response_type=token&scope={scope}");
            assert!(refused(&query).contains("#error=invalid_scope"), "{scope}");
        }
        let many = (0..65).map(|n| format!("m{n}:r")).collect::<Vec<_>>().join("+");
        let query = format!("redirect_uri=https://a.example/&response_type=token&scope={many}");
        assert!(refused(&query).contains("#error=invalid_scope"));
        let query = format!(
            "redirect_uri=https://a.example/&response_type=token&scope=a:r&client_id={}",
            "x".repeat(257)
        );
        assert!(refused(&query).contains("#error=invalid_request"));
    }

    #[test]
    fn a_code_needs_s256() {
        for more in [
            "".to_owned(),
            format!("&code_challenge={CHALLENGE}"),
            format!("&code_challenge={CHALLENGE}&code_challenge_method=plain"),
            "&code_challenge=short&code_challenge_method=S256".to_owned(),
            format!("&code_challenge={}&code_challenge_method=S256", "=".repeat(43)),
        ] {
            let location = refused(&code(&more));
            assert!(
                location.starts_with("https://a.example/b?c=d&error=invalid_request"),
                "{location}"
            );
        }
        let nameless = format!(
            "redirect_uri=https://a.example&scope=a:r&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        assert!(refused(&nameless).contains("error=invalid_request"));
    }

    #[test]
    fn scopes_that_others_hold_fall_away() {
        let shown = |text: &str| {
            let scopes = scopes(text).unwrap();
            scopes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(shown("notes:r  notes:rw photos:r"), "notes:rw photos:r");
        assert_eq!(shown("notes:r photos:rw *:rw"), "*:rw");
        assert_eq!(shown("*:r notes:rw notes:r"), "*:r notes:rw");
    }

    proptest! {
        #[test]
        fn no_request_panics_and_all_that_pass_come_back(
            query in "\\PC{0,40}",
            scope in "[a-z*]{1,3}:(r|rw)( [a-zü<*]{1,3}:(r|rw))?",
            state in "\\PC{0,20}",
        ) {
            let _ = Asked::parse(&query);
            let built = encode(&[("redirect_uri", "https://a.example/"), ("scope", &scope), ("state", &state), ("response_type", "token")]);
            let asked = Asked::parse(&built).unwrap();
            prop_assert_eq!(Asked::parse(&asked.query()).unwrap(), asked);
        }
    }
}
