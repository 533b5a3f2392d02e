//! Listings of folders, and asking whether one has changed, beside armadietto.
//!
//! A listing counts when it names as many documents as the folder has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark fails by panicking

use std::time::Duration;

use cairn_tests::Daemon;
use cairn_tests::bench::{
    Arguments, Armadietto, Connection, Load, Samples, Storage, Table, describe_machine, load, milliseconds,
    missing, number, ratio,
};

fn main() {
    let Some(arguments) = Arguments::read() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    describe_machine(folder.path());
    let node = Daemon::start(&folder.path().join("cairn"), &[]);
    let armadietto = Armadietto::start(&folder.path().join("armadietto"));
    if let Err(why) = &armadietto {
        missing("armadietto", why);
    }
    let mut storages = vec![Storage::of(&node)];
    storages.extend(armadietto.iter().map(|peer| peer.storage.clone()));

    let head = [
        "folder", "server", "bytes", "a second", "p50 ms", "p99 ms", "failed", "cairn is",
    ];
    let mut table = Table::new("Listings over one connection", &head);
    for count in [100, arguments.either(10_000, 1_000)] {
        let names = [format!("list {count}"), format!("unchanged {count}")];
        if !names.iter().any(|name| arguments.wants(name)) {
            continue;
        }
        let documents: Vec<(String, Vec<u8>)> = (0..count)
            .map(|index| (format!("/folder{count}/document-{index:05}.txt"), vec![b'x'; 100]))
            .collect();
        for storage in &storages {
            // armadietto writes its list of the folder anew at each PUT, and has a lock that waiters poll.
            storage.fill(&documents, if storage.name == "cairn" { 16 } else { 1 });
        }
        for (name, unchanged) in names.iter().zip([false, true]) {
            if arguments.wants(name) {
                measure(&arguments, &mut table, &storages, name, count, unchanged);
            }
        }
    }
    table.print();
}

fn measure(
    arguments: &Arguments,
    table: &mut Table,
    storages: &[Storage],
    name: &str,
    count: usize,
    unchanged: bool,
) {
    let amount = Load {
        connections: 1,
        duration: arguments.either(Duration::from_secs(5), Duration::from_secs(1)),
        warm_up: Duration::from_millis(300),
    };
    let mut ours = 0.0;
    for storage in storages {
        let path = format!("/folder{count}/");
        let (etag, len) = look(storage, &path, count);
        let more = if unchanged {
            format!("If-None-Match: {etag}\r\n")
        } else {
            String::new()
        };
        let samples: Samples = load(
            storage.address,
            amount,
            |_, _, buffer| storage.head(buffer, "GET", &path, &more),
            |_, _, answer| match unchanged {
                true => answer.status == 304,
                false => answer.status == 200 && answer.body.len() == len,
            },
        );
        if storage.name == "cairn" {
            ours = samples.rate();
        }
        table.row(vec![
            name.to_owned(),
            storage.name.to_owned(),
            if unchanged { 0 } else { len }.to_string(),
            number(samples.rate()),
            milliseconds(samples.median()),
            milliseconds(samples.percentile(0.99)),
            samples.failures.to_string(),
            if storage.name == "cairn" {
                "–".into()
            } else {
                ratio(ours, samples.rate())
            },
        ]);
    }
}

/// The folder's tag, and how long its listing is; checks that all is in it.
fn look(storage: &Storage, path: &str, count: usize) -> (String, usize) {
    let mut connection = Connection::open(storage.address).unwrap();
    let mut request = Vec::new();
    storage.head(&mut request, "GET", path, "");
    let answer = connection.exchange(&request).unwrap();
    let listing: serde_json::Value = serde_json::from_slice(answer.body).unwrap();
    let listed = listing["items"].as_object().unwrap().len();
    assert_eq!(listed, count, "{}", storage.name);
    (answer.header("etag").unwrap().to_owned(), answer.body.len())
}
