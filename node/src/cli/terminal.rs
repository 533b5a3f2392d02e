//! A line from a terminal that does not show it.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::commands::Failure;

const LINE_LEN_MAX: usize = 4096;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

/// Puts a terminal back as it was.
struct Restore<F: AsFd> {
    terminal: F,
    before: Termios,
}

impl<F: AsFd> Drop for Restore<F> {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks for a line on a terminal, without echo.
///
/// Keys are read one by one: Ctrl-C comes as a key, so that the terminal is never left without echo.
pub(super) fn read_hidden(terminal: impl AsFd, prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let terminal = terminal.as_fd();
    let before = tcgetattr(terminal).map_err(Failure::of)?;
    let mut hidden = before.clone();
    hidden.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    let restore = Restore { terminal, before };
    // What was typed before is no answer to this.
    tcsetattr(terminal, OptionalActions::Flush, &hidden).map_err(Failure::of)?;
    eprint!("{prompt}");
    let _ = io::stderr().flush();
    let line = keys(|| next_byte(terminal));
    drop(restore);
    eprintln!();
    line
}

/// The next byte; `None` at the end. Past any buffer, which would keep what it read.
fn next_byte(from: impl AsFd) -> Result<Option<u8>, Failure> {
    let mut byte = [0];
    loop {
        match rustix::io::read(&from, &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::of(error)),
        }
    }
}

/// Reads keys up to Enter.
fn keys(mut next: impl FnMut() -> Result<Option<u8>, Failure>) -> Result<Zeroizing<String>, Failure> {
    let cancelled = || Failure::of("cancelled: nothing was changed");
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_LEN_MAX));
    loop {
        match next()? {
            Some(b'\n' | b'\r') => break,
            None | Some(CTRL_C | CTRL_D) => return Err(cancelled()),
            Some(CTRL_U) => line.clear(),
            Some(BACKSPACE | DELETE) => {
                // A character may be several bytes: all but its first begin with the bits 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            Some(key) if line.len() < LINE_LEN_MAX => line.push(key),
            Some(_) => return Err(Failure::usage("this is too long for a passphrase")),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| Failure::usage("a passphrase is UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Result<String, Failure> {
        let mut bytes = bytes.iter().copied();
        keys(|| Ok(bytes.next())).map(|line| line.to_string())
    }

    #[test]
    fn keys_make_a_line() {
        assert_eq!(typed(b"ab c\rrest").unwrap(), "ab c");
        assert_eq!(typed("ä€x\x7f\x7f\x08b\n".as_bytes()).unwrap(), "b");
        assert_eq!(typed(b"wrong\x15right\n").unwrap(), "right");
        assert_eq!(typed(b"\x7f\n").unwrap(), "");
        for cancelled in [&b"ab\x03"[..], b"ab\x04\n", b"ab"] {
            assert!(typed(cancelled).is_err());
        }
        assert!(typed(&[b'x'; 5000]).is_err());
        assert!(typed(b"\xff\n").is_err());
    }
}
