//! Objects that go out in fragments, and their repair.
//!
//! A block is sent as a burst of symbols, and then its receivers may say what they lack. What they say decides the next burst: for a
//! single receiver the very symbols that it lacks; for several, as many repair symbols as the one lacks that lacks most, since each of
//! them helps everybody. When nobody lacks anything, the next block follows.
//!
//! Answers may come late: a modem may hold a poll back, and a receiver's modem its answer. What comes while a burst is under way was
//! said before it, so it adds to that burst what more it asks for, and no burst of its own. One about an earlier block leads back to that
//! block; blocks that went out since are then asked about, not sent again.

use std::collections::{BTreeMap, VecDeque};

use super::fountain::RepairSource;
use super::frame::{Frame, HEAD_LEN, Head, NEEDED_UNKNOWN, ObjectId, Place, Status};
use super::layout::Layout;
use crate::PeerKey;

/// A poll that nobody answered is repeated this often; then nobody is there.
const POLLS_MAX: u32 = 3;

/// What follows when the answers are in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More frames are to be sent.
    More,
    /// All that asked have everything, as far as is known.
    Finished,
    /// Nobody answers.
    Unheard,
}

/// One object on its way out.
pub(super) struct Outgoing {
    object: Vec<u8>,
    layout: Layout,
    head: Head,
    /// Given when its first frame goes.
    transfer: Option<u32>,
    /// The next frame begins another transfer.
    renew: bool,
    /// So many neighbours want it, as far as is known.
    audience: usize,
    block: usize,
    /// So many blocks went out, or are going.
    begun: usize,
    plan: VecDeque<Step>,
    burst: Burst,
    repair: BTreeMap<usize, RepairSource>,
    /// For each block the next repair symbol.
    next_repair: BTreeMap<usize, u8>,
    /// What was answered since the last poll.
    answers: BTreeMap<PeerKey, Status>,
    unanswered: u32,
    /// It went out before: receivers are asked what they lack before anything is sent.
    resumed: bool,
}

/// What the plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Burst {
    /// Nothing but to ask what is lacking.
    Question,
    /// The block goes out for the first time.
    Source,
    /// So many symbols of it go out again, or as repair.
    Repair(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Symbol { number: u8, poll: bool, head: bool },
    Poll,
}

impl Outgoing {
    /// `None` if the object is empty or too long. `audience`: how many neighbours want it, 1 at least.
    pub(super) fn new(
        name: ObjectId,
        object: Vec<u8>,
        frame_len_max: usize,
        audience: usize,
    ) -> Option<Self> {
        let layout = Layout::new(object.len(), frame_len_max)?;
        let mut outgoing = Self {
            head: layout.head(name),
            object,
            layout,
            transfer: None,
            renew: false,
            audience: audience.max(1),
            block: 0,
            begun: 0,
            plan: VecDeque::new(),
            burst: Burst::Question,
            repair: BTreeMap::new(),
            next_repair: BTreeMap::new(),
            answers: BTreeMap::new(),
            unanswered: 0,
            resumed: false,
        };
        outgoing.plan_block();
        Some(outgoing)
    }

    const fn is_single(&self) -> bool {
        self.layout.blocks() == 1
    }

    /// All source symbols of the current block, then a poll: within the last frame, if the head fits there.
    fn plan_block(&mut self) {
        self.begun = self.begun.max(self.block + 1);
        self.burst = Burst::Source;
        let symbols = self.layout.symbols_of(self.block);
        let last = symbols - 1;
        let room = self.layout.symbol_len() - self.layout.len_of(self.block, last);
        let inline = self.is_single() && room >= HEAD_LEN;
        self.plan.extend((0..symbols).map(|number| Step::Symbol {
            number: number as u8,
            poll: inline && number == last,
            head: inline && number == last,
        }));
        if !inline {
            self.plan.push_back(Step::Poll);
        }
    }

    /// Asks what is lacking of the current block.
    fn plan_question(&mut self) {
        self.burst = Burst::Question;
        self.plan.push_back(Step::Poll);
    }

    /// These very bytes.
    pub(super) fn carries(&self, name: ObjectId, object: &[u8]) -> bool {
        self.head.object == name && self.object == object
    }

    /// Somebody wants it again: perhaps only what it lost.
    pub(super) fn resume(&mut self) {
        self.resumed = true;
        self.block = 0;
        self.unanswered = 0;
        self.answers.clear();
        self.plan.clear();
        self.plan_question();
    }

    /// The transfer's number, once its first frame went.
    pub(super) const fn transfer(&self) -> Option<u32> {
        self.transfer
    }

    /// Somebody began anew, and takes nothing of what began before: the rest goes as another transfer. What others have of it they put
    /// beside it as soon as they hear a head.
    pub(super) fn renew(&mut self) {
        self.renew = self.transfer.is_some();
    }

    /// The next frame takes a counter for its transfer.
    pub(super) const fn begins(&self) -> bool {
        self.transfer.is_none() || self.renew
    }

    /// How many symbols it has.
    pub(super) fn frames(&self) -> usize {
        (0..self.layout.blocks())
            .map(|block| self.layout.symbols_of(block))
            .sum()
    }

    pub(super) fn has_more(&self) -> bool {
        !self.plan.is_empty()
    }

    /// The length of the next frame's body, to know its airtime before it is made.
    pub(super) fn next_len(&self) -> Option<usize> {
        Some(match *self.plan.front()? {
            Step::Poll => super::MESSAGE_OVERHEAD + 3 + HEAD_LEN,
            Step::Symbol { number, head, .. } => {
                let symbol = if usize::from(number) < self.layout.symbols_of(self.block) {
                    self.layout.len_of(self.block, usize::from(number))
                } else {
                    self.layout.symbol_len()
                };
                symbol
                    + super::frame::FRAGMENT_OVERHEAD
                    + usize::from(!self.is_single())
                    + if head { HEAD_LEN } else { 0 }
            }
        })
    }

    /// The next frame. `counter`: the sender's next; the first frame's names the transfer. Says whether answers may follow.
    pub(super) fn next(&mut self, counter: u32) -> Option<(Frame, bool)> {
        let step = self.plan.pop_front()?;
        if self.begins() {
            self.renew = false;
            self.transfer = Some(counter);
        }
        let transfer = self.transfer.unwrap_or(counter);
        Some(match step {
            Step::Poll => {
                let frame = Frame::Poll {
                    transfer: transfer as u16,
                    block: self.block as u8,
                    head: self.head,
                    answer: !self.is_single(),
                };
                (frame, true)
            }
            Step::Symbol { number, poll, head } => {
                let frame = Frame::Fragment {
                    place: Place {
                        transfer,
                        block: (!self.is_single()).then_some(self.block as u8),
                        symbol: number,
                    },
                    poll,
                    head: head.then_some(self.head),
                    symbol: self.symbol(number),
                };
                (frame, poll)
            }
        })
    }

    fn symbol(&mut self, number: u8) -> Vec<u8> {
        let block = &self.object[self.layout.range_of(self.block)];
        let symbol_len = self.layout.symbol_len();
        if usize::from(number) < self.layout.symbols_of(self.block) {
            let from = usize::from(number) * symbol_len;
            return block[from..block.len().min(from + symbol_len)].to_vec();
        }
        self.repair
            .entry(self.block)
            .or_insert_with(|| RepairSource::new(block, symbol_len))
            .symbol(number)
    }

    /// A receiver told what it lacks.
    pub(super) fn answered(&mut self, from: PeerKey, status: Status) {
        let block = usize::from(status.block);
        if block >= self.layout.blocks() {
            return;
        }
        if block == self.block && !self.plan.is_empty() {
            match self.burst {
                // All of it is on its way, and the poll at the end asks anew.
                Burst::Source => return,
                Burst::Repair(planned) if status.needed != NEEDED_UNKNOWN => {
                    let more = usize::from(status.needed).saturating_sub(planned);
                    let numbers = self.next_numbers(more);
                    self.plan_symbols(&numbers);
                    return;
                }
                Burst::Repair(_) | Burst::Question => {}
            }
        }
        // A receiver that waits too long asks for what is next, which comes anyway.
        if self.resumed || block < self.begun {
            self.answers.insert(from, status);
        }
    }

    /// So many have answered since the last poll.
    pub(super) fn answers(&self) -> usize {
        self.answers.len()
    }

    /// The time for answers is over.
    pub(super) fn conclude(&mut self) -> Next {
        let answers = std::mem::take(&mut self.answers);
        let lacking: Vec<&Status> = answers.values().filter(|status| status.needed > 0).collect();
        // A block is repaired at a time; others are asked for again.
        if let Some(block) = lacking.iter().map(|status| usize::from(status.block)).min() {
            self.unanswered = 0;
            self.block = block;
            let lacking: Vec<&Status> = lacking
                .into_iter()
                .filter(|status| usize::from(status.block) == block)
                .collect();
            self.plan_repair(&lacking);
            return Next::More;
        }
        if answers.is_empty() && (self.resumed || !self.is_single()) {
            self.unanswered += 1;
            if self.unanswered >= POLLS_MAX {
                return Next::Unheard;
            }
            self.plan_question();
            return Next::More;
        }
        self.unanswered = 0;
        if self.block + 1 < self.layout.blocks() {
            self.repair.remove(&self.block);
            self.block += 1;
            if self.resumed || self.block < self.begun {
                self.plan_question();
            } else {
                self.plan_block();
            }
            return Next::More;
        }
        Next::Finished
    }

    fn plan_repair(&mut self, lacking: &[&Status]) {
        if lacking.iter().any(|status| status.needed == NEEDED_UNKNOWN) {
            self.plan_question();
            return;
        }
        let symbols = self.layout.symbols_of(self.block);
        let mut numbers = Vec::new();
        match lacking {
            [one] if self.audience <= 1 => {
                let bits = one
                    .lacking
                    .iter()
                    .flat_map(|byte| (0..8).map(move |bit| byte & 0x80 >> bit != 0));
                let missing = bits.take(symbols).enumerate().filter(|(_, missing)| *missing);
                numbers.extend(
                    missing
                        .map(|(number, _)| number as u8)
                        .take(usize::from(one.needed)),
                );
            }
            _ => {}
        }
        if numbers.is_empty() {
            let needed = lacking.iter().map(|status| status.needed).max().unwrap_or(1);
            numbers = self.next_numbers(usize::from(needed));
        }
        self.burst = Burst::Repair(0);
        self.plan_symbols(&numbers);
    }

    /// The numbers of repair symbols that were not sent for longest, at most as many as help.
    fn next_numbers(&mut self, count: usize) -> Vec<u8> {
        let symbols = self.layout.symbols_of(self.block);
        let next = self.next_repair.entry(self.block).or_insert(symbols as u8);
        let mut numbers = Vec::new();
        for _ in 0..count.min(symbols + 1) {
            numbers.push(*next);
            // Beyond the last repair symbol begin again with those that were sent first.
            *next = next.checked_add(1).unwrap_or(0);
        }
        numbers
    }

    /// Adds symbols to a repair, before the poll at its end.
    fn plan_symbols(&mut self, numbers: &[u8]) {
        let (Burst::Repair(planned), [.., last]) = (self.burst, numbers) else {
            return;
        };
        self.burst = Burst::Repair(planned + numbers.len());
        let single = self.is_single();
        match self.plan.back_mut() {
            Some(Step::Symbol { poll, .. }) => *poll = false,
            Some(Step::Poll) => {
                self.plan.pop_back();
            }
            None => {}
        }
        self.plan.extend(numbers.iter().map(|number| Step::Symbol {
            number: *number,
            poll: single && number == last,
            head: false,
        }));
        if !single {
            self.plan.push_back(Step::Poll);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::Instant;
    use crate::lora::incoming::{Incoming, Taken};

    fn peer(number: u8) -> PeerKey {
        PeerKey([number; 32])
    }

    /// Sends an object to receivers of which each loses frames by its own pattern; returns the number of frames sent.
    fn carry(len: usize, frame_len_max: usize, losing: &[fn(usize) -> bool]) -> usize {
        let object: Vec<u8> = (0..len).map(|at| (at * 131 % 253) as u8).collect();
        let mut outgoing = Outgoing::new([1; 4], object.clone(), frame_len_max, losing.len()).unwrap();
        let mut receivers: Vec<(Incoming, Option<Vec<u8>>)> =
            losing.iter().map(|_| (Incoming::default(), None)).collect();
        let mut sent = 0;
        loop {
            let mut polled = None;
            while let Some((frame, poll)) = {
                let len = outgoing.next_len();
                let next = outgoing.next(9);
                assert_eq!(len.is_some(), next.is_some());
                next
            } {
                sent += 1;
                assert!(sent < 10_000, "no end");
                for (at, (incoming, got)) in receivers.iter_mut().enumerate() {
                    if losing[at](sent) {
                        continue;
                    }
                    let taken = match frame.clone() {
                        Frame::Fragment {
                            place, head, symbol, ..
                        } => incoming.fragment(Instant(0), peer(99), place, head, symbol, 1000),
                        Frame::Poll {
                            transfer,
                            block,
                            head,
                            ..
                        } => incoming.poll(Instant(0), peer(99), u32::from(transfer), block, head),
                        other => panic!("{other:?}"),
                    };
                    if let Taken::Complete(object) = taken {
                        *got = Some(object);
                    }
                }
                if poll {
                    polled = Some(match frame {
                        Frame::Fragment { place, .. } => place.block.unwrap_or(0),
                        Frame::Poll { block, .. } => block,
                        other => panic!("{other:?}"),
                    });
                }
            }
            let block = polled.expect("a burst ends with a poll");
            for (at, (incoming, _)) in receivers.iter().enumerate() {
                if let Some(status) = incoming.status((peer(99), 9), block, 1) {
                    outgoing.answered(peer(at as u8), status);
                }
            }
            match outgoing.conclude() {
                Next::More => {}
                Next::Finished => break,
                Next::Unheard => panic!("they answered"),
            }
        }
        for (_, got) in receivers {
            assert_eq!(got.as_deref(), Some(object.as_slice()));
        }
        sent
    }

    #[test]
    fn nothing_lost_nothing_sent_twice() {
        assert_eq!(carry(10_240, 254, &[|_| false]), 43);
        // Seven blocks, each with a poll.
        assert_eq!(carry(102_400, 254, &[|_| false]), 427 + 7);
    }

    #[test]
    fn one_receiver_is_sent_what_it_lacks() {
        let lost = |frame: usize| frame % 10 == 3;
        let sent = carry(10_240, 254, &[lost]);
        // 43, of which 4 or 5 are lost, of which one may be.
        assert!((47..=49).contains(&sent), "{sent}");
    }

    #[test]
    fn one_transmission_repairs_different_losses_of_five() {
        let losing: [fn(usize) -> bool; 5] = [
            |frame| frame % 10 == 1,
            |frame| frame % 10 == 2,
            |frame| frame % 10 == 3,
            |frame| frame % 10 == 4,
            |frame| frame % 10 == 5,
        ];
        let sent = carry(10_240, 254, &losing);
        // The lost ones are 22 different symbols.
        assert!((47..=51).contains(&sent), "{sent}");
    }

    #[test]
    fn a_lost_head_is_told_again() {
        let sent = carry(10_240, 254, &[|frame| frame == 43]);
        assert_eq!(sent, 43 + 1 + 1);
    }

    fn status(block: u8, needed: u8) -> Status {
        Status {
            sender: 1,
            transfer: 9,
            block,
            needed,
            lacking: vec![0xff],
        }
    }

    /// Sends what is planned: the numbers of its symbols, and how many polls.
    fn burst(outgoing: &mut Outgoing) -> (Vec<u8>, usize) {
        let (mut numbers, mut polls) = (Vec::new(), 0);
        while let Some((frame, poll)) = outgoing.next(9) {
            polls += usize::from(poll);
            if let Frame::Fragment { place, .. } = frame {
                numbers.push(place.symbol);
            }
        }
        (numbers, polls)
    }

    #[test]
    fn a_late_answer_leads_back_to_its_block_and_no_block_is_sent_again() {
        let mut outgoing = Outgoing::new([1; 4], vec![1; 40_000], 254, 3).unwrap();
        assert_eq!((outgoing.layout.blocks(), burst(&mut outgoing).0.len()), (3, 56));
        outgoing.answered(peer(1), status(0, 0));
        assert_eq!(outgoing.conclude(), Next::More);
        // While the next block goes out somebody tells what it lacks of the first, and another what it waits for.
        outgoing.answered(peer(2), status(0, 2));
        outgoing.answered(peer(3), status(1, 56));
        outgoing.answered(peer(1), status(2, 55));
        assert_eq!(burst(&mut outgoing).0.len(), 56);
        assert_eq!(outgoing.conclude(), Next::More);
        assert_eq!(burst(&mut outgoing), (vec![56, 57], 1));
        outgoing.answered(peer(2), status(0, 0));
        assert_eq!(outgoing.conclude(), Next::More);
        // What is lacking of the second block was not heard yet.
        assert_eq!(burst(&mut outgoing), (vec![], 1));
        outgoing.answered(peer(3), status(1, 1));
        assert_eq!(outgoing.conclude(), Next::More);
        assert_eq!(burst(&mut outgoing), (vec![56], 1));
        outgoing.answered(peer(3), status(1, 0));
        assert_eq!(outgoing.conclude(), Next::More);
        assert_eq!(burst(&mut outgoing).0.len(), 55);
        outgoing.answered(peer(3), status(2, 0));
        assert_eq!(outgoing.conclude(), Next::Finished);
    }

    #[test]
    fn who_answers_while_repair_goes_out_is_sent_only_what_it_lacks_beyond_that() {
        for (len, single) in [(10_240, true), (40_000, false)] {
            let mut outgoing = Outgoing::new([1; 4], vec![1; len], 254, 3).unwrap();
            let first = burst(&mut outgoing).0.len() as u8;
            outgoing.answered(peer(1), status(0, 2));
            assert_eq!(outgoing.conclude(), Next::More);
            outgoing.answered(peer(2), status(0, 1));
            outgoing.answered(peer(3), status(0, 4));
            outgoing.answered(peer(2), status(0, 3));
            assert_eq!(burst(&mut outgoing), ((first..first + 4).collect(), 1));
            outgoing.answered(peer(3), status(0, 0));
            let next = outgoing.conclude();
            assert_eq!(next == Next::Finished, single, "{next:?}");
        }
    }

    #[test]
    fn large_objects_with_loss_come_through() {
        carry(300_000, 200, &[|frame| frame % 7 == 0, |frame| frame % 11 == 0]);
    }

    #[test]
    fn a_transfer_that_nobody_hears_ends() {
        let mut outgoing = Outgoing::new([1; 4], vec![1; 100_000], 254, 2).unwrap();
        let mut polls = 0;
        let end = loop {
            while outgoing.next(1).is_some() {}
            polls += 1;
            match outgoing.conclude() {
                Next::More => {}
                end => break end,
            }
        };
        assert_eq!((end, polls), (Next::Unheard, POLLS_MAX));
    }
}
