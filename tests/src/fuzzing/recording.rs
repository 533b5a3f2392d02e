//! Recordings of nodes, which come from other people's machines.

use cairn::model::codec;
use cairn::record::{RECORD_LEN_MAX, Reader, Record, Writer};

/// Recordings: mode 0, a file; 1, one record of it.
///
/// Law: a record that was read is written so that it reads the same.
pub fn recording(data: &[u8]) -> bool {
    let Some((mode, rest)) = data.split_first() else {
        return false;
    };
    match mode {
        0 => file(rest),
        1 => codec::decode(rest, RECORD_LEN_MAX).is_ok_and(record),
        _ => false,
    }
}

fn file(bytes: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(bytes) else {
        return false;
    };
    let mut any = false;
    loop {
        assert!(reader.position() <= bytes.len() as u64);
        match reader.read() {
            Ok(Some(found)) => any |= record(found),
            Ok(None) | Err(_) => return any,
        }
    }
}

fn record(record: Record) -> bool {
    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    writer.write(&record).expect("no longer than it may be");
    let bytes = writer.into_inner();
    let mut reader = Reader::new(bytes.as_slice()).expect("written just now");
    let again = reader.read().expect("written just now");
    assert_eq!(again.as_ref(), Some(&record));
    assert_eq!(reader.read().expect("the end of the file"), None);
    match record {
        Record::Given(_, _, given) => given.event().is_some(),
        Record::Head(head) => {
            let keys = head.keys.clone();
            let (config, _) = head.start();
            assert_eq!(config.key, keys);
            true
        }
        Record::Rows(rows) => rows.iter().all(|row| row.table().is_some()),
        Record::Done(_) | Record::End(_) => true,
    }
}
