//! How often a passphrase may be tried.
//!
//! Every try costs a slot; slots come back with time, and at once when the passphrase was right. There are slots for
//! each address, and for the door as a whole: many addresses together guess no faster than the door allows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Tries of one address at once, and how long it takes until there is one more.
const ADDRESS_TRIES: u32 = 5;
const ADDRESS_PAUSE: Duration = Duration::from_secs(30);
/// Tries of all addresses at once, and how long it takes until there is one more.
const DOOR_TRIES: u32 = 30;
const DOOR_PAUSE: Duration = Duration::from_secs(5);
/// Addresses that are remembered. When there are more, the slots of the door alone count for new ones.
const ADDRESSES_MAX: usize = 1024;

/// Counts tries.
pub(super) struct Limiter {
    /// When all slots are back, for each address.
    addresses: BTreeMap<[u8; 16], Instant>,
    door: Option<Instant>,
}

/// Takes a slot; fails with the time until there is one.
fn take(full: Option<Instant>, tries: u32, pause: Duration, now: Instant) -> Result<Instant, Duration> {
    let full = full.map_or(now, |full| full.max(now)) + pause;
    let over = full.duration_since(now).saturating_sub(pause * tries);
    match over.is_zero() {
        true => Ok(full),
        false => Err(over),
    }
}

/// Whom an address stands for: behind IPv6, whoever has one address has 2^64.
fn holder(address: IpAddr) -> [u8; 16] {
    let mut octets = match address {
        IpAddr::V4(address) => return address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => return address.octets(),
        IpAddr::V6(address) => address.octets(),
    };
    octets[8..].fill(0);
    octets
}

impl Limiter {
    pub(super) const fn new() -> Self {
        Self {
            addresses: BTreeMap::new(),
            door: None,
        }
    }

    /// Counts a try. Fails with the time until the next one may be made.
    pub(super) fn attempt(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let holder = holder(address);
        let own = take(
            self.addresses.get(&holder).copied(),
            ADDRESS_TRIES,
            ADDRESS_PAUSE,
            now,
        )?;
        let door = take(self.door, DOOR_TRIES, DOOR_PAUSE, now)?;
        if self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.retain(|_, full| *full > now);
        }
        if self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&holder) {
            self.addresses.insert(holder, own);
        }
        self.door = Some(door);
        Ok(())
    }

    /// The passphrase was right.
    pub(super) fn succeeded(&mut self, address: IpAddr) {
        self.addresses.remove(&holder(address));
        self.door = self.door.and_then(|door| door.checked_sub(DOOR_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u16) -> IpAddr {
        let [high, low] = last.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn an_address_has_five_tries_and_one_more_each_half_minute() {
        let (mut limiter, start) = (Limiter::new(), Instant::now());
        for _ in 0..5 {
            limiter.attempt(address(1), start).unwrap();
        }
        assert_eq!(limiter.attempt(address(1), start), Err(ADDRESS_PAUSE));
        limiter.attempt(address(2), start).unwrap();
        assert!(
            limiter
                .attempt(address(1), start + Duration::from_secs(29))
                .is_err()
        );
        let later = start + Duration::from_secs(30);
        limiter.attempt(address(1), later).unwrap();
        assert_eq!(limiter.attempt(address(1), later), Err(ADDRESS_PAUSE));
        // Being refused costs nothing, and a long pause gives no more than five.
        let later = later + Duration::from_secs(3600);
        for _ in 0..5 {
            limiter.attempt(address(1), later).unwrap();
        }
        assert!(limiter.attempt(address(1), later).is_err());
    }

    #[test]
    fn many_addresses_share_the_slots_of_the_door() {
        let (mut limiter, start) = (Limiter::new(), Instant::now());
        for n in 0..30 {
            limiter.attempt(address(n), start).unwrap();
        }
        assert_eq!(limiter.attempt(address(99), start), Err(DOOR_PAUSE));
        limiter.attempt(address(99), start + DOOR_PAUSE).unwrap();
    }

    #[test]
    fn a_right_passphrase_gives_the_slots_back() {
        let (mut limiter, start) = (Limiter::new(), Instant::now());
        for _ in 0..100 {
            limiter.attempt(address(1), start).unwrap();
            limiter.succeeded(address(1));
        }
    }

    #[test]
    fn one_network_is_one_holder_and_memory_is_bounded() {
        let (mut limiter, start) = (Limiter::new(), Instant::now());
        for n in 0..5_u16 {
            limiter
                .attempt(IpAddr::from([0x2001, 0xdb8, 0, 0, n, 0, 0, 1]), start)
                .unwrap();
        }
        assert!(
            limiter
                .attempt(IpAddr::from([0x2001, 0xdb8, 0, 0, 9, 9, 9, 9]), start)
                .is_err()
        );
        limiter
            .attempt(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]), start)
            .unwrap();
        assert_eq!(holder("::ffff:10.0.0.1".parse().unwrap()), holder(address(1)));
        for n in 0..5000 {
            limiter.door = None;
            let _ = limiter.attempt(address(n), start);
        }
        assert_eq!(limiter.addresses.len(), ADDRESSES_MAX);
    }
}
