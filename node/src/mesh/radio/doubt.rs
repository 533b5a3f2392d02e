//! Deletions that a node may have missed: their tombstones were collected while it was away, so nobody can send them.
//!
//! A summary says when collected tombstones may be among what has no live entry any more. Whoever still has live entries does not take
//! these into its clock before it has asked: it tells a digest of its live set; if that of the neighbour is another, the neighbour tells
//! its own, and what is not in there and lies within the neighbour's clock goes. Who was not away that long has the same, and pays for two
//! short messages.

use super::entries::{NodeRef, node_ref};
use super::message::RadioMessage;
use super::speak::{SLOT_LIVING, SLOT_QUESTION};
use super::summary::{Digest, Runs};
use crate::mesh::engine::{Engine, Result};
use crate::mesh::{Lane, LinkId};
use crate::model::{Clock, Instant, NodeId, Now, Sequence};
use crate::store::Store;

/// A question is repeated so often; then the next summary begins anew.
const TRIES_MAX: u32 = 5;
/// The first pause before it is repeated, in frames; each is twice as long.
const PAUSE_FRAMES: u64 = 20;

/// A state that is not taken over before it is known what lives in it.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    /// Who is in it.
    of: NodeId,
    digest: Digest,
    clock: Clock,
    /// When to ask.
    pub(super) ask: Instant,
    tries: u32,
}

impl<S: Store> Engine<S> {
    /// All that is lacking of a neighbour's state is superseded. Takes it over; or, if deletions may have been missed, asks first. Says
    /// whether it was taken over.
    pub(super) fn take_superseded(
        &mut self,
        now: Now,
        radio: LinkId,
        from: NodeId,
        (digest, clock): (Digest, &Clock),
        collected: bool,
    ) -> Result<bool> {
        if !collected || self.view(|view| view.live())?.is_empty() {
            self.take_state(clock, collected);
            return Ok(true);
        }
        if let Some(here) = self.radios.by_id.get_mut(&radio)
            && here.doubt.as_ref().is_none_or(|doubt| doubt.digest != digest)
        {
            here.doubt = Some(Doubt {
                of: from,
                digest,
                clock: clock.clone(),
                ask: now.instant.after(here.frames(1)),
                tries: 0,
            });
        }
        Ok(false)
    }

    /// Everything in `clock` is held, or superseded by what is held.
    fn take_state(&mut self, clock: &Clock, collected: bool) {
        if collected {
            // Which of them, nobody knows any more: those who come back later are told that they may have missed some.
            for (writer, _, last) in clock.missing_in(&self.held) {
                self.collected.insert_range(writer, Sequence(1), last);
            }
            self.changed.collected = true;
        }
        self.held.merge(clock);
        self.changed.held = true;
    }

    /// Asks about a state that is in doubt.
    pub(super) fn question_when_due(&mut self, now: Now, radio: LinkId) -> Result<()> {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let Some(doubt) = here.doubt.as_ref().filter(|doubt| doubt.ask <= now.instant) else {
            return Ok(());
        };
        if doubt.tries >= TRIES_MAX || self.held.includes(&doubt.clock) {
            here.doubt = None;
            return Ok(());
        }
        let live = Digest::of(&self.view(|view| view.live())?);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let pause = here.frames(PAUSE_FRAMES);
        let Some(doubt) = &mut here.doubt else {
            return Ok(());
        };
        doubt.ask = now.instant.after(pause * 2_u32.pow(doubt.tries));
        doubt.tries += 1;
        let message = RadioMessage::LiveQuestion {
            of: node_ref(doubt.of),
            clock: doubt.digest,
            live,
        };
        self.broadcast(radio, SLOT_QUESTION, Lane::Control, message.encode());
        Ok(())
    }

    /// A neighbour asks what lives here.
    pub(super) fn live_question(
        &mut self,
        now: Now,
        radio: LinkId,
        of: NodeRef,
        clock: Digest,
        live: Digest,
    ) {
        let current = self.radios.history.current().map(|state| state.digest);
        let own = node_ref(self.node);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let pause = here.frames(PAUSE_FRAMES);
        if of != own {
            // The answer comes here as well.
            if let Some(doubt) = here.doubt.as_mut().filter(|doubt| doubt.digest == clock) {
                doubt.ask = doubt.ask.max(now.instant.after(pause));
            }
        } else if current == Some(clock) {
            here.living = Some(live);
        } else {
            // It asks about a state that is past.
            here.summary = Some((now.instant.after(here.frames(1)), false));
        }
    }

    /// Tells what lives here, if somebody asked. Says whether somebody did.
    pub(super) fn living_when_due(&mut self, radio: LinkId) -> Result<bool> {
        let asked = self
            .radios
            .by_id
            .get_mut(&radio)
            .and_then(|here| here.living.take());
        let current = self.radios.history.current().map(|state| state.digest);
        let Some((asked, clock)) = asked.zip(current) else {
            return Ok(false);
        };
        let own = self.view(|view| view.live())?;
        let live = Digest::of(&own);
        let message = RadioMessage::Living {
            clock,
            live,
            runs: (live != asked).then(|| Runs::of(own.ranges())),
        };
        self.broadcast(radio, SLOT_LIVING, Lane::Entries, message.encode());
        Ok(true)
    }

    /// A neighbour tells what lives in its state.
    pub(super) fn living(
        &mut self,
        radio: LinkId,
        clock: Digest,
        live: Digest,
        runs: Option<&Runs>,
    ) -> Result<()> {
        let doubt = self.radios.by_id.get(&radio).and_then(|here| here.doubt.clone());
        let Some(doubt) = doubt.filter(|doubt| doubt.digest == clock) else {
            return Ok(());
        };
        if let Some(runs) = runs {
            let (living, others) = runs.resolve(&self.held, &[]);
            if others || Digest::of(&living) != live {
                return Ok(());
            }
            self.drop_dead(&doubt.clock, &living)?;
        } else if Digest::of(&self.view(|view| view.live())?) != live {
            // Something came meanwhile: it is asked again.
            return Ok(());
        }
        self.take_state(&doubt.clock, true);
        if let Some(here) = self.radios.by_id.get_mut(&radio) {
            here.doubt = None;
        }
        Ok(())
    }
}
