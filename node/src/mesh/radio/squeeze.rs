//! Compression of what goes over a radio: zstd with a dictionary of what Cairn and its users' programs say most.
//!
//! The dictionary is part of the format: another one needs another number in front of what it compressed.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, DParameter, FrameFormat};

use super::wire::{Damaged, Result};

/// What follows is as it was.
const PLAIN: u8 = 0;
/// What follows is a zstd frame without its magic number, made with dictionary 1.
const ZSTD_1: u8 = 1;

static DICTIONARY_1: &[u8] = include_bytes!("dictionary-1.txt");

/// Airtime is dearer than time: 20 KB take some 10 ms.
const LEVEL: i32 = 19;

thread_local! {
    // A level of 19 needs tables of megabytes: made once.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
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
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = compressor().ok();
        }
        slot.as_mut()?.compress(bytes).ok()
    })
}

/// `bytes` in the shorter of the two forms, with a byte in front that tells which.
pub(super) fn squeeze(bytes: &[u8]) -> Vec<u8> {
    let (form, body) = match compress(bytes) {
        Some(short) if short.len() < bytes.len() => (ZSTD_1, short),
        _ => (PLAIN, bytes.to_vec()),
    };
    let mut squeezed = vec![form];
    squeezed.extend(body);
    squeezed
}

/// What [`squeeze`] was given, if that was at most `len_max` bytes.
pub(super) fn unsqueeze(squeezed: &[u8], len_max: usize) -> Result<Vec<u8>> {
    let (form, body) = squeezed.split_first().ok_or(Damaged)?;
    match *form {
        PLAIN if body.len() <= len_max => Ok(body.to_vec()),
        ZSTD_1 => {
            let mut decompressor = Decompressor::with_dictionary(DICTIONARY_1).map_err(|_| Damaged)?;
            decompressor
                .set_parameter(DParameter::Format(FrameFormat::Magicless))
                .map_err(|_| Damaged)?;
            // No more is set aside than the input can make of itself.
            let len_max = len_max.min(body.len().saturating_mul(1 << 15));
            decompressor.decompress(body, len_max).map_err(|_| Damaged)
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
        fn any_bytes_are_unpacked_or_refused(bytes: Vec<u8>) {
            let _ = unsqueeze(&bytes, 10_000);
        }
    }
}
