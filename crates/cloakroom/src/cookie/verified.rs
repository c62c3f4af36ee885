//! Signatures that were verified a moment ago: the same bytes under the same key have the same answer.

use super::key_ring::SignatureText;
use crate::places::Places;

/// As many are remembered: half a mebibyte.
const PLACES: usize = 4096;
/// A longer message is not remembered; ids are shorter.
const LONGEST: usize = 64;

/// The signatures by one key of messages that clients showed with them. A forged one is never among
/// them, so that forging fills nothing and drives nothing out.
#[derive(Default)]
pub(super) struct Verified(Places<Box<Known>, PLACES>);

struct Known {
    hash: u64,
    message: Box<[u8]>,
    signature: SignatureText,
}

impl Verified {
    /// The key's signature of a message, if it is remembered.
    ///
    /// Messages are compared after their hashes, which nobody outside foresees: the time that it takes
    /// says nothing about ids that others have.
    pub(super) fn signature_of(&self, message: &[u8]) -> Option<SignatureText> {
        let hash = self.0.hash(message);
        self.0.find(hash, |known| {
            let same = known.hash == hash && *known.message == *message;
            same.then(|| known.signature.clone())
        })
    }

    /// Remembers what the key signs a message with; a client has shown both.
    pub(super) fn note(&self, message: &[u8], signature: &SignatureText) {
        if message.len() > LONGEST {
            return;
        }
        let hash = self.0.hash(message);
        let known = Known {
            hash,
            message: message.into(),
            signature: signature.clone(),
        };
        self.0.put(hash, Box::new(known));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeyRing, sign, unsign};
    use super::{LONGEST, PLACES};

    fn ring() -> KeyRing {
        KeyRing::new([7; 32]).unwrap()
    }

    /// How many of `messages` are remembered by a ring.
    fn remembered(ring: &KeyRing, messages: &[String]) -> usize {
        let known = |message: &&String| ring.remembers(message.as_bytes());
        messages.iter().filter(known).count()
    }

    #[test]
    fn what_was_verified_is_remembered_and_another_signature_is_refused_all_the_same() {
        let ring = ring();
        let signed = sign("an id", &ring);
        assert!(!ring.remembers(b"an id"), "signing alone remembers nothing");
        for _ in 0..2 {
            assert_eq!(unsign(&signed, &ring), Some("an id"));
            assert!(ring.remembers(b"an id"));
            let forged = format!("an id.{}", "A".repeat(43));
            assert_eq!(unsign(&forged, &ring), None);
            let moved = signed.replace("an id", "an iD");
            assert_eq!(unsign(&moved, &ring), None);
        }
    }

    #[test]
    fn forged_cookies_fill_nothing_and_drive_nothing_out() {
        let ring = ring();
        let ids: Vec<String> = (0..100).map(|n| format!("id {n}")).collect();
        for id in &ids {
            assert!(unsign(&sign(id, &ring), &ring).is_some());
        }
        let before = remembered(&ring, &ids);
        let forged: Vec<String> = (0..4 * PLACES).map(|n| format!("forged {n}")).collect();
        for id in &forged {
            assert_eq!(unsign(&format!("{id}.{}", "A".repeat(43)), &ring), None);
        }
        assert_eq!(remembered(&ring, &forged), 0);
        assert_eq!(remembered(&ring, &ids), before);
        assert!(before > 90);
    }

    #[test]
    fn no_more_is_kept_than_there_are_places_and_nothing_long() {
        let ring = ring();
        let ids: Vec<String> = (0..4 * PLACES).map(|n| format!("id {n}")).collect();
        for id in &ids {
            assert!(unsign(&sign(id, &ring), &ring).is_some());
        }
        assert!((PLACES / 2..=PLACES).contains(&remembered(&ring, &ids)));
        let long = "x".repeat(LONGEST + 1);
        assert!(unsign(&sign(&long, &ring), &ring).is_some());
        assert!(!ring.remembers(long.as_bytes()));
    }

    #[test]
    fn a_key_that_only_verifies_is_not_remembered_for() {
        let old = ring();
        let signed = sign("an id", &old);
        let ring = KeyRing::from_secrets([[8; 32], [7; 32]]).unwrap();
        assert_eq!(unsign(&signed, &ring), Some("an id"));
        assert!(!ring.remembers(b"an id"));
    }
}
