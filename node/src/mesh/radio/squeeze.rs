//! Compression of what goes over a radio: zstd with a dictionary of what Cairn and its users' programs say most, or
//! bzip2, whose block sorting takes a fifth off long rows of measurements (7.5 instead of 9.5 KB of 100 KiB of JSON).
//!
//! The dictionary is part of the format: another one needs another number in front of what it compressed.

use std::cell::RefCell;
use std::io::Read;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, DParameter, FrameFormat};

use super::wire::{Damaged, Result};

/// What follows is as it was.
const PLAIN: u8 = 0;
/// What follows is a zstd frame without its magic number, made with dictionary 1.
const ZSTD_1: u8 = 1;
/// What follows is a bzip2 stream.
const BZIP2: u8 = 2;
/// Shorter bytes never gain by block sorting: the stream alone takes some 40.
const BZIP2_LEN_MIN: usize = 1024;

static DICTIONARY_1: &[u8] = include_bytes!("dictionary-1.txt");

/// Airtime is dearer than time: 20 KB take some 10 ms.
const LEVEL: i32 = 19;

thread_local! {
    // A level of 19 needs tables of megabytes: made once.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// What is kept, made at its first use.
fn made<T>(kept: &mut Option<T>, make: fn() -> std::io::Result<T>) -> Option<&mut T> {
    if kept.is_none() {
        *kept = make().ok();
    }
    kept.as_mut()
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_dictionary(LEVEL, DICTIONARY_1)?;
    compressor.set_parameter(CParameter::Format(FrameFormat::Magicless))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(compressor)
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| made(kept, compressor)?.compress(bytes).ok())
}

fn decompressor() -> std::io::Result<Decompressor<'static>> {
    let mut decompressor = Decompressor::with_dictionary(DICTIONARY_1)?;
    decompressor.set_parameter(DParameter::Format(FrameFormat::Magicless))?;
    Ok(decompressor)
}

fn decompress(body: &[u8], len_max: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| made(kept, decompressor)?.decompress(body, len_max).ok())
}

fn sort_blocks(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut encoder = bzip2::read::BzEncoder::new(bytes, bzip2::Compression::best());
    encoder.read_to_end(&mut body).ok()?;
    Some(body)
}

/// `bytes` in one of the forms, with its number in front.
pub(super) fn squeeze_as(form: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let body = match form {
        PLAIN => bytes.to_vec(),
        ZSTD_1 => compress(bytes)?,
        BZIP2 => sort_blocks(bytes)?,
        _ => return None,
    };
    Some([&[form], body.as_slice()].concat())
}

/// `bytes` in the shortest of the forms, with a byte in front that tells which.
pub(super) fn squeeze(bytes: &[u8]) -> Vec<u8> {
    let worthwhile: &[u8] = if bytes.len() < BZIP2_LEN_MIN {
        &[PLAIN, ZSTD_1]
    } else {
        &[PLAIN, ZSTD_1, BZIP2]
    };
    worthwhile
        .iter()
        .filter_map(|form| squeeze_as(*form, bytes))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// `bytes` in the form that is not compressed.
pub(super) fn plainly(bytes: &[u8]) -> Vec<u8> {
    [&[PLAIN], bytes].concat()
}

/// What [`squeeze`] was given, if that was at most `len_max` bytes.
pub(super) fn unsqueeze(squeezed: &[u8], len_max: usize) -> Result<Vec<u8>> {
    let (form, body) = squeezed.split_first().ok_or(Damaged)?;
    match *form {
        PLAIN if body.len() <= len_max => Ok(body.to_vec()),
        ZSTD_1 => {
            // No more is set aside than the input can make of itself.
            let len_max = len_max.min(body.len().saturating_mul(1 << 15));
            decompress(body, len_max).ok_or(Damaged)
        }
        BZIP2 => {
            let mut bytes = Vec::new();
            let mut decoder = bzip2::read::BzDecoder::new(body).take(len_max as u64 + 1);
            decoder.read_to_end(&mut bytes).map_err(|_| Damaged)?;
            if bytes.len() > len_max {
                return Err(Damaged);
            }
            Ok(bytes)
        }
        _ => Err(Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_shrinks_and_noise_grows_by_a_byte() {
        let json = br#"{"temperature":21.5,"humidity":48,"unit":"celsius","time":"2026-11-24T08:00:00Z"}"#;
        let squeezed = squeeze(json);
        assert!(
            squeezed.len() < json.len() * 3 / 4,
            "{} of {}",
            squeezed.len(),
            json.len()
        );
        assert_eq!(unsqueeze(&squeezed, 1000).as_deref(), Ok(&json[..]));
        let noise = blake3::hash(b"noise");
        assert_eq!(squeeze(noise.as_bytes()).len(), 33);
    }

    #[test]
    fn the_shortest_form_is_taken() {
        let rows: String = (0..1000_u64)
            .map(|row| {
                let noise = blake3::hash(&row.to_be_bytes());
                let [a, b, c, ..] = noise.as_bytes();
                let time = 1_767_225_600 + row * 60;
                format!(
                    "{{\"time\":{time},\"sensor\":\"s{}\",\"temperature\":{a}.{b},\"humidity\":{c}}}\n",
                    c % 9
                )
            })
            .collect();
        let squeezed = squeeze(rows.as_bytes());
        assert_eq!(squeezed[0], BZIP2);
        assert_eq!(unsqueeze(&squeezed, rows.len()).as_deref(), Ok(rows.as_bytes()));
        assert_eq!(unsqueeze(&squeezed, rows.len() - 1), Err(Damaged));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let squeezed = squeeze(&vec![0; 1_000_000]);
        assert!(squeezed.len() < 200);
        assert_eq!(unsqueeze(&squeezed, 100_000), Err(Damaged));
        assert_eq!(
            unsqueeze(&squeezed, 1_000_000).map(|bytes| bytes.len()),
            Ok(1_000_000)
        );
    }

    proptest! {
        #[test]
        fn everything_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(unsqueeze(&squeeze(&bytes), bytes.len()), Ok(bytes));
        }

        #[test]
        fn every_form_comes_back(form in 0_u8..3, bytes: Vec<u8>) {
            let squeezed = squeeze_as(form, &bytes).unwrap();
            prop_assert_eq!(unsqueeze(&squeezed, bytes.len()), Ok(bytes));
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes: Vec<u8>) {
            let _ = unsqueeze(&bytes, 10_000);
        }
    }
}
