//! A web site of somebody else: a few pages at an address of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

/// Serves what it was given at 127.0.0.2, which is another site than 127.0.0.1, until the process ends.
pub struct WebSite {
    address: SocketAddr,
}

impl WebSite {
    /// A site with these files, by name; the one without a name is its first page.
    pub fn serve(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut request = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = request.next().unwrap_or_default();
                while request.next().is_some_and(|line| !line.is_empty()) {}
                let target = first.split(' ').nth(1).unwrap_or_default();
                let name = target.split(['?', '#']).next().unwrap_or_default();
                let name = name.trim_start_matches('/');
                let (status, body) = match files.get(name) {
                    Some(body) => ("200 OK", body.as_slice()),
                    None => ("404 Not Found", &[][..]),
                };
                let media = match name.ends_with(".js") {
                    true => "text/javascript",
                    false => "text/html",
                };
                // Whoever asked may have gone.
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status}\r\nContent-Type: {media}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                )
                .and_then(|()| (&stream).write_all(body));
            }
        });
        Self { address }
    }

    /// The address of the first page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
