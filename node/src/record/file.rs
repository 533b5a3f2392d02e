//! The bytes of a recording.
//!
//! ```text
//! "cairn recording 1\n"
//! for each record:
//!   length of what follows      4 bytes, highest first
//!   form                        0: plain; 1: a zstd frame
//!   CBOR                        a [`Record`]
//! ```
//! Records are compressed one by one, so that a file that ends anywhere can be read up to there.

use std::io::{self, ErrorKind, Read, Write};

use super::Record;
use crate::model::codec;

/// Longest record, in bytes, before it is compressed: a frame, and what stands around it.
pub const RECORD_LEN_MAX: usize = 4 * 1024 * 1024;

const BEGINNING: &[u8] = b"cairn recording 1\n";
/// What every version begins with.
const NAME: &[u8] = b"cairn recording ";
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Shorter records are not worth the time.
const COMPRESSED_FROM: usize = 128;

/// Writes records.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    len: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(BEGINNING)?;
        Ok(Self {
            output,
            len: BEGINNING.len() as u64,
        })
    }

    /// Bytes that were written.
    pub const fn written(&self) -> u64 {
        self.len
    }

    /// Writes a record.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.write_encoded(&codec::encode(record))
    }

    /// Writes a record that was encoded elsewhere.
    pub fn write_encoded(&mut self, record: &[u8]) -> io::Result<()> {
        if record.len() > RECORD_LEN_MAX {
            return Err(io::Error::other("a record is too long"));
        }
        let compressed = (record.len() >= COMPRESSED_FROM)
            .then(|| zstd::bulk::compress(record, 1))
            .transpose()?
            .filter(|compressed| compressed.len() < record.len());
        let (form, body) = match &compressed {
            Some(compressed) => (ZSTD, compressed.as_slice()),
            None => (PLAIN, record),
        };
        let len = u32::try_from(body.len() + 1).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(body.len() + 5);
        bytes.extend(len.to_be_bytes());
        bytes.push(form);
        bytes.extend(body);
        self.output.write_all(&bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Hands on what is buffered below.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// Why a recording cannot be read, or no further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Another file.
    #[error("this is no recording: cairn run --record FILE makes one")]
    NotARecording,
    /// Of another version.
    #[error("this recording is of a version that this program does not know: use the one that made it")]
    UnknownVersion,
    /// It ends in the middle of a record.
    #[error("it ends in the middle of a record, at byte {at}")]
    Torn {
        /// Where the record begins.
        at: u64,
    },
    /// A record makes no sense.
    #[error("the record at byte {at} cannot be read ({reason})")]
    Damaged {
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads records, one at a time. Takes memory for one record alone, whatever lengths a file declares.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Opens a recording.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut beginning = [0; BEGINNING.len()];
        match input.read_exact(&mut beginning) {
            Ok(()) if beginning == BEGINNING => Ok(Self {
                input,
                at: BEGINNING.len() as u64,
            }),
            Ok(()) if beginning.starts_with(NAME) => Err(ReadError::UnknownVersion),
            Ok(()) => Err(ReadError::NotARecording),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(ReadError::NotARecording),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the next record begins, in bytes.
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// The next record; `None` at the end of the file. After an error there is none any more.
    pub fn read(&mut self) -> Result<Option<Record>, ReadError> {
        let at = self.at;
        let mut len = Vec::new();
        (&mut self.input).take(4).read_to_end(&mut len)?;
        if len.is_empty() {
            return Ok(None);
        }
        let Ok(len) = <[u8; 4]>::try_from(len) else {
            return Err(ReadError::Torn { at });
        };
        let damaged = |reason: String| ReadError::Damaged { at, reason };
        let len = u32::from_be_bytes(len);
        // What does not shrink is not compressed.
        if len == 0 || len as usize > RECORD_LEN_MAX + 1 {
            return Err(damaged(format!("a length of {len} bytes")));
        }
        let mut body = Vec::new();
        (&mut self.input).take(u64::from(len)).read_to_end(&mut body)?;
        if body.len() < len as usize {
            return Err(ReadError::Torn { at });
        }
        self.at += 4 + u64::from(len);
        let unpacked;
        let record = match body.split_first() {
            Some((&PLAIN, record)) => record,
            Some((&ZSTD, packed)) => {
                unpacked = unpack(packed).map_err(|error| damaged(error.to_string()))?;
                &unpacked
            }
            _ => return Err(damaged("packed in a way that is not known".into())),
        };
        let record = codec::decode(record, RECORD_LEN_MAX).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(record))
    }
}

fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.take(RECORD_LEN_MAX as u64 + 1).read_to_end(&mut record)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Done, Given, Mark, Row};
    use super::*;
    use crate::record::ActionKind;
    use proptest::prelude::*;

    fn records() -> Vec<Record> {
        vec![
            Record::Rows(vec![Row {
                table: "entries".into(),
                key: vec![1],
                value: vec![0; 100_000],
            }]),
            Record::Given(1, 2, Given::Timer),
            Record::Done(Done {
                answers: vec![Answer::Length(7), Answer::Complaint("bad".into())],
                marks: vec![Mark(ActionKind::Report, 9)],
                due_us: Some(3),
                state: 4,
            }),
            Record::End("told to".into()),
        ]
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for record in records {
            writer.write(record).unwrap();
        }
        assert_eq!(writer.written(), writer.output.len() as u64);
        writer.into_inner()
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, Option<ReadError>) {
        let mut records = Vec::new();
        let mut reader = match Reader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (records, Some(error)),
        };
        loop {
            match reader.read() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => return (records, None),
                Err(error) => return (records, Some(error)),
            }
        }
    }

    #[test]
    fn records_come_back() {
        let bytes = written(&records());
        assert!(bytes.len() < 1000, "zeros take no room: {}", bytes.len());
        let (back, error) = read(&bytes);
        assert_eq!(back, records());
        assert!(error.is_none());
    }

    #[test]
    fn a_file_that_ends_anywhere_is_read_up_to_there() {
        let bytes = written(&records());
        let ends: Vec<usize> = (1..=4).map(|count| written(&records()[..count]).len()).collect();
        for len in BEGINNING.len()..bytes.len() {
            let (back, error) = read(&bytes[..len]);
            assert_eq!(back.len(), ends.iter().filter(|end| **end <= len).count());
            let whole = len == BEGINNING.len() || ends.contains(&len);
            assert_eq!(error.is_none(), whole, "{len}");
            if let Some(error) = error {
                assert!(matches!(error, ReadError::Torn { .. }), "{error}");
            }
        }
    }

    #[test]
    fn other_files_and_versions_are_named() {
        assert!(matches!(read(b"").1, Some(ReadError::NotARecording)));
        assert!(matches!(read(&[7; 100]).1, Some(ReadError::NotARecording)));
        let newer = b"cairn recording 2\n";
        assert!(matches!(read(newer).1, Some(ReadError::UnknownVersion)));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 1).unwrap();
        let mut bytes = BEGINNING.to_vec();
        bytes.extend((bomb.len() as u32 + 1).to_be_bytes());
        bytes.push(ZSTD);
        bytes.extend(bomb);
        let (back, error) = read(&bytes);
        assert!(
            back.is_empty() && matches!(error, Some(ReadError::Damaged { .. })),
            "{error:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0_usize..400, form in 0_u8..3) {
            let mut whole = written(&records());
            let at = BEGINNING.len() + at % (whole.len() - BEGINNING.len());
            whole.splice(at..(at + bytes.len()).min(whole.len()), bytes.iter().copied());
            read(&whole);
            let len = (bytes.len() as u32 + 1).to_be_bytes();
            read(&[BEGINNING, &len, &[form], &bytes].concat());
        }
    }
}
