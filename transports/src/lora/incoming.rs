//! Objects that come in fragments: put together within bounds of memory and time.
//!
//! What came of an object is kept under the sender's transfer, and as soon as a head told which object it is, under the object's name: so
//! what one sender began, another continues. A receiver speaks only when it is asked ([`Incoming::polled`]), or when a transfer that it
//! hears has been silent for long.

use std::collections::{BTreeMap, VecDeque};

use super::frame::{Head, ObjectId, Place, Status};
use super::layout::{BLOCK_SYMBOLS_MAX, Layout};
use super::{Instant, fountain};
use crate::PeerKey;
use crate::lora::frame::NEEDED_UNKNOWN;

/// Most bytes that all unfinished objects take together.
pub const REASSEMBLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most unfinished objects.
const PARTIALS_MAX: usize = 32;
/// What is kept of an object although nothing comes: as long as a node may have to wait for its airtime, and longer.
const KEPT_US: u64 = 24 * 3_600_000_000;
/// Most finished transfers that are remembered.
const FINISHED_MAX: usize = 64;
/// How often silence is answered by a status of one's own, each time after twice the pause.
const REMINDERS_MAX: u32 = 5;
/// What a symbol costs beside its bytes, in memory.
const SYMBOL_COST: usize = 64;

/// No transfer of a running sender has a number as high as this, or as one of the few below.
const NO_TRANSFER: u32 = u32::MAX;

/// A transfer: who sends it and its number.
pub(super) type TransferKey = (PeerKey, u32);

#[derive(Debug, Default)]
struct BlockState {
    symbols: BTreeMap<u8, Vec<u8>>,
    decoded: Option<Vec<u8>>,
    /// So many symbols were not enough, although they seemed to be.
    failed_with: usize,
}

impl BlockState {
    fn bytes(&self) -> usize {
        let symbols: usize = self
            .symbols
            .values()
            .map(|symbol| symbol.len() + SYMBOL_COST)
            .sum();
        symbols + self.decoded.as_ref().map_or(0, Vec::len)
    }

    /// How many symbols are lacking of `source`.
    fn needed(&self, source: usize) -> usize {
        if self.decoded.is_some() {
            return 0;
        }
        let more = usize::from(self.failed_with > 0 && self.symbols.len() <= self.failed_with);
        source.saturating_sub(self.symbols.len()).max(more)
    }

    fn decode(&mut self, layout: &Layout, block: usize) {
        let source = layout.symbols_of(block);
        if self.decoded.is_some() || self.symbols.len() < source || self.symbols.len() == self.failed_with {
            return;
        }
        let here: Vec<&Vec<u8>> = (0..source as u8)
            .map_while(|number| self.symbols.get(&number))
            .collect();
        let block_len = layout.range_of(block).len();
        let bytes = if here.len() == source {
            Some(here.into_iter().flatten().copied().collect::<Vec<u8>>())
        } else {
            let symbols = self.symbols.iter().map(|(number, bytes)| (*number, bytes));
            fountain::decode(block_len, layout.symbol_len(), symbols)
        };
        match bytes {
            Some(bytes) if bytes.len() == block_len => {
                self.decoded = Some(bytes);
                self.symbols.clear();
            }
            _ => self.failed_with = self.symbols.len(),
        }
    }
}

#[derive(Debug)]
struct Partial {
    head: Option<(Head, Layout)>,
    blocks: BTreeMap<u8, BlockState>,
    /// The block that came last.
    current: u8,
    heard: Instant,
    /// When silence has lasted long enough.
    remind: Option<Instant>,
    reminders: u32,
}

impl Partial {
    fn bytes(&self) -> usize {
        self.blocks.values().map(BlockState::bytes).sum()
    }
}

/// What became of something received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// More is needed.
    Kept,
    /// The object is whole.
    Complete(Vec<u8>),
    /// It was complete before, or makes no sense.
    Nothing,
}

/// All unfinished objects.
#[derive(Debug)]
pub(super) struct Incoming {
    partials: BTreeMap<TransferKey, Partial>,
    finished: VecDeque<(TransferKey, ObjectId)>,
    /// Bytes that they may take.
    bytes_max: usize,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            partials: BTreeMap::new(),
            finished: VecDeque::new(),
            bytes_max: REASSEMBLY_BYTES_MAX,
        }
    }
}

impl Incoming {
    /// How much they may take from the next fragment on, in bytes.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// A sender counts its transfers anew. What came of them is kept under numbers that none has.
    pub(super) fn begins_anew(&mut self, from: PeerKey) {
        self.finished
            .iter_mut()
            .filter(|(key, _)| key.0 == from)
            .for_each(|(key, _)| key.1 = NO_TRANSFER);
        let of_sender = (from, 0)..=(from, NO_TRANSFER);
        let keys: Vec<TransferKey> = self.partials.range(of_sender).map(|(key, _)| *key).collect();
        let mut number = NO_TRANSFER;
        for key in keys.into_iter().rev() {
            let Some(mut partial) = self.partials.remove(&key) else {
                continue;
            };
            // Without a head nobody can tell what it is a part of.
            if partial.head.is_some() {
                partial.remind = None;
                self.partials.insert((from, number), partial);
                number -= 1;
            }
        }
    }

    /// A fragment came. `silence_us`: when nothing more comes for so long, the sender is reminded.
    pub(super) fn fragment(
        &mut self,
        now: Instant,
        from: PeerKey,
        place: Place,
        head: Option<Head>,
        symbol: Vec<u8>,
        silence_us: u64,
    ) -> Taken {
        let key = (from, place.transfer);
        let block = place.block.unwrap_or(0);
        if self.is_finished(key) || symbol.is_empty() {
            return Taken::Nothing;
        }
        self.make_room(now, symbol.len() + SYMBOL_COST, key);
        let partial = self.partials.entry(key).or_insert_with(|| Partial {
            head: None,
            blocks: BTreeMap::new(),
            current: 0,
            heard: now,
            remind: None,
            reminders: 0,
        });
        partial.heard = now;
        partial.current = block;
        partial.reminders = 0;
        partial.remind = Some(now.after_us(silence_us));
        if let Some((_, layout)) = &partial.head
            && !fits(layout, block, place.symbol, &symbol)
        {
            return Taken::Nothing;
        }
        let state = partial.blocks.entry(block).or_default();
        // More symbols than twice a block's are of no use to anybody.
        if state.decoded.is_none() && state.symbols.len() < 2 * BLOCK_SYMBOLS_MAX {
            state.symbols.insert(place.symbol, symbol);
        }
        match head {
            Some(head) => self.head(key, head),
            None => self.check(key),
        }
    }

    /// A poll came, which tells the head: of a transfer of which some fragment was heard, or none.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        from: PeerKey,
        transfer: u32,
        block: u8,
        head: Head,
    ) -> Taken {
        let key = (from, transfer);
        if self.is_finished(key) || Layout::of(&head).is_none() {
            return Taken::Nothing;
        }
        self.make_room(now, 0, key);
        let partial = self.partials.entry(key).or_insert_with(|| Partial {
            head: None,
            blocks: BTreeMap::new(),
            current: 0,
            heard: now,
            remind: None,
            reminders: 0,
        });
        partial.heard = now;
        partial.current = block;
        partial.reminders = 0;
        self.head(key, head)
    }

    fn is_finished(&self, key: TransferKey) -> bool {
        self.finished.iter().any(|(finished, _)| *finished == key)
    }

    /// Somebody sent this object lately, and all of it came.
    pub(super) fn had(&self, name: ObjectId) -> bool {
        self.finished.iter().any(|(_, finished)| *finished == name)
    }

    /// This object counts as not received, by whichever transfers it came.
    pub(super) fn forget(&mut self, name: ObjectId) {
        self.finished.retain(|(_, finished)| *finished != name);
    }

    /// What this node lacks of a block, for an answer; `None` if it has heard nothing of the transfer. `sender` is the sender's hint.
    pub(super) fn status(&self, key: TransferKey, block: u8, sender: u8) -> Option<Status> {
        let status = |needed, lacking| Status {
            sender,
            transfer: key.1 as u16,
            block,
            needed,
            lacking,
        };
        if self.is_finished(key) {
            return Some(status(0, Vec::new()));
        }
        let partial = self.partials.get(&key)?;
        let Some((_, layout)) = &partial.head else {
            return Some(status(NEEDED_UNKNOWN, Vec::new()));
        };
        if usize::from(block) >= layout.blocks() {
            return None;
        }
        let source = layout.symbols_of(usize::from(block));
        let state = partial.blocks.get(&block);
        let needed = state.map_or(source, |state| state.needed(source));
        let mut lacking = vec![0_u8; source.div_ceil(8)];
        if needed > 0 {
            let missing = (0..source)
                .filter(|number| state.is_none_or(|state| !state.symbols.contains_key(&(*number as u8))));
            for number in missing {
                lacking[number / 8] |= 0x80 >> (number % 8);
            }
        }
        while lacking.last() == Some(&0) {
            lacking.pop();
        }
        Some(status(needed as u8, lacking))
    }

    /// The object that a transfer carries, once its head is known.
    pub(super) fn name(&self, key: TransferKey) -> Option<ObjectId> {
        let (head, _) = self.partials.get(&key)?.head.as_ref()?;
        Some(head.object)
    }

    /// The full key of a transfer that is known, by its low bytes.
    pub(super) fn find(&self, from: PeerKey, transfer: u16) -> Option<TransferKey> {
        let matches = |key: &&TransferKey| key.0 == from && key.1 as u16 == transfer;
        self.partials
            .keys()
            .rev()
            .find(matches)
            .or_else(|| self.finished.iter().map(|(key, _)| key).rev().find(matches))
            .copied()
    }

    /// When a sender is to be reminded next.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.partials.values().filter_map(|partial| partial.remind).min()
    }

    /// The transfer that has been silent for too long, and the block to ask for; the next pause is twice as long.
    pub(super) fn due(&mut self, now: Instant) -> Option<(TransferKey, u8)> {
        let (key, partial) = self
            .partials
            .iter_mut()
            .find(|(_, partial)| partial.remind.is_some_and(|due| due <= now))?;
        let pause = now.us_since(partial.heard).max(1_000_000);
        partial.reminders += 1;
        partial.remind = (partial.reminders < REMINDERS_MAX).then(|| now.after_us(pause * 2));
        let lacking = partial.head.as_ref().and_then(|(_, layout)| {
            (0..layout.blocks() as u16)
                .filter_map(|block| u8::try_from(block).ok())
                .find(|block| {
                    partial
                        .blocks
                        .get(block)
                        .is_none_or(|state| state.decoded.is_none())
                })
        });
        Some((*key, lacking.unwrap_or(partial.current)))
    }

    /// Silence is measured anew: the sender is about to answer, or somebody asked for the same.
    pub(super) fn postpone(&mut self, now: Instant, key: TransferKey, silence_us: u64) {
        if let Some(partial) = self.partials.get_mut(&key)
            && partial.reminders < REMINDERS_MAX
        {
            partial.remind = Some(now.after_us(silence_us));
        }
    }

    /// Bytes of memory that unfinished objects take.
    pub(super) fn bytes(&self) -> usize {
        self.partials.values().map(Partial::bytes).sum()
    }

    fn head(&mut self, key: TransferKey, head: Head) -> Taken {
        let Some(layout) = Layout::of(&head) else {
            self.partials.remove(&key);
            return Taken::Nothing;
        };
        let known = self.partials.get(&key).and_then(|partial| partial.head);
        if known.is_some_and(|(known, _)| known != head) {
            // A transfer has one object, which its first head told. What came of another has other symbols.
            return self.check(key);
        }
        // What another transfer brought of the same object.
        let earlier = self.partials.iter().find_map(|(other, partial)| {
            let same = partial.head.as_ref().is_some_and(|(theirs, _)| *theirs == head);
            (same && *other != key).then_some(*other)
        });
        let earlier = earlier.and_then(|other| self.partials.remove(&other));
        let Some(partial) = self.partials.get_mut(&key) else {
            return Taken::Nothing;
        };
        if partial.head.is_none() {
            partial.head = Some((head, layout));
            partial
                .blocks
                .retain(|block, _| usize::from(*block) < layout.blocks());
            for (block, state) in &mut partial.blocks {
                state
                    .symbols
                    .retain(|number, symbol| fits(&layout, *block, *number, symbol));
            }
        }
        for (block, mut state) in earlier.map(|earlier| earlier.blocks).unwrap_or_default() {
            let own = partial.blocks.entry(block).or_default();
            if own.decoded.is_none() {
                own.decoded = state.decoded.take();
            }
            if own.decoded.is_none() {
                own.symbols.append(&mut state.symbols);
            }
        }
        self.check(key)
    }

    /// Decodes what can be decoded.
    fn check(&mut self, key: TransferKey) -> Taken {
        let Some(partial) = self.partials.get_mut(&key) else {
            return Taken::Nothing;
        };
        let Some((head, layout)) = partial.head else {
            return Taken::Kept;
        };
        for (block, state) in &mut partial.blocks {
            state.decode(&layout, usize::from(*block));
        }
        let whole = (0..layout.blocks()).all(|block| {
            u8::try_from(block)
                .ok()
                .and_then(|block| partial.blocks.get(&block))
                .is_some_and(|state| state.decoded.is_some())
        });
        if !whole {
            return Taken::Kept;
        }
        let mut object = Vec::with_capacity(layout.object_len());
        for state in partial.blocks.values_mut() {
            object.append(&mut state.decoded.take().unwrap_or_default());
        }
        self.partials.remove(&key);
        if self.finished.len() >= FINISHED_MAX {
            self.finished.pop_front();
        }
        self.finished.push_back((key, head.object));
        Taken::Complete(object)
    }

    /// Drops what is too old, and what was silent the longest while there is too much.
    fn make_room(&mut self, now: Instant, more: usize, keep: TransferKey) {
        self.partials
            .retain(|_, partial| now.us_since(partial.heard) < KEPT_US);
        let new = usize::from(!self.partials.contains_key(&keep));
        while self.partials.len() + new > PARTIALS_MAX || self.bytes() + more > self.bytes_max {
            let oldest = self
                .partials
                .iter()
                .filter(|(key, _)| **key != keep)
                .min_by_key(|(_, partial)| partial.heard)
                .map(|(key, _)| *key);
            // One object alone that does not fit is given up as well.
            if self.partials.remove(&oldest.unwrap_or(keep)).is_none() {
                return;
            }
        }
    }
}

/// Whether a symbol is as long as one in its place is. What does not fit was sent by mistake, or to do harm.
fn fits(layout: &Layout, block: u8, number: u8, symbol: &[u8]) -> bool {
    let (block, number) = (usize::from(block), usize::from(number));
    if block >= layout.blocks() {
        return false;
    }
    let len = if number < layout.symbols_of(block) {
        layout.len_of(block, number)
    } else {
        layout.symbol_len()
    };
    symbol.len() == len
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: PeerKey = PeerKey([1; 32]);
    const BOB: PeerKey = PeerKey([2; 32]);

    fn object(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    type Symbol = (Option<u8>, u8, Vec<u8>);

    fn symbols(object: &[u8]) -> (Head, Vec<Symbol>) {
        let layout = Layout::new(object.len(), 54).unwrap();
        let mut symbols = Vec::new();
        for block in 0..layout.blocks() {
            let bytes = &object[layout.range_of(block)];
            for (number, symbol) in bytes.chunks(layout.symbol_len()).enumerate() {
                let block = (layout.blocks() > 1).then_some(block as u8);
                symbols.push((block, number as u8, symbol.to_vec()));
            }
        }
        (layout.head([object[0]; 4]), symbols)
    }

    fn give(
        incoming: &mut Incoming,
        from: PeerKey,
        (block, symbol, bytes): Symbol,
        head: Option<Head>,
    ) -> Taken {
        let place = Place {
            transfer: 7,
            block,
            symbol,
        };
        incoming.fragment(Instant(0), from, place, head, bytes, 1_000_000)
    }

    #[test]
    fn fragments_in_any_order_make_the_object() {
        for len in [1, 100, 5_000] {
            let object = object(len);
            let (head, mut symbols) = symbols(&object);
            symbols.reverse();
            let mut incoming = Incoming::default();
            let last = symbols.len() - 1;
            for (at, symbol) in symbols.into_iter().enumerate() {
                let taken = give(&mut incoming, ADA, symbol, (at == last).then_some(head));
                if at == last {
                    assert_eq!(taken, Taken::Complete(object.clone()));
                } else {
                    assert_eq!(taken, Taken::Kept);
                }
            }
            assert_eq!(incoming.bytes(), 0);
            assert_eq!(incoming.status((ADA, 7), 0, 1).unwrap().needed, 0);
        }
    }

    #[test]
    fn what_one_sender_began_another_continues() {
        let object = object(1000);
        let (head, symbols) = symbols(&object);
        let mut incoming = Incoming::default();
        let half = symbols.len() / 2;
        for symbol in &symbols[..half] {
            give(&mut incoming, ADA, symbol.clone(), Some(head));
        }
        let mut taken = Taken::Nothing;
        for symbol in &symbols[half..] {
            taken = give(&mut incoming, BOB, symbol.clone(), Some(head));
        }
        assert_eq!(taken, Taken::Complete(object));
        assert_eq!(incoming.bytes(), 0);
    }

    #[test]
    fn a_transfer_that_changes_its_object_takes_nothing_of_others() {
        let object = object(1000);
        let (head, symbols) = symbols(&object);
        let other = Head {
            object: [8; 4],
            len: 300,
            symbol_len: 20,
        };
        let mut incoming = Incoming::default();
        let half = symbols.len() / 2;
        for symbol in &symbols[..half] {
            give(&mut incoming, ADA, symbol.clone(), Some(head));
        }
        for of_bob in [other, head] {
            assert_eq!(incoming.poll(Instant(0), BOB, 7, 0, of_bob), Taken::Kept);
        }
        let mut taken = Taken::Nothing;
        for symbol in &symbols[half..] {
            taken = give(&mut incoming, ADA, symbol.clone(), Some(head));
        }
        assert_eq!(taken, Taken::Complete(object));
    }

    #[test]
    fn a_sender_that_begins_anew_counts_anew() {
        let mut incoming = Incoming::default();
        let (first, second) = (object(100), object(1000));
        let (head, symbols_of_first) = symbols(&first);
        for symbol in symbols_of_first {
            give(&mut incoming, ADA, symbol, Some(head));
        }
        let (mut head, symbols_of_second) = symbols(&second);
        head.object = [9; 4];
        let half = symbols_of_second.len() / 2;
        // The same number; and half of what came before the next start is still of use.
        let mut taken = Taken::Nothing;
        incoming.begins_anew(ADA);
        for symbol in &symbols_of_second[..half] {
            taken = give(&mut incoming, ADA, symbol.clone(), Some(head));
        }
        assert_eq!(taken, Taken::Kept);
        incoming.begins_anew(ADA);
        for symbol in &symbols_of_second[half..] {
            taken = give(&mut incoming, ADA, symbol.clone(), Some(head));
        }
        assert_eq!(taken, Taken::Complete(second));
        assert!(incoming.had(symbols(&first).0.object));
    }

    #[test]
    fn what_is_forgotten_counts_as_new() {
        let mut incoming = Incoming::default();
        let (object, other) = (object(400), vec![9; 100]);
        for object in [&object, &other] {
            let (head, symbols) = symbols(object);
            for (number, symbol) in symbols.into_iter().enumerate() {
                let key = if object[0] == 9 { BOB } else { ADA };
                let taken = give(&mut incoming, key, symbol, (number == 0).then_some(head));
                assert_ne!(taken, Taken::Nothing);
            }
        }
        let (head, symbols) = symbols(&object);
        incoming.forget(head.object);
        assert!(!incoming.had(head.object) && incoming.had([9; 4]));
        // The sender only asks whether anything is lacking; even under the same number.
        assert_eq!(incoming.poll(Instant(1), ADA, 7, 0, head), Taken::Kept);
        let needed = incoming.status((ADA, 7), 0, 9).unwrap().needed;
        assert_eq!(usize::from(needed), symbols.len());
        let mut taken = Taken::Nothing;
        for symbol in symbols {
            taken = give(&mut incoming, ADA, symbol, None);
        }
        assert_eq!(taken, Taken::Complete(object));
    }

    #[test]
    fn a_status_tells_what_is_lacking() {
        let (head, symbols) = symbols(&object(400));
        let mut incoming = Incoming::default();
        give(&mut incoming, ADA, symbols[0].clone(), None);
        assert_eq!(incoming.status((ADA, 7), 0, 9).unwrap().needed, NEEDED_UNKNOWN);
        assert_eq!(incoming.poll(Instant(1), ADA, 7, 0, head), Taken::Kept);
        let status = incoming.status((ADA, 7), 0, 9).unwrap();
        assert_eq!(
            (status.needed, status.lacking),
            (9, vec![0b0111_1111, 0b1100_0000])
        );
        assert_eq!(incoming.find(ADA, 7), Some((ADA, 7)));
        assert_eq!(incoming.find(BOB, 7), None);
    }

    #[test]
    fn silence_is_answered_with_growing_pauses_and_then_no_more() {
        let (_, symbols) = symbols(&object(400));
        let mut incoming = Incoming::default();
        give(&mut incoming, ADA, symbols[0].clone(), None);
        let mut reminders = Vec::new();
        while let Some(due) = incoming.timeout() {
            assert_eq!(incoming.due(Instant(due.0 - 1)), None);
            assert_eq!(incoming.due(due), Some(((ADA, 7), 0)));
            reminders.push(due.0);
        }
        assert_eq!(reminders.len(), REMINDERS_MAX as usize);
        assert!(reminders.is_sorted_by(|a, b| b >= &(a * 2)), "{reminders:?}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 32, ..Default::default() })]

        /// A member that sends fragments of anything, in any order, takes no more memory than is meant for it.
        #[test]
        fn hostile_fragments_stay_within_the_bound(
            fragments in proptest::collection::vec(
                (0_u32..200, proptest::option::of(proptest::num::u8::ANY), proptest::num::u8::ANY, 1_usize..250, 0_u8..10), 1..600,
            ),
            repeat in 1_u32..40,
        ) {
            let mut incoming = Incoming::default();
            let mut now = Instant(0);
            for round in 0..repeat {
                for (transfer, block, symbol, len, head) in &fragments {
                    now = now.after_us(1000);
                    let head = (*head == 0).then_some(Head { object: [*symbol; 4], len: 1 << 20, symbol_len: 200 });
                    let place = Place { transfer: transfer + round, block: *block, symbol: *symbol };
                    incoming.fragment(now, ADA, place, head, vec![0; *len], 1000);
                }
            }
            proptest::prop_assert!(incoming.bytes() <= REASSEMBLY_BYTES_MAX);
            proptest::prop_assert!(incoming.partials.len() <= PARTIALS_MAX);
        }
    }
}
