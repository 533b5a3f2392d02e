//! Copies by the simplest means: what a first sync is measured against.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Random;

const PIECE_LEN: usize = 1 << 20;

/// Writes a file of `len` bytes that do not compress.
pub fn random_file(path: &Path, len: u64) {
    let mut file = File::create(path).unwrap();
    let mut random = Random(7);
    let mut left = len;
    while left > 0 {
        let piece = left.min(PIECE_LEN as u64);
        file.write_all(&random.bytes(piece as usize)).unwrap();
        left -= piece;
    }
    file.sync_all().unwrap();
}

/// Says whether two files hold the same bytes.
pub fn same_content(a: &Path, b: &Path) -> bool {
    let (mut a, mut b) = (
        BufReader::with_capacity(PIECE_LEN, File::open(a).unwrap()),
        BufReader::with_capacity(PIECE_LEN, File::open(b).unwrap()),
    );
    let (mut left, mut right) = (vec![0; PIECE_LEN], vec![0; PIECE_LEN]);
    loop {
        let len = a.read(&mut left).unwrap();
        if len == 0 {
            return b.read(&mut right).unwrap() == 0;
        }
        if b.read_exact(&mut right[..len]).is_err() || left[..len] != right[..len] {
            return false;
        }
    }
}

/// `cp -r from to`, then `sync`: of the file alone, or of the file system when it is a folder.
pub fn copy_and_sync(from: &Path, to: &Path) -> Duration {
    let start = Instant::now();
    run(Command::new("cp").arg("-r").arg(from).arg(to));
    let mut sync = Command::new("sync");
    if from.is_dir() {
        sync.arg("-f");
    }
    run(sync.arg(to));
    start.elapsed()
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Sends the files of a folder over one TCP connection on loopback into another folder, and syncs what was written:
/// the file when it is one, the file system when there are more.
pub fn folder_over_tcp(from: &Path, to: &Path) -> Duration {
    let mut files: Vec<PathBuf> = fs::read_dir(from)
        .unwrap()
        .map(|item| item.unwrap().path())
        .collect();
    files.sort();
    fs::create_dir_all(to).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = files.len();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            for path in &files {
                let mut file = File::open(path).unwrap();
                let len = file.metadata().unwrap().len();
                stream.write_all(&len.to_le_bytes()).unwrap();
                std::io::copy(&mut file, &mut stream).unwrap();
            }
        });
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::with_capacity(PIECE_LEN, stream);
        let mut last = None;
        for index in 0..count {
            let mut len = [0; 8];
            stream.read_exact(&mut len).unwrap();
            let mut file = File::create(to.join(index.to_string())).unwrap();
            let mut body = (&mut stream).take(u64::from_le_bytes(len));
            let mut piece = vec![0; PIECE_LEN.min(u64::from_le_bytes(len) as usize)];
            while body.limit() > 0 {
                let read = body.read(&mut piece).unwrap();
                assert!(read > 0, "the sender ended early");
                file.write_all(&piece[..read]).unwrap();
            }
            last = Some(file);
        }
        match last {
            Some(file) if count == 1 => file.sync_all().unwrap(),
            _ => run(Command::new("sync").arg("-f").arg(to)),
        }
    });
    start.elapsed()
}
