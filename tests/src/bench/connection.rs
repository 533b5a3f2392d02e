//! A client of HTTP/1.1 that costs next to nothing: what is measured is the server.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(120);
const PIECE_LEN: usize = 256 * 1024;

/// One connection, kept alive from request to request.
pub struct Connection {
    stream: TcpStream,
    /// What was read; the first `filled` bytes mean something.
    buffer: Vec<u8>,
    filled: usize,
    body: Vec<u8>,
}

/// What the server said.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The header, status line included.
    pub header: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The value of a header line.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_value(self.header, name)
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self {
            stream,
            buffer: vec![0; PIECE_LEN],
            filled: 0,
            body: Vec::new(),
        })
    }

    /// Sends a whole request and takes the whole answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request)?;
        self.filled = 0;
        let header_len = loop {
            self.fill()?;
            if let Some(at) = find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break at + 4;
            }
        };
        let (status, len, chunked) = {
            let header = text(&self.buffer[..header_len])?;
            let status: u16 = header
                .get(9..12)
                .and_then(|status| status.parse().ok())
                .ok_or_else(|| bad("no status"))?;
            let len = header_value(header, "content-length").and_then(|len| len.parse::<usize>().ok());
            let chunked = header_value(header, "transfer-encoding").is_some();
            (status, len, chunked)
        };
        self.body.clear();
        let bodiless = status == 304 || status == 204 || request.starts_with(b"HEAD");
        let whole = header_len + len.unwrap_or(0);
        let in_place = bodiless || !chunked;
        if bodiless {
        } else if chunked {
            self.chunks(header_len)?;
        } else {
            if self.buffer.len() < whole {
                self.buffer.resize(whole, 0);
            }
            while self.filled < whole {
                self.fill()?;
            }
        }
        let (header, rest) = self.buffer.split_at(header_len);
        let body = match (bodiless, in_place) {
            (true, _) => &[],
            (false, true) => &rest[..whole - header_len],
            (false, false) => &self.body[..],
        };
        Ok(Answer {
            status,
            header: text(header)?,
            body,
        })
    }

    fn fill(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + PIECE_LEN, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            len => {
                self.filled += len;
                Ok(())
            }
        }
    }

    /// Takes a chunked body that begins at `at`.
    fn chunks(&mut self, mut at: usize) -> Result<()> {
        loop {
            let line_len = loop {
                match find(&self.buffer[at..self.filled], b"\r\n") {
                    Some(len) => break len,
                    None => self.fill()?,
                }
            };
            let line = text(&self.buffer[at..at + line_len])?;
            let len = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| bad("no chunk"))?;
            at += line_len + 2;
            while self.filled < at + len + 2 {
                self.fill()?;
            }
            if len == 0 {
                return Ok(());
            }
            self.body.extend_from_slice(&self.buffer[at..at + len]);
            at += len + 2;
        }
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| bad("no text"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn header_value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn bodies_of_all_forms_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ];
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                for piece in answer.chunks(7) {
                    stream.write_all(piece).unwrap();
                }
            }
        });
        let mut connection = Connection::open(address).unwrap();
        let expected: [(u16, &[u8]); 4] = [(200, b"abc"), (201, b"abcde"), (304, b""), (200, b"")];
        for (status, body) in expected {
            let answer = connection.exchange(b"GET ").unwrap();
            assert_eq!((answer.status, answer.body), (status, body));
            if status == 304 {
                assert_eq!(answer.header("etag"), Some("\"x\""));
            }
        }
    }
}
