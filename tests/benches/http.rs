//! PUT and GET of single documents, beside armadietto and, for GET, nginx on plain files.
//!
//! A PUT replaces one of 64 documents of a folder that its connection has for itself, with other content each time;
//! cairn has it on disk before it answers, armadietto in the kernel's memory. The bound for one connection is a write
//! and `fdatasync` of the same bytes. A GET reads one of 256 documents, and every byte is compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark fails by panicking

use std::path::Path;
use std::time::Duration;

use cairn_tests::bench::{
    Arguments, Armadietto, Load, Nginx, Samples, Storage, Table, describe_machine, load, milliseconds,
    missing, number, ratio, synced_writes,
};
use cairn_tests::{Daemon, Random};

const SIZES: [(&str, usize); 2] = [("1 KiB", 1024), ("100 KiB", 100 * 1024)];
const CONNECTIONS: [usize; 2] = [1, 32];
/// Documents that a connection replaces in turn.
const PUT_DOCUMENTS: usize = 64;
const GET_DOCUMENTS: usize = 256;

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
        "request", "server", "a second", "p50 ms", "p99 ms", "failed", "cairn is",
    ];
    let mut table = Table::new("PUT (cairn durable, armadietto not)", &head);
    for (size, len) in SIZES {
        for connections in CONNECTIONS {
            let name = format!("put {size}, {connections} at once");
            if arguments.wants(&name) {
                puts(
                    &arguments,
                    &mut table,
                    &storages,
                    &name,
                    len,
                    connections,
                    folder.path(),
                );
            }
        }
    }
    table.print();

    let mut table = Table::new("GET", &head);
    for (size, len) in SIZES {
        let names =
            CONNECTIONS.map(|connections| (format!("get {size}, {connections} at once"), connections));
        if names.iter().any(|(name, _)| arguments.wants(name)) {
            gets(&arguments, &mut table, &storages, &names, len, folder.path());
        }
    }
    table.print();
}

fn rows(table: &mut Table, name: &str, measured: &[(&str, Samples)]) {
    let ours = measured[0].1.rate();
    for (server, samples) in measured {
        table.row(vec![
            name.to_owned(),
            (*server).to_owned(),
            number(samples.rate()),
            milliseconds(samples.median()),
            milliseconds(samples.percentile(0.99)),
            samples.failures.to_string(),
            if *server == "cairn" {
                "–".into()
            } else {
                ratio(ours, samples.rate())
            },
        ]);
    }
}

fn amount(arguments: &Arguments, connections: usize) -> Load {
    Load {
        connections,
        duration: arguments.either(Duration::from_secs(6), Duration::from_secs(1)),
        warm_up: arguments.either(Duration::from_secs(1), Duration::from_millis(200)),
    }
}

fn puts(
    arguments: &Arguments,
    table: &mut Table,
    storages: &[Storage],
    name: &str,
    len: usize,
    connections: usize,
    folder: &Path,
) {
    let body = Random(1).bytes(len);
    let amount = amount(arguments, connections);
    let mut measured: Vec<(&str, Samples)> = storages
        .iter()
        .map(|storage| {
            let request = |index: usize, n: usize, buffer: &mut Vec<u8>| {
                storage.put(buffer, &format!("/put{len}/{index}/{}", n % PUT_DOCUMENTS), &body);
                // No two bodies are the same.
                let stamp = [index.to_le_bytes(), n.to_le_bytes()].concat();
                let at = buffer.len() - len;
                buffer[at..at + stamp.len()].copy_from_slice(&stamp);
            };
            let samples = load(storage.address, amount, request, |_, _, answer| {
                matches!(answer.status, 200 | 201)
            });
            (storage.name, samples)
        })
        .collect();
    if connections == 1 {
        measured.push(("write + fdatasync", synced_writes(folder, len, amount.duration)));
    }
    rows(table, name, &measured);
}

fn gets(
    arguments: &Arguments,
    table: &mut Table,
    storages: &[Storage],
    names: &[(String, usize)],
    len: usize,
    folder: &Path,
) {
    let mut random = Random(2);
    let documents: Vec<(String, Vec<u8>)> = (0..GET_DOCUMENTS)
        .map(|index| (format!("/get{len}/{}/{index}", index % 4), random.bytes(len)))
        .collect();
    for storage in storages {
        storage.fill(&documents, 2);
    }
    let plain = folder.join(format!("nginx{len}"));
    for (path, body) in &documents {
        let path = plain.join("files").join(&path[1..]);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    // Its workers must get at the files, whoever they run as.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder, open).unwrap();
    let nginx = Nginx::start(&plain);
    if let Err(why) = &nginx {
        missing("nginx", why);
    }
    let mut storages = storages.to_vec();
    storages.extend(nginx.iter().map(|nginx| nginx.storage.clone()));
    for (name, connections) in names.iter().filter(|(name, _)| arguments.wants(name)) {
        let measured: Vec<(&str, Samples)> = storages
            .iter()
            .map(|storage| {
                let which = |index: usize, n: usize| &documents[(index * 37 + n) % GET_DOCUMENTS];
                let samples = load(
                    storage.address,
                    amount(arguments, *connections),
                    |index, n, buffer| storage.head(buffer, "GET", &which(index, n).0, ""),
                    |index, n, answer| answer.status == 200 && answer.body == which(index, n).1,
                );
                (storage.name, samples)
            })
            .collect();
        rows(table, name, &measured);
    }
}
