//! `cairn fetch`: what a document's bytes take, and getting them.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use super::commands::Failure;
use super::output::{self, number, size, text};
use crate::control::{Client, Request};

/// Shows the price, and after a yes asks the node to fetch it.
pub(super) fn fetch(home: &Path, path: String, yes: bool, json: bool) -> Result<(), Failure> {
    let ask = |begin| {
        let request = Request::Fetch {
            path: path.clone(),
            begin,
        };
        Client::connect(home)?.ask(&request)
    };
    let price = ask(yes)?;
    if json {
        output::json(&price)?;
        return Ok(());
    }
    for line in told(&price) {
        writeln!(io::stdout(), "{line}")?;
    }
    // What is here, comes by itself or was asked for needs no yes.
    let settled = number(&price, "bytes_lacking") == 0
        || price["requested"] == true
        || price["unasked"] == true
        || price["linked"]
            .as_array()
            .is_some_and(|linked| !linked.is_empty());
    if settled || yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        eprintln!("Nothing was asked for: add --yes to get it.");
        return Ok(());
    }
    eprint!("Get it? [y/N] ");
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said)?;
    if matches!(said.trim(), "y" | "Y" | "yes") {
        ask(true)?;
        eprintln!("It is asked for, over a restart as well. cairn status shows what is not here yet.");
    }
    Ok(())
}

/// The price, for people.
fn told(price: &Value) -> Vec<String> {
    let path = text(price, "path");
    let lacking = number(price, "bytes_lacking");
    if lacking == 0 {
        return vec![format!("{path} is here: cairn get {path}")];
    }
    let mut lines = vec![format!(
        "{path}: {} of {} are not here.",
        size(lacking),
        size(number(price, "bytes"))
    )];
    let items = |key: &str| price[key].as_array().cloned().unwrap_or_default();
    let names = |nodes: &Value| {
        let nodes = nodes.as_array().into_iter().flatten().filter_map(Value::as_str);
        let short = nodes.map(|node| node.get(..16).unwrap_or(node).to_owned());
        short.collect::<Vec<_>>().join(", ")
    };
    if !items("linked").is_empty() {
        lines.push(format!(
            "It comes by itself over a link with {}.",
            names(&price["linked"])
        ));
        return lines;
    }
    let radios = items("radios");
    for radio in &radios {
        let ask = names(&radio["ask"]);
        lines.push(if ask.is_empty() {
            "By radio: nobody is heard who may have it; it comes when somebody is.".to_owned()
        } else {
            format!(
                "By radio: {} on air, about {} until it is here; asked: {ask}.",
                time(number(radio, "airtime_ms")),
                time(number(radio, "expected_ms"))
            )
        });
    }
    if radios.is_empty() {
        lines.push("No link is up: it comes by itself with the next one.".to_owned());
    } else if price["requested"] == true {
        lines.push("It is asked for.".to_owned());
    } else if price["unasked"] == true {
        lines.push("It is short enough to come by itself.".to_owned());
    }
    lines
}

fn time(millis: u64) -> String {
    match millis.div_ceil(1000) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7_200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        seconds => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_price_is_told_in_a_few_lines() {
        let price = |linked: &[&str], ask: &[&str]| {
            json!({
                "path": "/private/a/b", "bytes": 300_000, "bytes_lacking": 204_800, "unasked": false, "requested": false,
                "linked": linked,
                "radios": [{ "airtime_ms": 610_000, "expected_ms": 4_000_000, "ask": ask }],
            })
        };
        let lines = told(&price(&[], &["0123456789abcdef0123"]));
        assert!(
            lines[0].contains("200") && lines[0].contains("/private/a/b"),
            "{lines:?}"
        );
        assert_eq!(
            lines[1],
            "By radio: 11 min on air, about 67 min until it is here; asked: 0123456789abcdef."
        );
        assert!(told(&price(&[], &[]))[1].contains("nobody is heard"));
        assert!(told(&price(&["ab"], &[]))[1].contains("by itself over a link with ab"));
    }
}
