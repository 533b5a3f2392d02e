//! Records in a stream of bytes.

use cairn_transports::FRAME_LEN_MAX;
use cairn_transports::framing::{
    FramingError, REASON_LEN_MAX, Record, RecordDecoder, close, frame_head, ping, pong,
};

use super::choices::Choices;

/// Laws: a stream gives the same records and the same error whatever the pieces it comes in; records encode to the
/// bytes they were read from; every record is within its bound.
pub fn frame(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    let built = choices.flag();
    let pieces: Vec<usize> = choices.list(8, |choices| usize::from(choices.byte()) + 1);
    if !built {
        return read(choices.rest(), &pieces);
    }
    let damage = choices.flag();
    let mut stream = Vec::new();
    let mut records = Vec::new();
    while !choices.is_empty() && records.len() < 32 {
        let record = record(&mut choices);
        stream.extend(encode(&record));
        records.push(record);
        if damage && choices.byte() == 255 {
            break;
        }
    }
    if !(damage && choices.damage(&mut stream)) {
        assert_eq!(decode(&stream, &pieces), (records, None));
    }
    read(&stream, &pieces)
}

fn record(choices: &mut Choices) -> Record {
    match choices.byte() % 8 {
        0 => Record::Ping(choices.number()),
        1 => Record::Pong(choices.number()),
        2 => Record::Close(choices.text().chars().take(60).collect()),
        _ => Record::Frame(choices.blob().into()),
    }
}

fn encode(record: &Record) -> Vec<u8> {
    match record {
        Record::Frame(frame) => [frame_head(frame.len()).as_slice(), frame].concat(),
        Record::Ping(token) => ping(*token),
        Record::Pong(token) => pong(*token),
        Record::Close(reason) => close(reason),
    }
}

/// Reads a stream that comes in pieces of these lengths, over and over; whole, if there are none.
fn decode(mut stream: &[u8], pieces: &[usize]) -> (Vec<Record>, Option<FramingError>) {
    let (mut decoder, mut records) = (RecordDecoder::default(), Vec::new());
    let mut lens = pieces.iter().cycle();
    while !stream.is_empty() {
        let len = lens.next().map_or(stream.len(), |len| (*len).min(stream.len()));
        let (mut piece, rest) = stream.split_at(len);
        stream = rest;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Some(error)),
            }
        }
        assert!(piece.is_empty(), "a piece is taken whole");
    }
    (records, None)
}

fn read(stream: &[u8], pieces: &[usize]) -> bool {
    let whole = decode(stream, &[]);
    assert_eq!(decode(stream, pieces), whole, "pieces of {pieces:?}");
    let mut at = 0;
    for record in &whole.0 {
        match record {
            Record::Frame(frame) => assert!(frame.len() <= FRAME_LEN_MAX),
            // A byte that is no UTF-8 becomes one character, of three bytes.
            Record::Close(reason) => assert!(reason.chars().count() <= REASON_LEN_MAX),
            Record::Ping(_) | Record::Pong(_) => {}
        }
        let encoded = encode(record);
        let lossy = matches!(record, Record::Close(reason) if reason.contains(char::REPLACEMENT_CHARACTER));
        if lossy {
            at += 4 + usize::from(u16::from_be_bytes([stream[at + 2], stream[at + 3]]));
        } else {
            assert!(
                stream[at..].starts_with(&encoded),
                "a record encodes to what it was read from"
            );
            at += encoded.len();
        }
    }
    !whole.0.is_empty()
}
