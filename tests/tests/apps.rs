//! Letting an app in, as a browser does it: the pages, their forms and cookies, and what the token then opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use cairn_sim::modem::Pty;
use cairn_tests::{
    Browser, Daemon, Http, WebSite, cairn, cairn_fails, cairn_given, eventually, percent_encode, program,
};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

const DEADLINE: Duration = Duration::from_secs(30);
const PASSPHRASE: &str = "correct horse & battery";
const APP: &str = "https://app.example/editor?lang=en";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Runs `cairn passwd` with this on its standard input; gives the exit code and what it said.
fn passwd(node: &Daemon, input: &str, args: &[&str]) -> (i32, String) {
    let (code, printed, said) = cairn_given(&node.home, &[&["passwd"], args].concat(), input);
    assert!(printed.is_empty());
    (code, said)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn fields(encoded: &str) -> BTreeMap<String, String> {
    let pairs = encoded.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect()
}

fn query(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// What the door answered.
struct Page {
    status: u16,
    location: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Page {
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.location, self.body);
        self
    }

    /// The value of a hidden field, as a browser would send it.
    fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .body
            .split_once(&start)
            .unwrap_or_else(|| panic!("no {name} in {}", self.body));
        let (value, _) = rest.split_once('"').unwrap();
        value
            .replace("&#39;", "'")
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }

    /// What stands in the address that the browser is sent to, behind `joint`.
    #[track_caller]
    fn answer(&self, app: &str, joint: char) -> BTreeMap<String, String> {
        let location = self.location.as_deref().expect("sent to the app");
        let rest = location
            .strip_prefix(app)
            .unwrap_or_else(|| panic!("{location} is elsewhere"));
        fields(rest.strip_prefix(joint).unwrap_or_else(|| panic!("{location}")))
    }
}

/// A browser without scripts: it keeps cookies by path, and stops before it leaves the node.
struct Tab {
    base: String,
    agent: Agent,
    cookie: Option<String>,
}

impl Tab {
    fn open(node: &Daemon) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(DEADLINE));
        Self {
            base: format!("http://{}", node.status["http"].as_str().unwrap()),
            agent: config.build().into(),
            cookie: None,
        }
    }

    fn read(&mut self, mut response: Response<ureq::Body>) -> Page {
        let headers: BTreeMap<String, String> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        if let Some(line) = headers.get("set-cookie") {
            for part in ["; Path=/oauth;", "; HttpOnly", "; SameSite=Strict"] {
                assert!(line.contains(part), "{line}");
            }
            let (pair, _) = line.split_once(';').unwrap();
            self.cookie = (!line.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        Page {
            status: response.status().as_u16(),
            location: headers.get("location").cloned(),
            body: response.body_mut().read_to_string().unwrap(),
            headers,
        }
    }

    fn get(&mut self, path: &str) -> Page {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(cookie) = self.cookie.as_ref().filter(|_| path.starts_with("/oauth")) {
            request = request.header("Cookie", cookie);
        }
        let response = request.call().unwrap();
        self.read(response)
    }

    fn post(&mut self, path: &str, parameters: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/x-www-form-urlencoded");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send(query(parameters)).unwrap();
        self.read(response)
    }

    /// Sends the sign-in form of a page.
    fn sign_in(&mut self, page: &Page, passphrase: &str) -> Page {
        let (request, token) = (page.hidden("request"), page.hidden("form_token"));
        let form = [
            ("request", &*request),
            ("form_token", &token),
            ("passphrase", passphrase),
        ];
        self.post("/oauth/sign-in", &form, &[("Sec-Fetch-Site", "same-origin")])
    }

    /// Signs in, and gives the page that asks for consent.
    fn consent(&mut self, asked: &str) -> Page {
        let page = self.get(&format!("/oauth/authorize?{asked}")).is(200);
        let answer = self.sign_in(&page, PASSPHRASE).is(303);
        let next = answer.location.unwrap();
        assert!(next.starts_with("authorize?"), "{next}");
        self.get(&format!("/oauth/{next}")).is(200)
    }

    /// Sends the consent form of a page.
    fn decide(&mut self, page: &Page, decision: &str) -> Page {
        let (request, token) = (page.hidden("request"), page.hidden("form_token"));
        let form = [
            ("request", &*request),
            ("form_token", &token),
            ("days", "90"),
            ("decision", decision),
        ];
        self.post("/oauth/decide", &form, &[("Sec-Fetch-Site", "same-origin")])
    }

    /// Changes a code for a token.
    fn exchange(&mut self, code: &str, verifier: &str) -> Page {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "Editor"),
            ("redirect_uri", APP),
            ("code_verifier", verifier),
        ];
        self.post("/oauth/token", &form, &[("Origin", "https://app.example")])
    }

    /// Lets an app in by a code.
    fn code(&mut self) -> String {
        let page = self.consent(&code_request());
        self.decide(&page, "approve").is(303).answer(APP, '&')["code"].clone()
    }
}

fn implicit_request(scope: &str) -> String {
    query(&[
        ("redirect_uri", APP),
        ("scope", scope),
        ("client_id", "Editor"),
        ("response_type", "token"),
        ("state", "a b#&=<ü>"),
    ])
}

fn code_request() -> String {
    query(&[
        ("redirect_uri", APP),
        ("scope", "notes:rw"),
        ("client_id", "Editor"),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s1"),
    ])
}

fn node() -> (tempfile::TempDir, Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    assert_eq!(passwd(&node, &format!("{PASSPHRASE}\n"), &[]).0, 0);
    (folder, node)
}

fn with(node: &Daemon, token: &str) -> Http {
    Http::new(node.status["storage_root"].as_str().unwrap(), token)
}

fn tokens(node: &Daemon) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&cairn(&node.home, &["token", "ls", "--json"])).unwrap();
    listed.as_array().unwrap().clone()
}

/// An app finds the storage, asks, and gets a token that opens what was shown on the page, and nothing else.
#[test]
fn an_app_finds_the_storage_and_is_let_in() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let found = tab
        .get("/.well-known/webfinger?resource=acct:me@127.0.0.1")
        .is(200);
    assert_eq!(found.headers["access-control-allow-origin"], "*");
    let found: Value = serde_json::from_str(&found.body).unwrap();
    let dialogue = &found["links"][0]["properties"]["http://tools.ietf.org/html/rfc6749#section-4.2"];
    assert_eq!(*dialogue, format!("{}/oauth/authorize", tab.base).as_str());

    let asked = implicit_request("notes:rw photos:r");
    let sign_in = tab.get(&format!("/oauth/authorize?{asked}")).is(200);
    assert!(sign_in.body.contains("https://app.example</strong>"));
    assert!(
        !sign_in.body.contains("name=\"decision\""),
        "nobody has signed in"
    );
    let consent = tab.consent(&asked);
    for part in [
        "https://app.example</strong>",
        "<bdi>Editor</bdi>",
        "<bdi>notes</bdi>",
        "<bdi>photos</bdi>",
    ] {
        assert!(consent.body.contains(part), "{part}");
    }
    let answer = tab.decide(&consent, "approve").is(303).answer(APP, '#');
    assert_eq!(answer["state"], "a b#&=<ü>");
    assert_eq!(
        (&*answer["token_type"], &*answer["expires_in"]),
        ("bearer", "7776000")
    );
    assert_eq!(answer["scope"], "notes:rw photos:r");

    let app = with(&node, &answer["access_token"]);
    app.store("/notes/a", b"text");
    app.store("/public/notes/a", b"text");
    assert_eq!(app.get("/notes/a").unwrap().0, 200);
    assert_eq!(app.get("/photos/").unwrap().0, 200);
    for path in ["/photos/a", "/other/a", "/public/other/a"] {
        assert_eq!(app.put(path, b"x", &[]).unwrap().0, 403, "{path}");
    }
    for path in ["/other/", "/"] {
        assert_eq!(app.get(path).unwrap().0, 403, "{path}");
    }

    // It is listed with its app, its end and its last use, and can be removed.
    let listed = eventually(DEADLINE, || {
        let listed = tokens(&node);
        let used = listed[0]["used_ms"].is_u64();
        used.then(|| listed.clone()).ok_or_else(|| format!("{listed:?}"))
    });
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["origin"]),
        (&"Editor".into(), &"https://app.example".into())
    );
    let lasts = listed[0]["expires_ms"].as_u64().unwrap() - listed[0]["created_ms"].as_u64().unwrap();
    assert_eq!(lasts, 90 * 24 * 3600 * 1000);
    let shown = cairn(&node.home, &["token", "ls"]);
    assert!(
        shown.contains("Editor") && shown.contains("for 89 days") && shown.contains("used"),
        "{shown}"
    );
    cairn(&node.home, &["token", "rm", listed[0]["id"].as_str().unwrap()]);
    assert_eq!(app.get("/notes/a").unwrap().0, 401);
}

/// The same by a code: it works once, for who asked, with the secret.
#[test]
fn a_code_is_changed_for_a_token_once() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let page = tab.consent(&code_request());
    let answer = tab.decide(&page, "approve").is(303).answer(APP, '&');
    assert_eq!(answer["state"], "s1");
    let given = tab.exchange(&answer["code"], VERIFIER).is(200);
    assert_eq!(given.headers["cache-control"], "no-store");
    assert_eq!(given.headers["pragma"], "no-cache");
    assert_eq!(given.headers["content-type"], "application/json");
    assert_eq!(
        given.headers["access-control-allow-origin"],
        "https://app.example"
    );
    let given: Value = serde_json::from_str(&given.body).unwrap();
    assert_eq!(
        (&given["token_type"], &given["scope"]),
        (&"bearer".into(), &"notes:rw".into())
    );
    let app = with(&node, given["access_token"].as_str().unwrap());
    app.store("/notes/a", b"text");
    assert_eq!(app.get("/other/").unwrap().0, 403);

    // Whoever brings the code again has stolen it: the token goes too.
    let again = tab.exchange(&answer["code"], VERIFIER).is(400);
    assert!(again.body.contains("\"invalid_grant\""), "{}", again.body);
    assert_eq!(
        app.get("/notes/a").unwrap().0,
        401,
        "the token of a stolen code is removed"
    );

    let code = tab.code();
    let wrong = tab.exchange(&code, &VERIFIER.replace('d', "e")).is(400);
    assert!(wrong.body.contains("\"invalid_grant\""), "{}", wrong.body);
    tab.exchange(&code, VERIFIER).is(400);
    let code = tab.code();
    let other = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "Other"),
        ("redirect_uri", APP),
        ("code_verifier", VERIFIER),
    ];
    tab.post("/oauth/token", &other, &[]).is(400);
    assert!(tokens(&node).is_empty());
    for (form, error) in [
        (&[("grant_type", "password")][..], "unsupported_grant_type"),
        (&[("grant_type", "authorization_code")][..], "invalid_request"),
        (
            &[("grant_type", "authorization_code"), ("code", "a"), ("code", "b")][..],
            "invalid_request",
        ),
    ] {
        let refused = tab.post("/oauth/token", form, &[]).is(400);
        let said: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(said["error"], error);
    }
    let asked = tab.get("/oauth/token?grant_type=authorization_code").is(405);
    assert_eq!(asked.headers["allow"], "POST");
}

/// An app that says more than it must, or leaves a value empty, is understood; scopes that others hold fall away, and the
/// app hears what it got.
#[test]
fn what_an_app_adds_is_passed_over_and_what_it_gets_is_said() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let asked = query(&[
        ("redirect_uri", APP),
        ("scope", "notes:r notes:rw"),
        ("client_id", ""),
        ("response_type", "token"),
        ("state", ""),
        ("prompt", "none"),
        ("nonce", "1"),
    ]);
    let page = tab.consent(&asked);
    let answer = tab.decide(&page, "approve").is(303).answer(APP, '#');
    assert_eq!(answer["scope"], "notes:rw");
    assert!(!answer.contains_key("state"));
    // Nothing but the origin names the app.
    assert_eq!(tokens(&node)[0]["origin"], "https://app.example");
    assert_eq!(tokens(&node)[0]["name"], "https://app.example");
}

/// Who has one token cannot guess another: each consent makes a new one, of 32 random bytes, for the same app as well.
#[test]
fn every_consent_makes_a_token_that_nobody_can_guess() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let mut given = std::collections::BTreeSet::new();
    let base64url = |text: &str| {
        let bytes = text.bytes();
        text.len() == 43
            && bytes
                .into_iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    for _ in 0..3 {
        let page = tab.consent(&implicit_request("notes:rw"));
        let answer = tab.decide(&page, "approve").is(303).answer(APP, '#');
        given.insert(answer["access_token"].clone());
        let code = tab.code();
        assert!(base64url(&code), "{code}");
        let answer = tab.exchange(&code, VERIFIER).is(200);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        given.insert(answer["access_token"].as_str().unwrap().to_owned());
        assert!(given.insert(code), "a code is no token");
    }
    assert_eq!(given.len(), 9);
    assert!(given.iter().all(|text| base64url(text)), "{given:?}");
    // The bytes differ all over, not in a counter alone.
    let texts: Vec<&String> = given.iter().collect();
    for (one, other) in texts.iter().zip(&texts[1..]) {
        let same = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 16, "{one} {other}");
    }
    assert_eq!(tokens(&node).len(), 6);
}

/// "Do not allow" gives nothing, and the app hears that.
#[test]
fn a_denial_reaches_the_app_and_ends_the_sign_in() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let asked = implicit_request("notes:rw");
    let page = tab.consent(&asked);
    let cookie = tab.cookie.clone();
    let answer = tab.decide(&page, "deny").is(303).answer(APP, '#');
    assert_eq!(
        (&*answer["error"], &*answer["state"]),
        ("access_denied", "a b#&=<ü>")
    );
    assert!(!answer.contains_key("access_token") && tab.cookie.is_none());
    // The session was for this decision alone: its cookie approves nothing more.
    tab.cookie = cookie;
    let late = tab.decide(&page, "approve").is(403);
    assert!(late.body.contains("Sign in again"), "{}", late.body);
    assert!(tokens(&node).is_empty());

    let page = tab.consent(&code_request());
    assert_eq!(
        tab.decide(&page, "deny").is(303).answer(APP, '&')["error"],
        "access_denied"
    );
}

/// Guessing is slowed down, for the right passphrase as well.
#[test]
fn wrong_passphrases_are_refused_and_soon_not_even_looked_at() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let mut page = tab
        .get(&format!("/oauth/authorize?{}", implicit_request("notes:rw")))
        .is(200);
    for _ in 0..5 {
        page = tab.sign_in(&page, "wrong").is(403);
        assert!(page.body.contains("not the passphrase") && page.location.is_none());
    }
    let refused = tab.sign_in(&page, PASSPHRASE).is(429);
    assert!(refused.headers["retry-after"].parse::<u64>().unwrap() <= 31);
    let log = node.log();
    assert!(!log.contains(PASSPHRASE) && !log.contains("=wrong"), "{log}");
    // The rest of the door goes on.
    node.http().store("/notes/a", b"text");
}

/// An app that cannot be told is not told; and no answer goes to an address that is none.
#[test]
fn bad_requests_go_to_the_owner_or_to_the_app_as_the_rfc_says() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    for bad in [
        "",
        "redirect_uri=javascript:alert(1)&scope=notes:rw&response_type=token",
        "redirect_uri=/editor&scope=notes:rw&response_type=token",
        "redirect_uri=https://app.example/%23x&scope=notes:rw&response_type=token",
        "redirect_uri=https://me@app.example/&scope=notes:rw&response_type=token",
        "redirect_uri=https://a.example/&redirect_uri=https://b.example/&scope=notes:rw&response_type=token",
        "redirect_uri=https://app.example/%0d%0aX:y&scope=notes:rw&response_type=token",
    ] {
        let page = tab.get(&format!("/oauth/authorize?{bad}")).is(400);
        assert!(
            page.location.is_none() && page.body.contains("not sent back"),
            "{bad}"
        );
    }
    for (more, error, joint) in [
        (
            "scope=notes:rw&response_type=id_token",
            "unsupported_response_type",
            '?',
        ),
        ("scope=notes:x&response_type=token", "invalid_scope", '#'),
        ("response_type=token", "invalid_scope", '#'),
        (
            "scope=notes:rw&response_type=code&client_id=a",
            "invalid_request",
            '?',
        ),
        ("scope=notes:rw", "invalid_request", '?'),
    ] {
        let page = tab
            .get(&format!(
                "/oauth/authorize?redirect_uri=https://app.example/&state=s&{more}"
            ))
            .is(302);
        let answer = page.answer("https://app.example/", joint);
        assert_eq!((&*answer["error"], &*answer["state"]), (error, "s"), "{more}");
    }
}

/// Another page can neither send the forms in the owner's name nor show the pages in a frame.
#[test]
fn forged_forms_do_nothing() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let asked = implicit_request("notes:rw");
    let page = tab.consent(&asked);
    for (header, part) in [
        ("content-security-policy", "frame-ancestors 'none'"),
        ("content-security-policy", "default-src 'none'"),
        (
            "content-security-policy",
            "form-action 'self' https://app.example",
        ),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert!(page.headers[header].contains(part), "{header}");
    }
    assert!(!page.headers.contains_key("access-control-allow-origin"));

    let (request, token) = (page.hidden("request"), page.hidden("form_token"));
    let other = implicit_request("*:rw");
    let mut stranger = Tab::open(&node);
    let foreign = stranger.consent(&asked).hidden("form_token");
    let form = |request: &str, token: &str| {
        [
            ("request", request),
            ("form_token", token),
            ("days", "90"),
            ("decision", "approve"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut post = |form: &[(String, String)], site: &str| {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        tab.post("/oauth/decide", &form, &[("Sec-Fetch-Site", site)])
    };
    for forged in [
        form(&request, ""),
        form(&request, &"0".repeat(64)),
        form(&request, &foreign),
        // The owner has seen another request.
        form(&other, &token),
    ] {
        let refused = post(&forged, "same-origin").is(403);
        assert!(refused.location.is_none(), "{:?}", refused.location);
    }
    post(&form(&request, &token), "cross-site").is(403);
    assert!(tokens(&node).is_empty());
    // The very same form, not forged.
    post(&form(&request, &token), "same-origin").is(303);
    assert_eq!(tokens(&node).len(), 1);

    // Without the cookie a right token of a form is worth nothing.
    let sign_in = stranger.get("/oauth/authorize?x").is(400);
    assert!(sign_in.location.is_none());
    let mut other = Tab::open(&node);
    let page = other.get(&format!("/oauth/authorize?{asked}")).is(200);
    other.cookie = None;
    other.sign_in(&page, PASSPHRASE).is(403);
}

/// What an app calls itself cannot become a part of the page.
#[test]
fn hostile_names_stay_names() {
    let (_folder, node) = node();
    let mut tab = Tab::open(&node);
    let hostile = "\"'><script>alert(1)</script>";
    let asked = query(&[
        ("redirect_uri", "https://app.example/?a='b'"),
        ("scope", "<img|src=x>:rw"),
        ("client_id", hostile),
        ("response_type", "token"),
        ("state", hostile),
    ]);
    let page = tab.consent(&asked);
    for bad in ["<script", "<img", "'b'"] {
        assert!(!page.body.contains(bad), "{bad}: {}", page.body);
    }
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let answer = tab
        .decide(&page, "approve")
        .is(303)
        .answer("https://app.example/?a='b'", '#');
    assert_eq!(answer["state"], hostile);
}

/// A page that somebody stored runs nothing, and is not of the node's own origin.
#[test]
fn stored_pages_cannot_act_as_the_node() {
    let (_folder, node) = node();
    let http = node.http();
    let page = b"<script>fetch('/oauth/authorize')</script>";
    http.put("/public/site/a.html", page, &[("Content-Type", "text/html")])
        .unwrap();
    let mut tab = Tab::open(&node);
    let got = tab.get("/storage/me/public/site/a.html").is(200);
    assert_eq!(got.headers["content-type"], "text/html");
    assert_eq!(got.headers["content-security-policy"], "sandbox");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
}

/// Tokens end when they say so.
#[test]
fn an_expired_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let token = cairn(
        &node.home,
        &["token", "new", "--scope", "notes:rw", "--expires", "2s"],
    );
    let lasting = cairn(
        &node.home,
        &["token", "new", "--scope", "notes:rw", "--expires", "1h"],
    );
    let (app, other) = (with(&node, token.trim()), with(&node, lasting.trim()));
    other.store("/notes/a", b"text");
    eventually(DEADLINE, || match app.get("/notes/a").unwrap().0 {
        401 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(other.get("/notes/a").unwrap().0, 200);
    let expired: Vec<bool> = tokens(&node).iter().map(|own| own["expired"] == true).collect();
    assert_eq!(expired.iter().filter(|expired| **expired).count(), 1);
    assert!(cairn(&node.home, &["token", "ls"]).contains("expired"));
    assert_eq!(
        cairn_fails(
            &node.home,
            &["token", "new", "--scope", "a:r", "--expires", "soon"]
        )
        .0,
        2
    );
}

/// The passphrase is set, changed and removed while the node runs; an empty one is none.
#[test]
fn the_passphrase_is_set_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let mut tab = Tab::open(&node);
    let authorize = format!("/oauth/authorize?{}", implicit_request("notes:rw"));
    let page = tab.get(&authorize).is(403);
    assert!(page.body.contains("cairn passwd"));
    for empty in ["", "\n", "  \n"] {
        let (code, said) = passwd(&node, empty, &[]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("empty"), "{said}");
    }
    tab.get(&authorize).is(403);
    assert_eq!(passwd(&node, "one\n", &[]).0, 0);
    let sign_in = tab.get(&authorize).is(200);
    let next = tab.sign_in(&sign_in, "one").is(303).location.unwrap();
    let consent = tab.get(&format!("/oauth/{next}")).is(200);
    // Whoever signed in with the old passphrase is signed out.
    assert_eq!(passwd(&node, "two\n", &[]).0, 0);
    tab.decide(&consent, "approve").is(403);
    let sign_in = tab.get(&authorize).is(200);
    let sign_in = tab.sign_in(&sign_in, "one").is(403);
    tab.sign_in(&sign_in, "two").is(303);
    assert_eq!(passwd(&node, "", &["--remove"]).0, 0);
    tab.get(&authorize).is(403);
    assert!(tokens(&node).is_empty());
    // Neither the node nor the command says a passphrase anywhere, and no file holds it.
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        passwd(&node, &format!("{PASSPHRASE}\n"), &[]),
        (
            0,
            "The passphrase is set: the node asks for it at its page, and when an app wants to connect.\n"
                .into()
        )
    );
    let file = node.home.join("passphrase");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("horse"));
}

/// On a terminal the passphrase is asked for twice, and not shown; the terminal is as it was before.
#[test]
fn a_terminal_does_not_show_the_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("a");
    cairn(&home, &["init", "--user", "me"]);
    let pty = Pty::open().unwrap();
    let stty = |args: &[&str]| {
        let output = Command::new("stty")
            .arg("-F")
            .arg(pty.path())
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    // Held open: a terminal that nobody has open may forget how it was set.
    let held = File::options().read(true).write(true).open(pty.path()).unwrap();
    stty(&["sane"]);
    let before = stty(&["-g"]);
    let mut shown = [0; 4096];
    for (keys, code) in [
        (["first secret\r", "second secret\r"], 1),
        (["first secret\x03", ""], 1),
        (["first sEcret\x7f\x7f\x7f\x7f\x7fecret\r", "first secret\r"], 0),
    ] {
        let mut child = Command::new(program())
            .arg("--home")
            .arg(&home)
            .arg("passwd")
            .stdin(held.try_clone().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = child.stderr.take().unwrap();
        for (prompt, keys) in ["New passphrase: ", "The same again: "].into_iter().zip(keys) {
            if keys.is_empty() {
                continue;
            }
            let mut heard = String::new();
            while !heard.ends_with(prompt) {
                let mut byte = [0];
                assert_eq!(said.read(&mut byte).unwrap(), 1, "{heard}");
                heard.push(char::from(byte[0]));
            }
            assert_eq!(pty.write(keys.as_bytes()), keys.len());
        }
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{rest}");
        assert_eq!(home.join("passphrase").exists(), code == 0, "{rest}");
        assert_eq!(pty.read(&mut shown), 0, "{:?}", String::from_utf8_lossy(&shown));
        assert_eq!(stty(&["-g"]), before);
    }
}

/// The dialogue in a real browser: what its policies and cookies let through can be seen there alone.
#[test]
fn a_real_browser_goes_from_the_app_to_the_node_and_back() {
    let Some(browser) = Browser::start("a_real_browser_goes_from_the_app_to_the_node_and_back") else {
        return;
    };
    let (_folder, node) = node();
    // The app: any page of another site.
    let page = "<!doctype html><title>An app</title>".into();
    let app = WebSite::serve([(String::new(), page)].into()).url();
    let http = node.status["http"].as_str().unwrap();
    for (decision, outcome) in [("approve", "access_token"), ("deny", "error")] {
        browser.visit(&app);
        let asked = query(&[
            ("redirect_uri", &app),
            ("scope", "notes:rw"),
            ("response_type", "token"),
            ("state", "s"),
        ]);
        browser.run(&format!(
            "location.href = 'http://{http}/oauth/authorize?{asked}'"
        ));
        browser.shows("Sign in to your storage", DEADLINE);
        browser.type_text(PASSPHRASE);
        // Enter.
        browser.press('\u{e007}');
        browser.shows("Let an app use your storage?", DEADLINE);
        browser.click(&format!("button[value={decision}]"), 0, 0);
        let fragment = eventually(DEADLINE, || {
            let there = browser.run("return location.href");
            let there = there.as_str().unwrap_or_default();
            let fragment = there.strip_prefix(&app).and_then(|rest| rest.strip_prefix('#'));
            fragment.map(fields).ok_or_else(|| there.to_owned())
        });
        assert_eq!(fragment["state"], "s");
        assert!(fragment.contains_key(outcome), "{fragment:?}");
        if let Some(token) = fragment.get("access_token") {
            with(&node, token).store("/notes/a", b"text");
        }
    }
    assert_eq!(tokens(&node).len(), 1);
    let complaints = browser.complaints();
    let serious = complaints
        .iter()
        .filter(|complaint| !complaint.contains("favicon"));
    assert_eq!(serious.collect::<Vec<_>>(), Vec::<&String>::new());
}
