//! The pages of the dialogue: plain HTML without a script, and every text from outside escaped.

use std::fmt::Write;

use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use hyper::{Response, StatusCode};

use super::request::Asked;
use super::sessions::{COOKIE_NAME, Cookie, Purpose, SESSION};
use crate::api::body::ReplyBody;
use crate::api::sign_in::Denied;
use crate::model::Scope;

pub(super) const STYLE: &str = include_str!("style.css");

/// For how many days an app may be let in.
pub(super) const DAYS: [u64; 4] = [1, 30, 90, 365];
/// What is chosen unless the owner chooses something else.
pub(super) const DAYS_DEFAULT: u64 = 90;

/// What a sign-in page says about the try before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// There was none.
    None,
    /// It failed.
    Denied(Denied),
    /// The session has ended.
    SignedOut,
}

impl Notice {
    const fn status(self) -> StatusCode {
        match self {
            Self::None => StatusCode::OK,
            Self::Denied(Denied::Wrong) | Self::SignedOut => StatusCode::FORBIDDEN,
            Self::Denied(Denied::TooMany(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::Denied(Denied::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn sentence(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Denied(denied) => denied.to_string(),
            Self::SignedOut => "The sign-in has ended. Sign in again.".into(),
        }
    }
}

/// Makes a text from outside part of a page: no markup, no control characters, nothing that turns the reading direction.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{61c}' => {
                escaped.push(char::REPLACEMENT_CHARACTER);
            }
            control if control.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A whole page. `body` is HTML.
fn page(status: StatusCode, title: &str, body: &str) -> Response<ReplyBody> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – Cairn</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let mut answer = Response::new(ReplyBody::from(html));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// A page that only says something. `sentence` is text.
pub(super) fn message(status: StatusCode, title: &'static str, sentence: &str) -> Response<ReplyBody> {
    page(status, title, &format!("<p>{}</p>\n", escape(sentence)))
}

/// Asks for the passphrase.
pub(super) fn sign_in(user: &str, asked: &Asked, cookie: &Cookie, notice: Notice) -> Response<ReplyBody> {
    let query = asked.query();
    let mut body = format!(
        "<p>The app at <strong class=\"app\">{}</strong> wants to use the storage of <strong>{}</strong>. \
         Sign in to see what it asks for; nothing is allowed yet.</p>\n",
        escape(asked.redirect.origin()),
        escape(user),
    );
    let (mut described, sentence) = ("", notice.sentence());
    if !sentence.is_empty() {
        described = " aria-describedby=\"notice\"";
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<p id=\"notice\" class=\"warning\" role=\"alert\">{sentence}</p>"
        );
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"sign-in\">\n{}\
         <label for=\"user\">User</label>\n\
         <input id=\"user\" type=\"text\" autocomplete=\"username\" value=\"{}\" readonly>\n\
         <label for=\"passphrase\">Passphrase of this node</label>\n\
         <input id=\"passphrase\" name=\"passphrase\" type=\"password\" autocomplete=\"current-password\" required autofocus{described}>\n\
         <button class=\"main\" type=\"submit\">Sign in</button>\n</form>\n\
         <p>It is the one that <code>cairn passwd</code> has set.</p>\n",
        hidden(cookie, Purpose::SignIn, &query),
        // Password managers file a passphrase under a name.
        escape(user),
    );
    let mut answer = page(notice.status(), "Sign in to your storage", &body);
    if let Notice::Denied(Denied::TooMany(seconds)) = notice {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Asks whether the app may have what it wants.
pub(super) fn consent(user: &str, asked: &Asked, cookie: &Cookie) -> Response<ReplyBody> {
    let query = asked.query();
    let origin = asked.redirect.origin();
    let mut body = format!(
        "<p>The app at <strong class=\"app\">{}</strong> wants to use the storage of <strong>{}</strong>.</p>\n",
        escape(origin),
        escape(user),
    );
    if let Some(client) = asked
        .client
        .as_deref()
        .filter(|client| client.trim_end_matches('/') != origin)
    {
        let _ = writeln!(
            body,
            "<p>It calls itself <strong class=\"app\"><bdi>{}</bdi></strong>. Anybody can choose a name: the address above says who it is.</p>",
            escape(client)
        );
    }
    if asked.redirect.is_exposed() {
        body.push_str(
            "<p class=\"warning\">This app is not encrypted on its way to you (http): others on the network can read and change \
             what it does.</p>\n",
        );
    }
    body.push_str("<h2>It asks for</h2>\n<ul>\n");
    for scope in &asked.scopes {
        let _ = writeln!(body, "<li>{}</li>", words(scope));
    }
    body.push_str("</ul>\n");
    if asked.scopes.iter().any(|scope| scope.module.is_none()) {
        body.push_str("<p class=\"warning\">This is everything, of all apps. Allow it only to an app that has to have it.</p>\n");
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"decide\">\n{}<label for=\"days\">Allow it for</label>\n<select id=\"days\" name=\"days\">\n",
        hidden(cookie, Purpose::Decide, &query),
    );
    for days in DAYS {
        let selected = if days == DAYS_DEFAULT { " selected" } else { "" };
        let unit = if days == 1 { "day" } else { "days" };
        let _ = writeln!(body, "<option value=\"{days}\"{selected}>{days} {unit}</option>");
    }
    body.push_str(
        "</select>\n<p>Then it asks again. You can end it before: <code>cairn token ls</code>, <code>cairn token rm</code>.</p>\n\
         <button class=\"main\" type=\"submit\" name=\"decision\" value=\"approve\">Allow</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Do not allow</button>\n</form>\n",
    );
    let mut answer = page(StatusCode::OK, "Let an app use your storage?", &body);
    // Browsers hold the answer to a form to this as well: it leads back to the app.
    let policy = format!(
        "{}; form-action 'self' {}",
        super::POLICY,
        asked.redirect.policy_source()
    );
    answer
        .headers_mut()
        .extend(HeaderValue::try_from(policy).map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    answer
}

/// A scope in words, as HTML.
fn words(scope: &Scope) -> String {
    let may = if scope.write {
        "Read and write"
    } else {
        "Read, but not change"
    };
    match &scope.module {
        None => format!("{may} <strong>everything</strong> in this storage"),
        Some(module) => format!(
            "{may} <strong><bdi>{0}</bdi></strong>, and what is public or shared of <bdi>{0}</bdi>",
            escape(module)
        ),
    }
}

/// What every form carries.
fn hidden(cookie: &Cookie, purpose: Purpose, query: &str) -> String {
    format!(
        "<input type=\"hidden\" name=\"request\" value=\"{}\">\n<input type=\"hidden\" name=\"form_token\" value=\"{}\">\n",
        escape(query),
        cookie.form_token(purpose, query),
    )
}

/// Sends the browser elsewhere.
pub(super) fn redirect(status: StatusCode, location: &str) -> Response<ReplyBody> {
    let Ok(location) = HeaderValue::try_from(location) else {
        return message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something broke",
            "The address to go to cannot be written down.",
        );
    };
    let mut answer = Response::new(ReplyBody::Empty);
    *answer.status_mut() = status;
    answer.headers_mut().insert(LOCATION, location);
    answer
}

/// How the door is reached, as far as cookies care.
pub(super) struct Reached {
    /// What stands before `/oauth`.
    pub(super) prefix: String,
    /// By TLS.
    pub(super) encrypted: bool,
}

/// Sets the session's cookie, or with `None` takes it away.
pub(super) fn set_cookie(answer: &mut Response<ReplyBody>, reached: &Reached, cookie: Option<&Cookie>) {
    let (value, age) = cookie.map_or(("", 0), |cookie| (cookie.as_str(), SESSION.as_secs()));
    let secure = if reached.encrypted { "; Secure" } else { "" };
    let line = format!(
        "{COOKIE_NAME}={value}; Path={}/oauth; Max-Age={age}; HttpOnly; SameSite=Strict{secure}",
        reached.prefix
    );
    let line = HeaderValue::try_from(line).map(|line| (SET_COOKIE, line));
    answer.headers_mut().extend(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::url::encode_name;

    fn text(answer: Response<ReplyBody>) -> String {
        match answer.into_body() {
            ReplyBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => panic!("a page is whole"),
        }
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let hostile = "\"'><script>alert(1)</script>\u{202e}\u{7}";
        let name = hostile.replace('/', "|");
        let query = format!(
            "response_type=token&redirect_uri=https://a.example/?'%22%3C&client_id={}&scope={}:rw&state={}",
            encode_name(hostile),
            encode_name(&name),
            encode_name(hostile)
        );
        // What no address holds is refused; what one may hold is escaped.
        assert!(Asked::parse(&query).is_err());
        let asked = Asked::parse(&query.replace("?'%22%3C", "?'")).unwrap();
        assert_eq!(asked.state.as_deref(), Some(hostile));
        let cookie = Cookie::fresh().unwrap();
        for page in [
            text(sign_in("<ada>", &asked, &cookie, Notice::None)),
            text(consent("<ada>", &asked, &cookie)),
        ] {
            for bad in ["<script", "<ada>", "\"'>", "\u{202e}", "\u{7}", "=\"'"] {
                assert!(!page.contains(bad), "{bad:?} in {page}");
            }
            assert!(page.contains("&lt;ada&gt;"));
        }
        let page = text(consent("ada", &asked, &cookie));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;|script&gt;"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    }

    #[test]
    fn consent_names_app_origin_scopes_and_time() {
        let query =
            "response_type=token&redirect_uri=http://a.example:8/x&client_id=Notes&scope=notes:rw photos:r";
        let asked = Asked::parse(&query.replace(' ', "%20")).unwrap();
        let answer = consent("ada", &asked, &Cookie::fresh().unwrap());
        let policy = answer.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(
            policy.ends_with("form-action 'self' http://a.example:8"),
            "{policy}"
        );
        let page = text(answer);
        for part in [
            "<html lang=\"en\">",
            "http://a.example:8</strong>",
            "<bdi>Notes</bdi>",
            "Read and write <strong><bdi>notes</bdi>",
            "Read, but not change <strong><bdi>photos</bdi>",
            "<option value=\"90\" selected>90 days",
            "<label for=\"days\">",
            "not encrypted",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("everything") && !page.contains("<script"));
        let all = Asked::parse("response_type=token&redirect_uri=https://a.example/&scope=*:rw").unwrap();
        let page = text(consent("ada", &all, &Cookie::fresh().unwrap()));
        assert!(
            page.contains("Read and write <strong>everything</strong>") && !page.contains("not encrypted")
        );
    }

    #[test]
    fn cookies_are_for_the_dialogue_alone() {
        let cookie = Cookie::fresh().unwrap();
        let line = |encrypted, cookie| {
            let mut answer = Response::new(ReplyBody::Empty);
            let reached = Reached {
                prefix: "/cairn".into(),
                encrypted,
            };
            set_cookie(&mut answer, &reached, cookie);
            answer.headers()[SET_COOKIE].to_str().unwrap().to_owned()
        };
        let set = line(true, Some(&cookie));
        assert!(
            set.ends_with("; Path=/cairn/oauth; Max-Age=600; HttpOnly; SameSite=Strict; Secure"),
            "{set}"
        );
        let gone = line(false, None);
        assert!(
            gone.starts_with("cairn-session=; ") && gone.contains("Max-Age=0") && !gone.contains("Secure")
        );
    }
}
