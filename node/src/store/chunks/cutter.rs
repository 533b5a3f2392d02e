//! Cutting: where one chunk of a document ends and the next begins.
//!
//! FastCDC as of its 2020 paper ("The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage
//! Systems", Xia et al.), normalisation level 1, with the lengths below and [`CUT_LEN_MAX`]. All of that is part of the format: nodes that
//! cut differently would still read each other's documents, but never share a chunk or agree on a manifest. A test
//! pins the cuts of a known content, so that an update of the library that moves them is noticed.

use fastcdc::v2020::{FastCDC, Normalization};

use crate::model::{ChunkRef, Hash, MANIFEST_CHUNKS_MAX, Manifest, ManifestError};

/// Longest payload that is kept in the tables, in bytes.
pub const INLINE_LEN_MAX: usize = 8 * 1024;
/// Longest payload that is kept as one chunk without a manifest, in bytes.
pub const SINGLE_CHUNK_LEN_MAX: usize = 256 * 1024;
/// Longest chunk as it is cut, in bytes. Sealed it may be somewhat longer.
const CUT_LEN_MAX: u32 = 1024 * 1024;
/// Shortest chunk, in bytes, but for a document's last.
pub const CHUNK_LEN_MIN: u32 = 64 * 1024;
/// Length that chunks have on average, in bytes.
pub const CHUNK_LEN_AVERAGE: u32 = 256 * 1024;

/// Bytes held before chunks are cut off: a place to cut is searched in [`CUT_LEN_MAX`] bytes at most, and with
/// twice that the rest is moved to the front once for several chunks.
const HELD_LEN_MAX: usize = 2 * CUT_LEN_MAX as usize;

/// Cuts a stream of bytes into chunks.
///
/// Give it the content in pieces of any size with [`push`](Self::push), then call [`finish`](Self::finish). Both hand
/// every completed chunk to the sink, in order; the result does not depend on the pieces. Holds 2 MiB of content
/// at most. When the sink fails, the cutter is of no further use.
#[derive(Debug, Default)]
pub struct Cutter {
    held: Vec<u8>,
    chunks: Vec<ChunkRef>,
    len: u64,
    hasher: blake3::Hasher,
}

/// A document that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Length in bytes.
    pub len: u64,
    /// BLAKE3 of the whole content.
    pub hash: Hash,
    /// Where the bytes went.
    pub payload: PayloadCut,
}

/// Where the bytes of a cut document went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadCut {
    /// At most [`INLINE_LEN_MAX`] bytes: here they are, and no chunk was made.
    Inline(Vec<u8>),
    /// At most [`SINGLE_CHUNK_LEN_MAX`] bytes: one chunk, whose hash is the content's.
    Chunk,
    /// Several chunks, or one that was cut by content.
    Manifest(Manifest),
}

impl Cutter {
    /// A cutter at the beginning of a document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes pushed so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Says whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the next bytes of the content and hands completed chunks to `sink`.
    ///
    /// Fails as the sink does, or with [`ManifestError::ChunkCount`] when the document is too long for a manifest.
    pub fn push<E: From<ManifestError>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(ChunkRef, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(HELD_LEN_MAX - self.held.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == HELD_LEN_MAX {
                // With the longest chunk still ahead, what comes later cannot move the cut.
                self.cut_while_held(CUT_LEN_MAX as usize, sink)?;
            }
        }
        Ok(())
    }

    /// Ends the content: hands the last chunks to `sink` and says what the document is.
    ///
    /// Fails as [`push`](Self::push) does.
    pub fn finish<E: From<ManifestError>>(
        mut self,
        sink: &mut impl FnMut(ChunkRef, &[u8]) -> Result<(), E>,
    ) -> Result<Cut, E> {
        let hash = Hash::from(self.hasher.finalize());
        let payload = if self.len <= INLINE_LEN_MAX as u64 {
            PayloadCut::Inline(std::mem::take(&mut self.held))
        } else if self.len <= SINGLE_CHUNK_LEN_MAX as u64 {
            let chunk = ChunkRef {
                hash,
                len: self.held.len() as u32,
            };
            sink(chunk, &self.held)?;
            PayloadCut::Chunk
        } else {
            self.cut_while_held(1, sink)?;
            PayloadCut::Manifest(Manifest::new(self.chunks)?)
        };
        Ok(Cut {
            len: self.len,
            hash,
            payload,
        })
    }

    /// Cuts chunks off the front as long as `len_min` bytes are held.
    fn cut_while_held<E: From<ManifestError>>(
        &mut self,
        len_min: usize,
        sink: &mut impl FnMut(ChunkRef, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let places = FastCDC::with_level(
            &self.held,
            CHUNK_LEN_MIN as usize,
            CHUNK_LEN_AVERAGE as usize,
            CUT_LEN_MAX as usize,
            Normalization::Level1,
        );
        let mut start = 0;
        while self.held.len() - start >= len_min {
            let (_, end) = places.cut(start, self.held.len() - start);
            let bytes = &self.held[start..end];
            if self.chunks.len() == MANIFEST_CHUNKS_MAX {
                return Err(ManifestError::ChunkCount.into());
            }
            let chunk = ChunkRef {
                hash: Hash::of(bytes),
                len: bytes.len() as u32,
            };
            sink(chunk, bytes)?;
            self.chunks.push(chunk);
            start = end;
        }
        self.held.drain(..start);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that look random and are the same everywhere.
    fn content(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Cut, Vec<u8>) {
        let mut joined = Vec::new();
        let mut sink = |chunk: ChunkRef, bytes: &[u8]| {
            assert_eq!(chunk.len as usize, bytes.len());
            assert_eq!(chunk.hash, Hash::of(bytes));
            joined.extend_from_slice(bytes);
            Ok::<(), ManifestError>(())
        };
        let mut cutter = Cutter::new();
        for piece in pieces {
            cutter.push(piece, &mut sink).unwrap();
            assert!(cutter.held.len() <= HELD_LEN_MAX);
        }
        let cut = cutter.finish(&mut sink).unwrap();
        (cut, joined)
    }

    #[test]
    fn the_length_says_where_a_payload_goes() {
        let whole = content(SINGLE_CHUNK_LEN_MAX + 1);
        for len in [0, INLINE_LEN_MAX] {
            let (cut, joined) = cut([&whole[..len]]);
            assert_eq!(cut.payload, PayloadCut::Inline(whole[..len].to_vec()));
            assert!(joined.is_empty());
        }
        for len in [INLINE_LEN_MAX + 1, SINGLE_CHUNK_LEN_MAX] {
            let (cut, joined) = cut([&whole[..len]]);
            assert_eq!(cut.payload, PayloadCut::Chunk);
            assert_eq!(cut.hash, Hash::of(&joined));
            assert_eq!(joined, whole[..len]);
        }
        let (cut, joined) = cut([whole.as_slice()]);
        assert!(matches!(cut.payload, PayloadCut::Manifest(_)));
        assert_eq!(joined, whole);
    }

    /// The cuts are part of the format. If this fails after an update of the library, pin the old one.
    #[test]
    fn the_cuts_of_a_known_content_never_change() {
        let (cut, _) = cut([content(4 << 20).as_slice()]);
        let PayloadCut::Manifest(manifest) = cut.payload else {
            panic!("4 MiB need a manifest");
        };
        let lens: Vec<u32> = manifest.chunks().iter().map(|chunk| chunk.len).collect();
        let pinned = [
            531_215, 93_777, 506_155, 463_976, 351_611, 67_744, 440_903, 378_761, 498_246, 171_426, 112_611,
            371_838, 206_041,
        ];
        assert_eq!(lens, pinned);
        assert_eq!(
            manifest.hash().to_string(),
            "e474a0f8658fac716e7c97a83143bbbc275082a4ca1e5d78c2a42cc75b542e42"
        );
    }

    /// Content without any place to cut: every chunk has the greatest length.
    #[test]
    fn zeros_are_cut_at_the_greatest_length() {
        let (cut, joined) = cut([vec![0; 3 << 20].as_slice(), &[0; 5]]);
        let PayloadCut::Manifest(manifest) = cut.payload else {
            panic!("3 MiB need a manifest");
        };
        let lens: Vec<u32> = manifest.chunks().iter().map(|chunk| chunk.len).collect();
        assert_eq!(lens, [CUT_LEN_MAX, CUT_LEN_MAX, CUT_LEN_MAX, 5]);
        assert_eq!(joined.len(), (3 << 20) + 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_pieces_do_not_matter(
            len in 0usize..5 << 20,
            period in prop_oneof![Just(usize::MAX), 1usize..200_000],
            pieces in prop::collection::vec(1usize..1_500_000, 1..12),
        ) {
            let whole: Vec<u8> = content(len.min(period)).into_iter().cycle().take(len).collect();
            let mut split = Vec::new();
            let mut rest = whole.as_slice();
            for piece in pieces.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(rest.len().min(*piece));
                split.push(now);
                rest = later;
            }
            let (streamed, joined) = cut(split);
            let (at_once, _) = cut([whole.as_slice()]);
            prop_assert_eq!(&streamed, &at_once);
            prop_assert_eq!(streamed.hash, Hash::of(&whole));
            if let PayloadCut::Manifest(manifest) = &streamed.payload {
                prop_assert_eq!(joined, &whole[..]);
                prop_assert_eq!(manifest.total_len(), streamed.len);
                let places: Vec<u32> = FastCDC::new(
                    &whole,
                    CHUNK_LEN_MIN as usize,
                    CHUNK_LEN_AVERAGE as usize,
                    CUT_LEN_MAX as usize,
                )
                .map(|chunk| chunk.length as u32)
                .collect();
                let lens: Vec<u32> = manifest.chunks().iter().map(|chunk| chunk.len).collect();
                prop_assert_eq!(places, lens);
            }
        }
    }
}
