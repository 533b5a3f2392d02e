//! What sealing costs: bytes that a document grows by, and time beside plain ChaCha20-Poly1305 on the same core.
#![allow(clippy::unwrap_used, clippy::panic)] // a benchmark fails by panicking
#![allow(clippy::disallowed_methods)] // and measures real time

use std::hint::black_box;
use std::time::{Duration, Instant};

use cairn::mesh::Precondition;
use cairn::model::{DocumentPath, KeyPair};
use cairn::seal::EpochKey;
use cairn::space::View;
use cairn::store::Store;
use cairn_sim::random::Seeds;
use cairn_sim::{BodySizes, World};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};

/// Rounds of each kind, one after the other, of which the median counts.
const ROUNDS: usize = 15;
/// What one round works on.
const ROUND_LEN: usize = 64 * 1024 * 1024;

fn main() {
    let noise = noise(1024 * 1024);
    println!("| document | public, bytes | private, bytes | added | of it padding and tags of contents |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, len) in [("64 B", 64), ("1 KiB", 1024), ("1 MiB", 1024 * 1024)] {
        let body = &noise[..len];
        let [(public, _), (private, contents)] =
            ["/public/notes/a", "/private/notes/a"].map(|path| stored(path, body));
        println!(
            "| {name} | {public} | {private} | {} ({:.1} %) | {} |",
            private - public,
            (private as f64 / public as f64 - 1.0) * 100.0,
            contents.map_or(String::from("in the body"), |contents| (contents - len)
                .to_string()),
        );
    }
    println!();
    println!("| one core, MiB a second | 4 KiB | 64 KiB | 256 KiB | 1 MiB |");
    println!("| --- | --- | --- | --- | --- |");
    let lens = [4, 64, 256, 1024].map(|kib| kib * 1024);
    let rates: Vec<[f64; 4]> = lens.iter().map(|len| rates(&noise[..*len])).collect();
    for (at, name) in [
        "plain, encrypted",
        "a chunk, sealed",
        "plain, decrypted",
        "a chunk, opened",
    ]
    .into_iter()
    .enumerate()
    {
        print!("| {name} |");
        for rate in &rates {
            match at {
                1 | 3 => print!(" {:.0} ({:.0} %) |", rate[at], rate[at] / rate[at - 1] * 100.0),
                _ => print!(" {:.0} |", rate[at]),
            }
        }
        println!();
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut generator = Seeds::new(1).generator("noise", "");
    (0..len).map(|_| generator.below(256) as u8).collect()
}

/// Bytes of a document in all, as a node keeps and sends it: entry, what lies beside it, chunks. And those of its chunks alone, if it has any.
fn stored(path: &str, body: &[u8]) -> (usize, Option<usize>) {
    let mut world = World::new(1, 1).unwrap();
    world.body_sizes = BodySizes::REAL;
    let path: DocumentPath = path.parse().unwrap();
    world.put(0, &path, body, Precondition::default()).unwrap();
    world.run(Duration::from_secs(1)).unwrap();
    let node = &world.nodes[0];
    let read = node.store.read().unwrap();
    let view = View(&read);
    let dot = view.document(&path).unwrap().stored().unwrap().head.dot;
    let entry = view.entry(dot).unwrap().unwrap().encode().len();
    let beside = view.attachment(dot).unwrap().map_or(0, |bytes| bytes.len());
    let chunks: usize = node.chunks.values().map(Vec::len).sum();
    (entry + beside + chunks, (chunks > 0).then_some(chunks))
}

/// MiB a second: encrypted plainly, sealed, decrypted plainly, opened.
fn rates(chunk: &[u8]) -> [f64; 4] {
    let plain = ChaCha20Poly1305::new(&Key::from([7; 32]));
    let nonce = Nonce::default();
    let epoch = EpochKey::first(&KeyPair::from_seed(&[1; 32]));
    let encrypted = plain.encrypt(&nonce, chunk).unwrap();
    let (key, sealed) = epoch.seal_chunk(chunk).unwrap();
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let works: [&dyn Fn(); 4] = [
            &|| drop(black_box(plain.encrypt(&nonce, black_box(chunk)).unwrap())),
            &|| drop(black_box(epoch.seal_chunk(black_box(chunk)).unwrap())),
            &|| {
                drop(black_box(
                    plain.decrypt(&nonce, black_box(&encrypted[..])).unwrap(),
                ))
            },
            &|| drop(black_box(key.open(black_box(&sealed)).unwrap())),
        ];
        for (work, times) in works.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..ROUND_LEN / chunk.len() {
                work();
            }
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        ROUND_LEN as f64 / (1024.0 * 1024.0) / times[ROUNDS / 2]
    })
}
