//! Locked key files and recovery phrases.

use cairn::model::KeyPair;
use cairn::seal::{Cost, LockedKey, Passphrase, PassphraseKey, RecoveryPhrase};
use zeroize::Zeroizing;

use super::choices::Choices;

/// Most memory, in KiB, and most passes that a fuzzer pays for.
const PAID_MAX: (u32, u32) = (64, 4);

/// Laws: a locked key has one form, and asks for bounded memory and time; one that was locked opens with its passphrase,
/// for its file alone, and not once it was changed; a phrase that was read is the phrase of its key.
pub fn keys(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 3 {
        0 => read(choices.rest()).is_some(),
        1 => locked(&mut choices),
        _ => std::str::from_utf8(choices.rest()).is_ok_and(phrase),
    }
}

fn read(bytes: &[u8]) -> Option<LockedKey> {
    let locked = LockedKey::decode(bytes).ok()?;
    assert!(LockedKey::is_meant(bytes), "it is told from a key in the clear");
    assert_eq!(locked.encode(), bytes, "a locked key has one form");
    let cost = locked.cost();
    assert!(cost.memory_kib <= 1024 * 1024 && cost.passes <= 64 && cost.lanes <= 16);
    Some(locked)
}

fn locked(choices: &mut Choices) -> bool {
    let Ok(passphrase) = Passphrase::from_line(Zeroizing::new(choices.text())) else {
        return false;
    };
    let secret: [u8; 32] = choices.array();
    let key =
        PassphraseKey::derive(&passphrase, Cost::LEAST, choices.array()).expect("the least cost is sensible");
    let mut bytes = key.lock("device.key", &secret, choices.array()).encode();
    let locked = read(&bytes).expect("what was locked can be read");
    let opens = |locked: &LockedKey, name| locked.derive(&passphrase).ok()?.open(name, locked).ok();
    assert_eq!(opens(&locked, "device.key").as_deref(), Some(&secret));
    assert!(opens(&locked, "owner.key").is_none(), "another file's key");
    if choices.damage(&mut bytes)
        && let Some(changed) = read(&bytes)
    {
        let cost = changed.cost();
        if cost.memory_kib <= PAID_MAX.0 && cost.passes <= PAID_MAX.1 {
            assert!(
                opens(&changed, "device.key").is_none(),
                "a key that was changed opens"
            );
        }
    }
    true
}

fn phrase(text: &str) -> bool {
    let Ok(phrase) = RecoveryPhrase::parse(text) else {
        return false;
    };
    let key = phrase.owner_key();
    let read: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    assert!(phrase.words().eq(read.iter().map(String::as_str)));
    assert!(
        RecoveryPhrase::of(&KeyPair::from_seed(&key.seed()))
            .words()
            .eq(phrase.words())
    );
    true
}
