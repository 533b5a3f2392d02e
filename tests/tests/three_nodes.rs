//! Three nodes, ten thousand documents of a real tree, and processes that die in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cairn_tests::{Random, Space, cairn, eventually, percent_encode};

const DOCUMENTS: usize = 10_000;
const LEN_MAX: u64 = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(240);

/// Files of a tree that every machine with Rust or Debian has.
fn tree() -> Vec<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut files = Vec::new();
    for root in cargo
        .map(|home| home.join("registry/src"))
        .into_iter()
        .chain([PathBuf::from("/usr/share/doc")])
    {
        walk(&root, &mut files);
        if files.len() >= DOCUMENTS {
            break;
        }
    }
    assert!(
        files.len() > 500,
        "too few files below the cargo registry and /usr/share/doc"
    );
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(items) = std::fs::read_dir(folder) else {
        return;
    };
    let mut items: Vec<_> = items.flatten().map(|item| item.path()).collect();
    items.sort();
    for path in items {
        if files.len() >= DOCUMENTS {
            return;
        }
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            walk(&path, files);
        } else if metadata.is_file() && metadata.len() <= LEN_MAX {
            files.push(path);
        }
    }
}

/// Puts `documents` through the HTTP door of `node`, by several clients at once.
fn put_all(space: &Space, node: usize, documents: &[(String, Vec<u8>)]) {
    let http = space.nodes[node].http();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((path, body)) = documents.get(next.fetch_add(1, Ordering::Relaxed)) {
                    http.store(path, body);
                }
            });
        }
    });
}

fn exports_are_equal(space: &Space) {
    let mut first = None;
    for (index, node) in space.nodes.iter().enumerate() {
        let tar = space.scratch(format!("export{index}.tar"));
        cairn(&node.home, &["export", "/", tar.to_str().unwrap()]);
        let bytes = std::fs::read(&tar).unwrap();
        match &first {
            None => first = Some(bytes),
            Some(first) => assert!(
                *first == bytes,
                "the export of node {index} differs from node 0's"
            ),
        }
    }
}

fn run(listen: &str) {
    let mut space = Space::new(3, listen);
    let files = tree();
    let documents: Vec<(String, Vec<u8>)> = (0..DOCUMENTS)
        .map(|index| {
            let file = &files[index % files.len()];
            let name = percent_encode(&file.file_name().unwrap().to_string_lossy());
            (
                format!("/tree/{}/{index}-{name}", index % 97),
                std::fs::read(file).unwrap_or_default(),
            )
        })
        .collect();
    put_all(&space, 0, &documents);
    space.in_step(DEADLINE);
    exports_are_equal(&space);
    let http = space.nodes[2].http();
    for (path, body) in documents.iter().step_by(501) {
        let (status, found, _) = http.get(path).unwrap();
        assert!(
            status == 200 && found == *body,
            "{path} on the third node: {status}"
        );
    }

    // Now processes die while writes go on.
    let acknowledged = Mutex::new(BTreeMap::new());
    let mut random = Random(0x000c_a117);
    for round in 0..6 {
        let stop = AtomicBool::new(false);
        let writer_at = (random.below(3)) as usize;
        let victim = (random.below(3)) as usize;
        let http = space.nodes[writer_at].http();
        let started = AtomicUsize::new(0);
        let (written, seed) = (20 + random.below(200) as usize, random.draw());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random(seed);
                for index in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let path = format!("/crash/{round}/{}", index % 150);
                    let len = random.below(40_000) as usize;
                    let body = random.bytes(len);
                    // What was not answered may or may not be there; the next answer for the path says.
                    acknowledged.lock().unwrap().remove(&path);
                    if let Ok((200 | 201, _)) = http.put(&path, &body, &[]) {
                        acknowledged.lock().unwrap().insert(path, body);
                    } else if !stop.load(Ordering::SeqCst) {
                        // Its node was killed: these writes are over.
                        return;
                    }
                    started.fetch_add(1, Ordering::SeqCst);
                }
            });
            eventually(DEADLINE, || {
                (started.load(Ordering::SeqCst) >= written)
                    .then_some(())
                    .ok_or_else(|| "writing".into())
            });
            space.nodes[victim].kill();
            stop.store(true, Ordering::SeqCst);
        });
        space.nodes[victim].restart();
    }
    space.in_step(DEADLINE);
    exports_are_equal(&space);
    for node in &space.nodes {
        let http = node.http();
        for (path, body) in acknowledged.lock().unwrap().iter() {
            let (status, found, _) = http.get(path).unwrap();
            assert!(
                status == 200 && found == *body,
                "{path} was acknowledged: {status}"
            );
        }
    }
}

#[test]
fn ten_thousand_documents_over_tcp() {
    run("tcp://127.0.0.1:0");
}

#[test]
fn ten_thousand_documents_over_libp2p() {
    run("/ip4/127.0.0.1/tcp/0");
}
