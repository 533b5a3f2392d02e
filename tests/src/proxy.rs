//! A way between two nodes that counts bytes and can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Passes TCP connections on to one address.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    bytes: AtomicU64,
    open: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on loopback and passes connections on to `to`.
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to,
            bytes: AtomicU64::new(0),
            open: AtomicBool::new(true),
            streams: Mutex::new(Vec::new()),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for incoming in listener.incoming().flatten() {
                if !accepting.open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(outgoing) = TcpStream::connect(accepting.to) else {
                    continue;
                };
                let mut streams = accepting.streams.lock().unwrap();
                streams.push(incoming.try_clone().unwrap());
                streams.push(outgoing.try_clone().unwrap());
                drop(streams);
                let (back_from, back_to) = (outgoing.try_clone().unwrap(), incoming.try_clone().unwrap());
                pass(accepting.clone(), incoming, outgoing);
                pass(accepting.clone(), back_from, back_to);
            }
        });
        Self { address, shared }
    }

    /// Bytes that went through, both ways.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Cuts every connection; with `open` false, refuses new ones as well.
    pub fn cut(&self, open: bool) {
        self.shared.open.store(open, Ordering::SeqCst);
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(shared: Arc<Shared>, mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            shared.bytes.fetch_add(len as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
