//! Channels: which space each frame of a link is of.
//!
//! Each frame begins with a byte: the number that its sender gave the space. Which space that is, the first greeting under the number
//! tells, to those who know the space's owner. What is of a space that is not here goes nowhere.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::mesh::Message;
use crate::model::Hash;

/// Greetings of spaces that are not here, kept for each link: such a space may come.
const GREETINGS_MAX: usize = 64;
/// Longest greeting, in bytes. What is longer, of a space that is not here, is not looked at.
const GREETING_LEN_MAX: usize = 128;

/// Longest invitation, in bytes.
const INVITATION_LEN_MAX: usize = 16 * 1024;

/// The number under which this node sends the frames of one space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Channel(pub(super) u8);

impl Channel {
    /// The user's own space.
    pub(super) const HOME: Self = Self(0);
    /// No space: invitations to shared folders.
    pub(super) const POST: Self = Self(u8::MAX);
}

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sorted {
    /// To this space, without its channel.
    To(Channel, Bytes),
    /// A greeting of this space, which wanted no more of this link.
    Again(Channel, Bytes),
    /// An invitation to a shared folder.
    Post(Bytes),
    /// Nobody can read it.
    Unreadable,
    /// It is of a space that is not here, or that wants no more of this link.
    Nowhere,
}

/// A greeting, and the tag in it.
type Greeting = (Hash, Bytes);

/// What the other side of one link said of its numbers.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Which of our spaces they name.
    bound: BTreeMap<u8, (Channel, Greeting)>,
    /// The first greetings under others of them.
    greetings: BTreeMap<u8, Greeting>,
    /// Our spaces that want no more of this link, while others do.
    shut: BTreeSet<Channel>,
}

impl Channels {
    /// Says where a frame goes. `space_of` knows the spaces that are here by the tags in the other side's greetings.
    pub(super) fn sort(&mut self, frame: &Bytes, space_of: impl Fn(&Hash) -> Option<Channel>) -> Sorted {
        let Some((theirs, _)) = frame.split_first() else {
            return Sorted::Unreadable;
        };
        let rest = frame.slice(1..);
        if *theirs == Channel::POST.0 {
            return match rest.len() <= INVITATION_LEN_MAX {
                true => Sorted::Post(rest),
                false => Sorted::Unreadable,
            };
        }
        let ours = match self.bound.get(theirs) {
            Some((ours, _)) => *ours,
            None if rest.len() > GREETING_LEN_MAX => return Sorted::Nowhere,
            None => match Message::decode(&rest) {
                Ok(Message::Hello(hello)) => match space_of(&hello.tag) {
                    Some(ours) => {
                        self.bound.insert(*theirs, (ours, (hello.tag, rest.clone())));
                        ours
                    }
                    None => {
                        if self.greetings.len() < GREETINGS_MAX {
                            self.greetings.insert(*theirs, (hello.tag, rest));
                        }
                        return Sorted::Nowhere;
                    }
                },
                Ok(_) => return Sorted::Nowhere,
                Err(_) => return Sorted::Unreadable,
            },
        };
        if !self.shut.contains(&ours) {
            return Sorted::To(ours, rest);
        }
        let is_short = rest.len() <= GREETING_LEN_MAX;
        match is_short.then(|| Message::decode(&rest)) {
            Some(Ok(Message::Hello(_))) => Sorted::Again(ours, rest),
            _ => Sorted::Nowhere,
        }
    }

    /// A space is here from now on, which the other side names by `tag`. Gives its greeting, if it has greeted already.
    pub(super) fn opened(&mut self, ours: Channel, tag: Hash) -> Option<Bytes> {
        let greeted = self.greetings.iter().find(|(_, (said, _))| *said == tag);
        let theirs = *greeted?.0;
        let greeting = self.greetings.remove(&theirs)?;
        self.bound.insert(theirs, (ours, greeting.clone()));
        Some(greeting.1)
    }

    /// A space is not here any more.
    pub(super) fn left(&mut self, ours: Channel) {
        let gone: Vec<u8> = self
            .bound
            .iter()
            .filter(|(_, (bound, _))| *bound == ours)
            .map(|(theirs, _)| *theirs)
            .collect();
        for theirs in gone {
            // It may come again, and is greeted already.
            if let Some((_, greeting)) = self.bound.remove(&theirs)
                && self.greetings.len() < GREETINGS_MAX
            {
                self.greetings.insert(theirs, greeting);
            }
        }
        self.shut.remove(&ours);
    }

    /// A space takes the link up again that it wanted no more of.
    pub(super) fn reopen(&mut self, ours: Channel) {
        self.shut.remove(&ours);
    }

    /// A space wants no more of this link. Says whether another one uses it.
    pub(super) fn shut(&mut self, ours: Channel) -> bool {
        self.shut.insert(ours);
        self.bound.values().any(|(other, _)| !self.shut.contains(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{ErrorCode, Hello, StorageError};
    use proptest::prelude::*;

    const HERE: Hash = Hash([1; 32]);
    const ELSEWHERE: Hash = Hash([2; 32]);

    fn space_of(tag: &Hash) -> Option<Channel> {
        (*tag == HERE).then_some(Channel::HOME)
    }

    fn frame(channel: u8, message: &Message) -> Bytes {
        [&[channel], &message.encode()[..]].concat().into()
    }

    fn hello(channel: u8, tag: Hash) -> Bytes {
        frame(
            channel,
            &Message::Hello(Hello {
                instance: u64::MAX,
                tag,
                again: true,
            }),
        )
    }

    fn other() -> Message {
        Message::StorageError(StorageError {
            code: ErrorCode::Denied,
            chunk: None,
            reason: "no".into(),
        })
    }

    #[test]
    fn a_greeting_tells_whose_a_number_is() {
        let mut channels = Channels::default();
        let said = frame(7, &other());
        assert_eq!(channels.sort(&said, space_of), Sorted::Nowhere);
        let greeting = hello(7, HERE);
        let home = |frame: &Bytes| Sorted::To(Channel::HOME, frame.slice(1..));
        assert_eq!(channels.sort(&greeting, space_of), home(&greeting));
        assert_eq!(channels.sort(&said, space_of), home(&said));
        // Another number is another space.
        assert_eq!(channels.sort(&frame(8, &other()), space_of), Sorted::Nowhere);
    }

    #[test]
    fn a_space_that_comes_later_is_greeted_then() {
        let mut channels = Channels::default();
        let greeting = hello(9, ELSEWHERE);
        assert_eq!(channels.sort(&greeting, space_of), Sorted::Nowhere);
        let new = Channel(3);
        assert_eq!(channels.opened(new, HERE), None);
        assert_eq!(channels.opened(new, ELSEWHERE), Some(greeting.slice(1..)));
        let said = frame(9, &other());
        assert_eq!(channels.sort(&said, space_of), Sorted::To(new, said.slice(1..)));
        channels.left(new);
        assert_eq!(channels.sort(&said, space_of), Sorted::Nowhere);
        // And when it comes again.
        assert_eq!(channels.opened(new, ELSEWHERE), Some(greeting.slice(1..)));
    }

    #[test]
    fn a_link_is_needed_while_one_space_uses_it() {
        let mut channels = Channels::default();
        let both = |tag: &Hash| Some(Channel(tag.0[0]));
        for (theirs, tag) in [(0, HERE), (1, ELSEWHERE)] {
            channels.sort(&hello(theirs, tag), both);
        }
        assert!(channels.shut(Channel(1)));
        assert_eq!(channels.sort(&frame(0, &other()), both), Sorted::Nowhere);
        // It may be greeted anew.
        let greeting = hello(0, HERE);
        assert_eq!(
            channels.sort(&greeting, both),
            Sorted::Again(Channel(1), greeting.slice(1..))
        );
        assert!(matches!(
            channels.sort(&frame(1, &other()), both),
            Sorted::To(Channel(2), _)
        ));
        assert!(!channels.shut(Channel(2)));
    }

    #[test]
    fn strangers_fill_no_memory() {
        let mut channels = Channels::default();
        for theirs in 0..u8::MAX {
            channels.sort(&hello(theirs, ELSEWHERE), space_of);
        }
        assert_eq!(channels.greetings.len(), GREETINGS_MAX);
        assert!(hello(0, HERE).len() <= GREETING_LEN_MAX, "every greeting fits");
    }

    proptest! {
        #[test]
        fn any_bytes_go_somewhere(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut channels = Channels::default();
            for frame in frames {
                let sorted = channels.sort(&Bytes::from(frame), space_of);
                prop_assert!(!matches!(sorted, Sorted::To(..)), "nobody greeted");
            }
        }
    }
}
