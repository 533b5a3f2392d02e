//! The page that plays a run back, and the plots, in a real browser: what a planner would see, click and press.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use cairn_sim::recording::{Happening, NodeRecord, Place, Recording, WriteRecord};
use cairn_sim::report;
use cairn_tests::{Browser, recordings};
use serde_json::Value;

const END: char = '\u{e010}';
const HOME: char = '\u{e011}';
const RIGHT: char = '\u{e014}';
const ESCAPE: char = '\u{e00c}';

/// What the page says that it draws.
struct Drawn {
    time_ms: u64,
    up: u64,
    in_step: u64,
    frames: u64,
    playing: bool,
    selected: String,
}

/// A report in a folder, and the browser that looks at it.
struct Desk {
    browser: Browser,
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Desk {
    fn with(browser: Browser, recording: &Recording) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = report::write(recording, folder.path()).unwrap();
        Self {
            browser,
            folder,
            files,
        }
    }

    fn open_page(&self) {
        self.browser.open(&self.folder.path().join("playback.html"));
        self.browser
            .wait_until("document.body.dataset.time !== undefined");
    }

    /// After all that was asked for has been drawn.
    fn drawn(&self) -> Drawn {
        self.browser.wait_until("!state.dirty");
        let drawn = self.browser.run("return { ...document.body.dataset };");
        let number = |key: &str| drawn[key].as_str().unwrap().parse().unwrap();
        Drawn {
            time_ms: number("time"),
            up: number("up"),
            in_step: number("inStep"),
            frames: number("frames"),
            playing: drawn["playing"] == "true",
            selected: drawn["selected"].as_str().unwrap().to_owned(),
        }
    }

    /// The map as it looks now.
    fn pixels(&self) -> String {
        self.browser.wait_until("!state.dirty");
        text(
            &self
                .browser
                .run("return document.getElementById('map').toDataURL();"),
        )
    }

    fn shown(&self, selector: &str) -> String {
        text(
            &self
                .browser
                .run(&format!("return document.querySelector('{selector}').innerText;")),
        )
    }

    fn assert_content(&self) {
        let complaints = self.browser.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn up_at(recording: &Recording, at_us: u64) -> u64 {
    let up = |node: &&NodeRecord| {
        node.up
            .iter()
            .any(|(from, until)| (*from..*until).contains(&at_us))
    };
    recording.nodes.iter().filter(up).count() as u64
}

fn complete(recording: &Recording) -> u64 {
    recording.nodes.iter().filter(|node| node.lacking == 0).count() as u64
}

/// Somebody moves the slider, clicks and presses keys; what is drawn is what the recording says of that time.
#[test]
fn the_page_shows_the_time_that_one_asks_for() {
    let Some(browser) = Browser::start("the_page_shows_the_time_that_one_asks_for") else {
        return;
    };
    let recording = recordings::courier();
    let duration_ms = recording.duration_us / 1_000;
    let desk = Desk::with(browser, &recording);
    desk.open_page();
    let start = desk.drawn();
    assert_eq!((start.time_ms, start.up, start.in_step), (0, 13, 13));
    let first = desk.pixels();

    // The slider's middle.
    desk.browser.click("#slider", 0, 0);
    let middle = desk.drawn();
    assert!(
        middle.time_ms.abs_diff(duration_ms / 2) < duration_ms / 50,
        "{}",
        middle.time_ms
    );
    assert!(middle.in_step < 13, "the south waits for the bicycle");
    let second = desk.pixels();
    assert!(first != second, "the slider moved, the map did not");

    // While south-3 is down.
    desk.browser.run("seek(90 * 60 * 1000);");
    let down = desk.drawn();
    assert_eq!((down.up, up_at(&recording, 90 * 60 * 1_000_000)), (12, 12));
    assert!(down.frames > 0, "radios were busy");
    assert!(
        desk.shown("#events").contains("south-3 crashed"),
        "{}",
        desk.shown("#events")
    );

    // A click into the chart, at three quarters.
    let width = desk
        .browser
        .run("return chart.canvas.clientWidth;")
        .as_i64()
        .unwrap();
    desk.browser.click("#chart", width / 4, 0);
    let clicked = desk.drawn();
    assert!(
        clicked.time_ms.abs_diff(duration_ms * 3 / 4) < duration_ms / 10,
        "{}",
        clicked.time_ms
    );

    desk.browser.press(END);
    let end = desk.drawn();
    assert_eq!(
        (end.time_ms, end.up, end.in_step),
        (duration_ms, 13, complete(&recording))
    );
    desk.browser.press(HOME);
    assert!(desk.pixels() == first, "the same time looks the same");
    desk.browser.press(RIGHT);
    assert_eq!(desk.drawn().time_ms, duration_ms / 200);

    // A node's details, by a click on it.
    let at = desk.browser.run(
        "const [x, y] = map.place(12); const box = map.canvas.getBoundingClientRect();
         return [Math.round(x - box.width / 2), Math.round(y - box.height / 2)];",
    );
    desk.browser
        .click("#map", at[0].as_i64().unwrap(), at[1].as_i64().unwrap());
    assert_eq!(desk.drawn().selected, "bicycle");
    assert!(
        desk.shown("#details").contains("lost in collisions"),
        "{}",
        desk.shown("#details")
    );
    desk.browser.press(ESCAPE);
    assert_eq!(desk.drawn().selected, "");
    desk.assert_content();
}

/// Space plays and pauses; the run stops at its end.
#[test]
fn the_page_plays_and_pauses() {
    let Some(browser) = Browser::start("the_page_plays_and_pauses") else {
        return;
    };
    let desk = Desk::with(browser, &recordings::village());
    desk.open_page();
    let first = desk.pixels();
    desk.browser.press(' ');
    desk.browser.wait_until("state.time > 1800 * 1000");
    desk.browser.press(' ');
    let paused = desk.drawn();
    assert!(!paused.playing && paused.time_ms > 1_800_000);
    assert!(desk.pixels() != first);
    desk.browser.run(
        "window.seen = 0; const count = () => { window.seen += 1; requestAnimationFrame(count); }; count();",
    );
    desk.browser.wait_until("window.seen > 10");
    assert_eq!(desk.drawn().time_ms, paused.time_ms, "paused, and time went on");
    assert!(
        desk.shown("#events").contains(" wrote /shared/board/"),
        "{}",
        desk.shown("#events")
    );

    desk.browser.run("seek(scene.duration - 60000);");
    desk.browser.click("#play", 0, 0);
    desk.browser
        .wait_until("state.time === scene.duration && !state.playing");
    let end = desk.drawn();
    assert_eq!((end.in_step, end.playing), (40, false));
    desk.assert_content();
}

/// A thousand nodes, and what the page could not hold is said.
#[test]
fn the_page_bears_a_thousand_nodes() {
    let Some(browser) = Browser::start("the_page_bears_a_thousand_nodes") else {
        return;
    };
    let recording = recordings::thousand();
    let desk = Desk::with(browser, &recording);
    let page = std::fs::metadata(desk.folder.path().join("playback.html")).unwrap();
    assert!(page.len() < 12_000_000, "{} bytes", page.len());
    desk.open_page();
    desk.browser.click("#slider", 0, 0);
    let middle = desk.drawn();
    assert!(middle.up > 900 && middle.in_step < 1_000);
    desk.browser.press(END);
    assert_eq!(desk.drawn().in_step, complete(&recording));
    assert!(
        desk.shown("#notes").contains("1 in 2 writes and arrivals"),
        "{}",
        desk.shown("#notes")
    );
    desk.assert_content();
}

/// Whoever may name a node or a document must not be able to put a script into the page; and a run of nothing is a run.
#[test]
fn the_page_takes_names_as_names() {
    let Some(browser) = Browser::start("the_page_takes_names_as_names") else {
        return;
    };
    let evil = "</script><img src=x onerror=window.hacked=1><!--<script>\u{2028}\"'&";
    let place = Place {
        at_us: 0,
        x_m: 0.0,
        y_m: 0.0,
    };
    let node = |name: &str, x_m| NodeRecord {
        name: name.to_owned(),
        space: evil.to_owned(),
        places: vec![Place { x_m, ..place }],
        up: vec![(0, 1_000_000)],
        ..NodeRecord::default()
    };
    let recording = Recording {
        scenario: evil.to_owned(),
        about: evil.to_owned(),
        duration_us: 1_000_000,
        nodes: vec![node(evil, 0.0), node("b", 100.0)],
        writes: vec![WriteRecord {
            path: evil.to_owned(),
            at_us: 5,
            acknowledged_us: Some(5),
            ..WriteRecord::default()
        }],
        happenings: vec![Happening::Fault {
            at_us: 9,
            node: Some(0),
            what_happened: evil.to_owned(),
        }],
        broken: vec![evil.to_owned()],
        ..Recording::default()
    };
    let desk = Desk::with(browser, &recording);
    desk.open_page();
    desk.browser.press(END);
    desk.browser.run("select(0);");
    desk.drawn();
    assert_eq!(
        desk.browser
            .run("return [window.hacked ?? 0, document.images.length];"),
        serde_json::json!([0, 0])
    );
    for selector in ["#title", "#about", "#details", "#events"] {
        assert!(
            desk.shown(selector).contains("</script><img"),
            "{selector}: {}",
            desk.shown(selector)
        );
    }
    desk.assert_content();

    let folder = desk.folder.path().join("nothing");
    report::write(&Recording::default(), &folder).unwrap();
    desk.browser.open(&folder.join("playback.html"));
    desk.browser
        .wait_until("document.body.dataset.time !== undefined");
    assert_eq!(desk.shown("#up"), "0 / 0");
    desk.assert_content();
}

/// Every plot of every kind of run is an image that a browser can draw, says what it shows, and keeps its words on the
/// paper.
#[test]
fn the_plots_keep_their_words_on_the_paper() {
    let Some(mut browser) = Browser::start("the_plots_keep_their_words_on_the_paper") else {
        return;
    };
    for recording in [recordings::village(), recordings::courier()] {
        let desk = Desk::with(browser, &recording);
        let is_plot = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "svg");
        let plots: Vec<&Path> = desk.files.iter().filter(is_plot).map(PathBuf::as_path).collect();
        assert_eq!(plots.len(), 5);
        for plot in plots {
            desk.browser.open(plot);
            let outside = desk.browser.run(
                "const svg = document.documentElement; const { width, height } = svg.viewBox.baseVal;
                 if (document.querySelector('parsererror') || !document.querySelector('desc').textContent) return ['no image'];
                 return [...document.querySelectorAll('text')].filter((word) => {
                   const box = word.getBBox();
                   return box.x < 0 || box.y < 0 || box.x + box.width > width || box.y + box.height > height;
                 }).map((word) => word.textContent);",
            );
            assert_eq!(outside, serde_json::json!([]), "{}", plot.display());
        }
        desk.assert_content();
        browser = desk.browser;
    }
}
