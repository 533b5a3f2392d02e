//! Running the program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program, built once for all tests of a process.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("cairn", "CAIRN_PROGRAM"))
}

/// The simulator, likewise.
pub fn simulator() -> &'static Path {
    static SIMULATOR: OnceLock<PathBuf> = OnceLock::new();
    SIMULATOR.get_or_init(|| built("cairn-sim", "CAIRN_SIMULATOR"))
}

/// The program of a package, unless the variable `given` names one.
fn built(package: &str, given: &str) -> PathBuf {
    if let Some(given) = std::env::var_os(given) {
        return given.into();
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--locked", "-p", package, "--bin", package])
        .arg("--message-format=json")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // What cargo says of this package is nothing to build the program by, and build scripts that look at it (ring's
    // does) would run again at every turn.
    for (name, _) in std::env::vars_os() {
        let about_this = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_CRATE_",
            "CARGO_BIN_",
            "CARGO_PRIMARY_",
        ];
        if about_this
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            build.env_remove(name);
        }
    }
    let output = build.output().expect("cargo runs");
    assert!(output.status.success(), "{package} does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .find(|path| path.file_name().is_some_and(|name| name == package))
        .expect("cargo names the program that it built")
}

/// The runtime folder of a node: outside of its own, as on a real machine, and gone with the test.
pub(crate) fn runtime_folder(home: &Path) -> PathBuf {
    let folder = home.parent().expect("a folder below the test's").join("runtime");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("--home").arg(home).args(args).stdin(Stdio::null());
    command.env("XDG_RUNTIME_DIR", runtime_folder(home));
    command
}

/// Runs a command that must succeed, and gives its standard output.
pub fn cairn(home: &Path, args: &[&str]) -> String {
    let output = command(home, args).output().expect("the program starts");
    assert!(output.status.success(), "cairn {args:?}: {}", describe(&output));
    String::from_utf8(output.stdout).expect("text on standard output")
}

/// Runs a command that must fail, and gives its exit code and what it said.
pub fn cairn_fails(home: &Path, args: &[&str]) -> (i32, String) {
    let output = command(home, args).output().expect("the program starts");
    assert!(
        !output.status.success(),
        "cairn {args:?} should fail: {}",
        describe(&output)
    );
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Runs a command with `input` on its standard input; gives its exit code, and what it printed and said.
pub fn cairn_given(home: &Path, args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = command(home, args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // Whoever refuses early reads nothing.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn describe(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A line of `/proc/PID/status`, such as `VmHWM`, in KiB.
pub fn memory_kib(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    status
        .lines()
        .find_map(|found| {
            found
                .strip_prefix(line)?
                .strip_prefix(':')?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .expect("the kernel tells")
}
