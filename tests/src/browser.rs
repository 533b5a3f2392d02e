//! A real browser without a screen: Chromium, driven through chromedriver by the WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::{eventually, skipped};

/// How often a chromedriver is started before that is given up.
const DRIVER_STARTS: usize = 5;
/// How long a page may take to do anything, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// The name under which WebDriver hands elements over.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page. Closed when dropped.
pub struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
    downloads: tempfile::TempDir,
}

/// Starts a chromedriver at a port of its choice. `None`: it ended, as it does when it chose one that another took meanwhile.
fn start_driver() -> Option<(Child, String)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    let Some(port) = port else {
        let _ = driver.wait();
        return None;
    };
    // Read on, or it would block once the pipe is full.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Some((driver, port))
}

impl Browser {
    /// Starts one. `None`, said loudly in the name of `test`: the machine has no Chromium or no chromedriver.
    pub fn start(test: &str) -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            let asked = Command::new(program).arg("--version").output();
            if !asked.is_ok_and(|answer| answer.status.success()) {
                skipped(test, &format!("{program} (Debian: chromium, chromium-driver)"));
                return None;
            }
        }
        let (driver, port) = (0..DRIVER_STARTS)
            .find_map(|_| start_driver())
            .expect("chromedriver says its port");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE));
        let downloads = tempfile::tempdir().expect("a folder can be made");
        let mut browser = Self {
            driver,
            agent: config.build().into(),
            session: format!("http://127.0.0.1:{port}/session"),
            downloads,
        };
        let preferences = json!({ "download.default_directory": browser.downloads.path() });
        let options = json!({ "prefs": preferences, "args": [
            "--headless=new", "--window-size=1280,900", "--disable-gpu", "--disable-dev-shm-usage",
            // As root, Chromium refuses to start with it. The page is our own.
            "--no-sandbox",
            // Nothing on this machine asks the network for anything.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2",
        ]});
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": DEADLINE.as_millis() as u64 },
        }}});
        let made = browser.post("", &capabilities);
        let id = made["sessionId"].as_str().expect("a session");
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    /// Opens a file.
    pub fn open(&self, path: &Path) {
        self.post("/url", &json!({ "url": format!("file://{}", path.display()) }));
    }

    /// Opens an address: of a server at 127.0.0.1 or 127.0.0.2, or there is none.
    pub fn visit(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What a script returns: the body of a function.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits, a frame of the screen at a time, until an expression holds.
    pub fn wait_until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0]; const look = () => {expression} ? done(true) : requestAnimationFrame(look); look();"
        );
        self.post("/execute/async", &json!({ "script": script, "args": [] }));
    }

    /// Waits until the page's markup holds a text.
    pub fn shows(&self, what: &str, deadline: Duration) {
        eventually(deadline, || {
            let html = self.run("return document.documentElement.outerHTML");
            let html = html.as_str().unwrap_or_default();
            html.contains(what)
                .then_some(())
                .ok_or_else(|| format!("no {what} in {html}"))
        });
    }

    /// Presses a key on the page: a character, or one of WebDriver's code points for others.
    pub fn press(&self, key: char) {
        let key = key.to_string();
        let actions = [
            json!({ "type": "keyDown", "value": key }),
            json!({ "type": "keyUp", "value": key }),
        ];
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    /// Clicks on an element that a selector names: `x`, `y` pixels from its middle.
    pub fn click(&self, selector: &str, x: i64, y: i64) {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let origin = json!({ ELEMENT: found[ELEMENT] });
        let actions = [
            json!({ "type": "pointerMove", "origin": origin, "x": x, "y": y }),
            json!({ "type": "pointerDown", "button": 0 }),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }),
        );
    }

    /// Chooses files in the field that a selector names.
    pub fn choose_files(&self, selector: &str, files: &[&Path]) {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let field = found[ELEMENT].as_str().expect("an element");
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        self.post(
            &format!("/element/{field}/value"),
            &json!({ "text": files.join("\n") }),
        );
    }

    /// Where a file of this name comes to lie when the page has it saved.
    pub fn download(&self, name: &str) -> PathBuf {
        self.downloads.path().join(name)
    }

    /// What the page is called.
    pub fn title(&self) -> String {
        let title = self.get("/title");
        title.as_str().expect("a title").to_owned()
    }

    /// Makes the page as large as this: also as a phone's, which no window can be.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }),
        );
    }

    /// Tells the page that its reader likes dark colours, or light ones.
    pub fn prefer_dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setEmulatedMedia", "params": media }),
        );
    }

    /// Cuts the page off from every network, or gives it back.
    pub fn set_offline(&self, offline: bool) {
        let conditions = json!({ "offline": offline, "latency": 0, "throughput": -1 });
        self.post(
            "/chromium/network_conditions",
            &json!({ "network_conditions": conditions }),
        );
    }

    /// Lets no more than this pass to servers, in bytes a second; -1 for no limit.
    pub fn limit_uploads(&self, throughput: i64) {
        let conditions = json!({ "latency": 0, "download_throughput": -1, "upload_throughput": throughput });
        self.post(
            "/chromium/network_conditions",
            &json!({ "network_conditions": conditions }),
        );
    }

    /// Types a text into what has the focus.
    pub fn type_text(&self, text: &str) {
        text.chars().for_each(|key| self.press(key));
    }

    /// What the page complained of since this was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log").iter();
        entries
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .collect()
    }

    fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.session);
        Self::read(path, self.agent.get(&url).call().expect("chromedriver answers"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let answer = self
            .agent
            .post(&url)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .expect("chromedriver answers");
        Self::read(path, answer)
    }

    fn read(path: &str, mut answer: Response<Body>) -> Value {
        let text = answer
            .body_mut()
            .read_to_string()
            .expect("chromedriver answers in text");
        let mut answered: Value = serde_json::from_str(&text).expect("chromedriver answers in JSON");
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answered["value"]["message"]
        );
        answered["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, chromedriver by hand.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
