//! Frames as they go on air, byte by byte.
//!
//! ```text
//! byte 0           bits 7-5 kind, bits 4-3 epoch of the space key, bits 2-0 flags of the kind
//! introduction 0   nonce (13)                                body: node (32) generation (8) counter (4)           66 bytes
//! message      1   hint (1) counter (2)                      body: whatever the owner sends                  12 and the body
//! fragment     2   hint (1) transfer (2) [block (1)] symbol (1)   body: [head (8)] a symbol          13 or 14 and the body
//! poll         3   hint (1) counter (2)                      body: transfer (2) block (1) head (8)                23 bytes
//! status       4   hint (1) counter (2)                      body: hint (1) transfer (2) block (1) needed (1) bitmap (0 to 8)
//! ```
//! The body is encrypted, and its tag (8 bytes, counted above) covers the clear bytes too. *hint* is a byte that stands for the sender
//! among members. *counter* and *transfer* are the two low bytes of a count of 32 bits that each sender goes through once in a generation;
//! whoever has heard the sender's introduction knows the upper ones. A transfer's number is the counter at its start. Integers are
//! big-endian.
//!
//! The nonce is byte 0, the full counter, the block and the symbol: the same nonce always means the same bytes, since all fragments of a
//! transfer are parts of one object that does not change.

use super::seal::{FrameKey, NONCE_LEN, TAG_LEN};

/// What a message frame takes beside its body.
pub const MESSAGE_OVERHEAD: usize = 4 + TAG_LEN;
/// The length of an introduction, without which nobody opens a node's frames: a link with shorter frames carries nothing.
pub const INTRODUCTION_LEN: usize = 66;
/// What a fragment takes beside its symbol, with and without a block number.
pub(super) const FRAGMENT_OVERHEAD: usize = 5 + TAG_LEN;
/// Length of a [`Head`].
pub(super) const HEAD_LEN: usize = 8;
/// Most symbols that a status's bitmap tells of.
pub(super) const BITMAP_LEN_MAX: usize = 8;

const KIND_INTRODUCTION: u8 = 0;
const KIND_MESSAGE: u8 = 1;
const KIND_FRAGMENT: u8 = 2;
const KIND_POLL: u8 = 3;
const KIND_STATUS: u8 = 4;

/// An introduction asks others to introduce themselves.
const FLAG_AGAIN: u8 = 1;
/// An introduction is of another, who is told which generation it has to exceed.
const FLAG_OF_ANOTHER: u8 = 2;
/// A fragment ends a burst: whoever lacks something may say so now.
const FLAG_POLL: u8 = 1;
/// A fragment's body begins with the head.
const FLAG_HEAD: u8 = 2;
/// A fragment has a block number.
const FLAG_BLOCKS: u8 = 4;
/// A poll wants an answer from those who lack nothing as well.
const FLAG_ANSWER: u8 = 1;

/// Names an object among those on air: whoever offers the same bytes calls them the same, so that one can continue what another began.
pub type ObjectId = [u8; 4];

/// What must be known of an object to put its fragments together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Names the object.
    pub(super) object: ObjectId,
    /// Its length, in bytes.
    pub(super) len: u32,
    /// Bytes of a symbol; only the object's last may be shorter.
    pub(super) symbol_len: u8,
}

impl Head {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.object);
        out.extend(&self.len.to_be_bytes()[1..]);
        out.push(self.symbol_len);
    }

    fn decode(bytes: &[u8; HEAD_LEN]) -> Option<Self> {
        let &[a, b, c, d, high, middle, low, symbol_len] = bytes;
        let head = Self {
            object: [a, b, c, d],
            len: u32::from_be_bytes([0, high, middle, low]),
            symbol_len,
        };
        (head.len > 0 && head.symbol_len > 0).then_some(head)
    }
}

/// What a fragment belongs to and which part it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The transfer's number: the sender's counter at its start.
    pub(super) transfer: u32,
    /// `None` in objects of one block.
    pub(super) block: Option<u8>,
    /// Source symbols from 0, then repair symbols.
    pub(super) symbol: u8,
}

/// What a frame says, once it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Message {
        body: Vec<u8>,
    },
    Fragment {
        place: Place,
        poll: bool,
        head: Option<Head>,
        symbol: Vec<u8>,
    },
    Poll {
        /// Low bytes of one of the sender's own transfers.
        transfer: u16,
        block: u8,
        head: Head,
        answer: bool,
    },
    Status(Status),
}

/// What a receiver lacks of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The hint of the transfer's sender.
    pub(super) sender: u8,
    /// The transfer's low bytes.
    pub(super) transfer: u16,
    pub(super) block: u8,
    /// So many symbols are lacking: 0 when none is, 255 when the head is not known.
    pub(super) needed: u8,
    /// A bit for each source symbol, set where it is lacking, the first in the highest bit; bytes of zeros at the end are left out.
    pub(super) lacking: Vec<u8>,
}

/// The head of the object is not known: everything may be lacking.
pub(super) const NEEDED_UNKNOWN: u8 = 255;

/// A node says who it is: the only frame that can be read without having heard another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) node: [u8; 32],
    pub(super) generation: u64,
    /// The counter of the next frame.
    pub(super) counter: u32,
    /// Asks others to do the same.
    pub(super) again: bool,
    /// Somebody tells `node` that it was heard with this generation, and has to exceed it.
    pub(super) of_another: bool,
}

impl Introduction {
    pub(super) fn seal(&self, key: &FrameKey, epoch: u8, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let flags =
            if self.again { FLAG_AGAIN } else { 0 } | if self.of_another { FLAG_OF_ANOTHER } else { 0 };
        let mut header = vec![first_byte(KIND_INTRODUCTION, epoch, flags)];
        header.extend(nonce);
        let mut body = self.node.to_vec();
        body.extend(self.generation.to_be_bytes());
        body.extend(self.counter.to_be_bytes());
        key.seal(&nonce, header, &body)
    }

    /// Opens a frame whose first byte says that it is an introduction.
    pub(super) fn open(key: &FrameKey, frame: &[u8]) -> Option<Self> {
        let (header, sealed) = frame.split_at_checked(1 + NONCE_LEN)?;
        let nonce = header.get(1..)?.try_into().ok()?;
        if header[0] & 7 & !(FLAG_AGAIN | FLAG_OF_ANOTHER) != 0 {
            return None;
        }
        let body = key.open(nonce, header, sealed)?;
        let (node, rest) = body.split_first_chunk::<32>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            node: *node,
            generation: u64::from_be_bytes(*generation),
            counter: u32::from_be_bytes(rest.try_into().ok()?),
            again: header[0] & FLAG_AGAIN != 0,
            of_another: header[0] & FLAG_OF_ANOTHER != 0,
        })
    }
}

/// What the clear bytes of a frame tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clear {
    /// See [`Introduction::open`].
    Introduction { epoch: u8 },
    /// A frame of the sender with this hint.
    From {
        epoch: u8,
        hint: u8,
        /// Low bytes of the counter, or of a fragment's transfer.
        counter: u16,
        is_fragment: bool,
    },
}

impl Clear {
    /// `None`: no frame of ours.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let first = *frame.first()?;
        let epoch = first >> 3 & 3;
        match first >> 5 {
            KIND_INTRODUCTION => Some(Self::Introduction { epoch }),
            kind @ (KIND_MESSAGE | KIND_FRAGMENT | KIND_POLL | KIND_STATUS) => {
                let &[_, hint, high, low] = frame.first_chunk()?;
                Some(Self::From {
                    epoch,
                    hint,
                    counter: u16::from_be_bytes([high, low]),
                    is_fragment: kind == KIND_FRAGMENT,
                })
            }
            _ => None,
        }
    }
}

const fn first_byte(kind: u8, epoch: u8, flags: u8) -> u8 {
    kind << 5 | (epoch & 3) << 3 | flags
}

fn nonce(first: u8, counter: u32, block: u8, symbol: u8) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[0] = first;
    nonce[1..5].copy_from_slice(&counter.to_be_bytes());
    nonce[5] = block;
    nonce[6] = symbol;
    nonce
}

impl Frame {
    /// Seals the frame. `counter` is the sender's next; fragments use their transfer's number instead.
    pub(super) fn seal(&self, key: &FrameKey, epoch: u8, hint: u8, counter: u32) -> Vec<u8> {
        let low = |counter: u32| (counter as u16).to_be_bytes();
        let plain = |first: u8, body: &[u8]| {
            let mut header = vec![first, hint];
            header.extend(low(counter));
            key.seal(&nonce(first, counter, 0, 0), header, body)
        };
        match self {
            Self::Message { body } => plain(first_byte(KIND_MESSAGE, epoch, 0), body),
            Self::Fragment {
                place,
                poll,
                head,
                symbol,
            } => {
                let flags = if *poll { FLAG_POLL } else { 0 }
                    | if head.is_some() { FLAG_HEAD } else { 0 }
                    | if place.block.is_some() { FLAG_BLOCKS } else { 0 };
                let first = first_byte(KIND_FRAGMENT, epoch, flags);
                let mut header = vec![first, hint];
                header.extend(low(place.transfer));
                header.extend(place.block);
                header.push(place.symbol);
                let mut body = Vec::with_capacity(symbol.len() + HEAD_LEN);
                if let Some(head) = head {
                    head.encode(&mut body);
                }
                body.extend(symbol);
                let nonce = nonce(first, place.transfer, place.block.unwrap_or(0), place.symbol);
                key.seal(&nonce, header, &body)
            }
            Self::Poll {
                transfer,
                block,
                head,
                answer,
            } => {
                let flags = if *answer { FLAG_ANSWER } else { 0 };
                let mut body = transfer.to_be_bytes().to_vec();
                body.push(*block);
                head.encode(&mut body);
                plain(first_byte(KIND_POLL, epoch, flags), &body)
            }
            Self::Status(status) => {
                let mut body = vec![status.sender];
                body.extend(status.transfer.to_be_bytes());
                body.extend([status.block, status.needed]);
                body.extend(&status.lacking);
                plain(first_byte(KIND_STATUS, epoch, 0), &body)
            }
        }
    }

    /// Seals any body under any first byte, as a member may do.
    pub(super) fn seal_raw(
        key: &FrameKey,
        first: u8,
        hint: u8,
        counter: u32,
        block: u8,
        symbol: u8,
        body: &[u8],
    ) -> Vec<u8> {
        let mut header = vec![first, hint];
        header.extend((counter as u16).to_be_bytes());
        let (mut block, mut symbol) = (block, symbol);
        if first >> 5 != KIND_FRAGMENT {
            (block, symbol) = (0, 0);
        } else if first & FLAG_BLOCKS != 0 {
            header.extend([block, symbol]);
        } else {
            block = 0;
            header.push(symbol);
        }
        key.seal(&nonce(first, counter, block, symbol), header, body)
    }

    /// Opens a frame that [`Clear::read`] attributed to the owner of `key`. `counter` is the full counter, or the full transfer number.
    pub(super) fn open(key: &FrameKey, counter: u32, frame: &[u8]) -> Option<Self> {
        let &[first, ..] = frame.first_chunk::<4>()?;
        let flags = first & 7;
        if first >> 5 != KIND_FRAGMENT {
            let (header, sealed) = frame.split_at_checked(4)?;
            let body = key.open(&nonce(first, counter, 0, 0), header, sealed)?;
            return Self::read_body(first >> 5, flags, body);
        }
        let blocks = flags & FLAG_BLOCKS != 0;
        let (header, sealed) = frame.split_at_checked(if blocks { 6 } else { 5 })?;
        let place = Place {
            transfer: counter,
            block: blocks.then_some(header[4]),
            symbol: *header.last()?,
        };
        let nonce = nonce(first, counter, place.block.unwrap_or(0), place.symbol);
        let mut symbol = key.open(&nonce, header, sealed)?;
        let mut head = None;
        if flags & FLAG_HEAD != 0 {
            let (first, rest) = symbol.split_first_chunk::<HEAD_LEN>()?;
            head = Some(Head::decode(first)?);
            symbol = rest.to_vec();
        }
        Some(Self::Fragment {
            place,
            poll: flags & FLAG_POLL != 0,
            head,
            symbol,
        })
    }

    fn read_body(kind: u8, flags: u8, body: Vec<u8>) -> Option<Self> {
        // Flags that have no meaning yet are those of a later version.
        match kind {
            KIND_MESSAGE if flags == 0 => Some(Self::Message { body }),
            KIND_POLL if flags & !FLAG_ANSWER == 0 => {
                let &[high, low, block] = body.first_chunk()?;
                Some(Self::Poll {
                    transfer: u16::from_be_bytes([high, low]),
                    block,
                    head: Head::decode(body[3..].try_into().ok()?)?,
                    answer: flags & FLAG_ANSWER != 0,
                })
            }
            KIND_STATUS if flags == 0 => {
                let (&[sender, high, low, block, needed], lacking) = body.split_first_chunk()?;
                (lacking.len() <= BITMAP_LEN_MAX).then(|| {
                    Self::Status(Status {
                        sender,
                        transfer: u16::from_be_bytes([high, low]),
                        block,
                        needed,
                        lacking: lacking.to_vec(),
                    })
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PeerKey;
    use crate::lora::{KeyName, SpaceKey};

    fn key() -> FrameKey {
        SpaceKey::new(KeyName([0; 8]), &[9; 32]).sender_key(PeerKey([1; 32]), 77)
    }

    fn head() -> Head {
        Head {
            object: [1, 2, 3, 4],
            len: 10_240,
            symbol_len: 241,
        }
    }

    fn frames() -> Vec<(Frame, usize)> {
        let place = Place {
            transfer: 0x1_0005,
            block: None,
            symbol: 42,
        };
        let fragment = |place, poll, head| Frame::Fragment {
            place,
            poll,
            head,
            symbol: vec![7; 100],
        };
        let second = Place {
            block: Some(3),
            ..place
        };
        let status = Status {
            sender: 9,
            transfer: 5,
            block: 0,
            needed: 2,
            lacking: vec![0, 0b1010_0000],
        };
        vec![
            (Frame::Message { body: vec![5; 20] }, 32),
            (fragment(place, false, None), 113),
            (fragment(place, true, Some(head())), 121),
            (fragment(second, true, None), 114),
            (
                Frame::Poll {
                    transfer: 5,
                    block: 3,
                    head: head(),
                    answer: true,
                },
                23,
            ),
            (Frame::Status(status), 19),
        ]
    }

    #[test]
    fn every_frame_comes_back_and_is_as_long_as_documented() {
        for (frame, len) in frames() {
            let sealed = frame.seal(&key(), 2, 200, 0x1_0005);
            assert_eq!(sealed.len(), len, "{frame:?}");
            let clear = Clear::From {
                epoch: 2,
                hint: 200,
                counter: 5,
                is_fragment: matches!(frame, Frame::Fragment { .. }),
            };
            assert_eq!(Clear::read(&sealed), Some(clear));
            assert_eq!(Frame::open(&key(), 0x1_0005, &sealed), Some(frame.clone()));
            // The same low bytes of another counter.
            assert_eq!(Frame::open(&key(), 5, &sealed), None, "{frame:?}");
        }
    }

    #[test]
    fn an_introduction_needs_no_acquaintance() {
        let key = SpaceKey::new(KeyName([1; 8]), &[9; 32]).introduction_key();
        let introduction = Introduction {
            node: [4; 32],
            generation: 99,
            counter: 3,
            again: true,
            of_another: false,
        };
        let sealed = introduction.seal(&key, 1, [8; 13]);
        assert_eq!(sealed.len(), 66);
        assert_eq!(Clear::read(&sealed), Some(Clear::Introduction { epoch: 1 }));
        assert_eq!(Introduction::open(&key, &sealed), Some(introduction));
        assert_eq!(Introduction::open(&key, &sealed[..65]), None);
    }

    #[test]
    fn no_two_frames_share_a_nonce() {
        let mut nonces = std::collections::BTreeSet::new();
        for kind in [KIND_MESSAGE, KIND_FRAGMENT, KIND_POLL, KIND_STATUS] {
            for flags in 0..8 {
                for (counter, block, symbol) in [(1, 0, 0), (1, 0, 1), (1, 1, 0), (256, 0, 0)] {
                    assert!(nonces.insert(nonce(first_byte(kind, 0, flags), counter, block, symbol)));
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_taken_for_a_frame(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Clear::read(&bytes);
            proptest::prop_assert_eq!(Frame::open(&key(), 1, &bytes), None);
            proptest::prop_assert_eq!(Introduction::open(&key(), &bytes), None);
        }

        #[test]
        fn a_damaged_frame_does_not_open(which in 0_usize..6, at in 0_usize..121, bit in 0_u8..8) {
            let (frame, len) = frames().swap_remove(which);
            let mut sealed = frame.seal(&key(), 0, 1, 0x1_0005);
            sealed[at % len] ^= 1 << bit;
            // Hint and epoch choose the key; the rest is covered by the tag.
            proptest::prop_assert!(Frame::open(&key(), 0x1_0005, &sealed).is_none());
        }
    }
}
