//! Two nodes that can be parted.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::{Daemon, Proxy, cairn, eventually};

const DEADLINE: Duration = Duration::from_secs(30);

/// Two nodes of one owner whose only way to one another is the proxy.
pub struct Pair {
    /// The first.
    pub a: Daemon,
    /// The one that joined it.
    pub b: Daemon,
    /// The way.
    pub proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Pair {
    /// Two nodes in step.
    #[allow(clippy::new_without_default)] // it starts processes
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let a = Daemon::start(&folder.path().join("a"), &[]);
        let proxy = Proxy::to(a.socket());
        let code = cairn(
            &a.home,
            &["invite", "--address", &format!("tcp://{}", proxy.address)],
        );
        let home = folder.path().join("b");
        cairn(&home, &["join", code.trim()]);
        let b = Daemon::start(&home, &[]);
        let pair = Self { a, b, proxy, folder };
        pair.in_step();
        pair
    }

    /// Waits until both hold the same and know it.
    pub fn in_step(&self) {
        eventually(DEADLINE, || {
            let (a, b) = (self.a.status(), self.b.status());
            let linked = a["peers"][0]["in_step"] == true && b["peers"][0]["in_step"] == true;
            (a["clock_digest"] == b["clock_digest"] && linked)
                .then_some(())
                .ok_or_else(|| format!("{a}\n{b}"))
        });
    }

    /// Parts them.
    pub fn apart(&self) {
        self.proxy.cut(false);
        eventually(DEADLINE, || {
            let linked = |daemon: &Daemon| daemon.status()["peers"][0]["link"] != Value::Null;
            (!linked(&self.a) && !linked(&self.b))
                .then_some(())
                .ok_or_else(|| "still linked".into())
        });
    }

    /// Lets them meet, and waits until they are in step.
    pub fn together(&self) {
        self.proxy.cut(true);
        self.in_step();
    }

    /// `conflicts --json` of one of them.
    pub fn conflicts(daemon: &Daemon) -> Value {
        serde_json::from_str(&cairn(&daemon.home, &["conflicts", "--json"])).unwrap()
    }

    /// Where a file of this test may lie.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
