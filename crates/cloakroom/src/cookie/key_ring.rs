//! The secrets: the first signs, all of them verify, and they can be rotated while serving. A signed text is
//! `<value>.<signature>`, as npm's `cookie-signature` writes it: HMAC-SHA256 in base64, no padding.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::codec;
use super::guessable::{SHORTEST_SECRET, is_guessable};
use super::ticket::{SIGNATURE_LEN, SignatureText};
use super::verify_cache::VerifyCache;
use crate::id::SessionId;

/// The most keys: more than a rotation needs make every forged cookie more expensive.
const MOST_KEYS: usize = 8;

/// The secrets that sign session ids, newest first.
///
/// Clones share one ring, so [`KeyRing::rotate_to`] reaches every layer that holds one. To rotate without
/// logging users out: add the new secret as a verifying one on every server
/// ([`KeyRing::with_verification_key`]), then make it the first everywhere, then drop the old one once the
/// longest session has ended. A cookie that an older key verified is signed again when it is used.
#[derive(Clone)]
pub struct KeyRing(Arc<ArcSwap<KeySet>>);

/// The keys, with the cookies that they have verified: other keys begin with an empty cache.
pub(super) struct KeySet {
    /// The keys, newest first; at least one.
    all: Vec<Key>,
    verified: VerifyCache,
}

/// A key's HMAC state after the padded secret: cloned for each signature.
#[derive(Clone)]
struct Key(Hmac<Sha256>);

/// The reason for which a secret was refused; its `Debug` is its text, for a `main` that returns it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Generate one with `openssl rand -base64 48`.
    #[error("a secret needs at least 32 bytes; generate one with `openssl rand -base64 48`")]
    TooShort,
    /// It repeats itself, or is made of a handful of characters.
    #[error(
        "a secret that repeats itself, or holds only a few different characters, can be guessed; generate one with `openssl rand -base64 48`"
    )]
    Guessable,
    /// A ring without a key signs nothing.
    #[error("a key ring needs at least one secret")]
    NoSecret,
    /// The environment names no secret: set the variable, or the one with `_FILE` behind its name.
    #[error(
        "the environment has no secret: set SESSION_SECRET, or whatever the program calls it, to one of `openssl rand -base64 48`, or SESSION_SECRET_FILE to a file that holds one"
    )]
    NotSet,
    /// The file that the environment names cannot be read.
    #[error("the file that the environment names for the secret cannot be read")]
    File,
    /// Eight keys are enough for any rotation.
    #[error("a key ring holds at most 8 secrets; drop the oldest")]
    TooMany,
}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key that made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Newest(SignatureText),
    Older,
}

impl KeyRing {
    /// Creates a ring of one secret: text or bytes, at least 32 of them.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] and [`KeyError::Guessable`] for a secret that could be guessed, such as
    /// `changeme` four times. An application that shares such a one with Express uses
    /// [`KeyRing::with_insecure_short_secret`].
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::from_secrets([secret])
    }

    /// Creates a ring of several secrets, newest first, as in Express's `secret: [new, old]`.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoSecret`], [`KeyError::TooMany`], or [`KeyError::TooShort`] and
    /// [`KeyError::Guessable`] for any of them.
    pub fn from_secrets(
        secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self, KeyError> {
        let keys = secrets
            .into_iter()
            .map(|secret| Key::new(secret.as_ref()))
            .collect();
        Self::of(keys)
    }

    /// Creates a ring of one non-empty secret of any length, guessable or not.
    ///
    /// # Security
    ///
    /// An attacker who guesses the secret can sign ids. Express takes any secret; this is for sharing one
    /// with it until both can be given a longer one.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoSecret`] for an empty one.
    pub fn with_insecure_short_secret(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::with_insecure_short_secrets([secret])
    }

    /// Creates a ring of several secrets of any length, newest first.
    ///
    /// # Security
    ///
    /// As for [`KeyRing::with_insecure_short_secret`].
    ///
    /// # Errors
    ///
    /// [`KeyError::NoSecret`] for none at all or an empty one, [`KeyError::TooMany`].
    pub fn with_insecure_short_secrets(
        secrets: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self, KeyError> {
        let any_length = |secret: &[u8]| match secret {
            [] => Err(KeyError::NoSecret),
            secret => Ok(Key::of_any_length(secret)),
        };
        Self::of(
            secrets
                .into_iter()
                .map(|secret| any_length(secret.as_ref()))
                .collect(),
        )
    }

    /// Adds a secret that verifies and does not sign: an older one, or the next one on its way in.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`], [`KeyError::Guessable`], [`KeyError::TooMany`].
    pub fn with_verification_key(self, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let mut keys = self.0.load().all.clone();
        keys.push(Key::new(secret.as_ref())?);
        Self::of(Ok(keys))
    }

    /// Replaces its secrets by those of another ring, for requests from now on.
    pub fn rotate_to(&self, ring: &Self) {
        self.0.store(ring.0.load_full());
    }

    /// Creates a ring of one secret of any length, even empty: npm's `cookie-signature` accepts that.
    #[cfg(test)]
    pub(crate) fn of_any_secret(secret: &[u8]) -> Self {
        Self::of(Ok(vec![Key::of_any_length(secret)])).expect("one key makes a ring")
    }

    fn of(keys: Result<Vec<Key>, KeyError>) -> Result<Self, KeyError> {
        match keys? {
            keys if keys.is_empty() => Err(KeyError::NoSecret),
            keys if keys.len() > MOST_KEYS => Err(KeyError::TooMany),
            all => Ok(Self(Arc::new(ArcSwap::from_pointee(KeySet {
                all,
                verified: VerifyCache::default(),
            })))),
        }
    }

    /// Returns a keyed hash of a text by each key, the newest key's first: 16 bytes in base64url, too few to
    /// be a signature.
    pub(crate) fn keyed_hashes(&self, text: &str) -> Vec<String> {
        let name = |key: &Key| {
            let mut mac = key.0.clone();
            mac.update(b"name\0");
            mac.update(text.as_bytes());
            BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
        };
        self.0.load().all.iter().map(name).collect()
    }

    /// Returns a keyed fingerprint of a user by each key, the newest key's first.
    pub(crate) fn fingerprints_of(&self, user: &str) -> Vec<String> {
        self.keyed_hashes(&["user\0", user].concat())
    }

    /// Returns the proofs that one user acts as another, by each key.
    pub(crate) fn fingerprints_of_both(&self, by: &str, user: &str) -> Vec<String> {
        self.keyed_hashes(&format!("by\0{}\0{by}{user}", by.len()))
    }

    pub(super) fn sign(&self, message: &[u8]) -> SignatureText {
        self.0.load().sign(message)
    }

    /// Returns the present keys.
    pub(super) fn load(&self) -> impl Deref<Target = Arc<KeySet>> {
        self.0.load()
    }
}

impl KeySet {
    /// Returns the newest key's signature of `message`.
    pub(super) fn sign(&self, message: &[u8]) -> SignatureText {
        self.all[0].sign(message)
    }

    /// Returns the key that made this signature of `message`.
    pub(super) fn verify(
        &self,
        message: &[u8],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Option<Signature> {
        let (newest, older) = self.all.split_first()?;
        let own = newest.sign(message);
        if own.is(signature) {
            return Some(Signature::Newest(own));
        }
        let is_by = |key: &Key| key.sign(message).is(signature);
        older.iter().any(is_by).then_some(Signature::Older)
    }

    /// Returns the cache of cookies that these keys have verified.
    pub(super) fn verified(&self) -> &VerifyCache {
        &self.verified
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} secrets)", self.0.load().all.len())
    }
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(KeyError::TooShort);
        }
        if is_guessable(secret) {
            return Err(KeyError::Guessable);
        }
        Ok(Self::of_any_length(secret))
    }

    fn of_any_length(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length (RFC 2104 §2)"))
    }

    fn sign(&self, message: &[u8]) -> SignatureText {
        let mut mac = self.0.clone();
        mac.update(message);
        let mut text = [0; SIGNATURE_LEN];
        BASE64_STANDARD_NO_PAD
            .encode_slice(mac.finalize().into_bytes(), &mut text)
            .expect("32 bytes are 43 characters of base64");
        SignatureText::from_text(text)
    }
}

/// Appends a dot and the signature by the newest key.
pub fn sign(value: &str, keys: &KeyRing) -> String {
    let mut signed = String::with_capacity(value.len() + 1 + SIGNATURE_LEN);
    signed.push_str(value);
    signed.push('.');
    signed.push_str(keys.sign(value.as_bytes()).as_str());
    signed
}

/// Returns the value of a signed text, if a key of the ring signed it.
///
/// The text of the signature is compared, in constant time, so that padding, another alphabet or
/// other bits at the end of the base64 are refused, as they are by Node.
pub fn unsign<'a>(signed: &'a str, keys: &KeyRing) -> Option<&'a str> {
    verify(signed, &keys.load()).map(|(value, _)| value)
}

/// Returns the value of the cookie that gives `id` to a client, escaped as it stands in the field:
/// `s:<id>.<signature>` by the newest key.
pub fn cookie_value(id: &SessionId, keys: &KeyRing) -> String {
    let mut value = String::with_capacity(96);
    for part in ["s:", &sign(id.expose(), keys)] {
        codec::encode(part, &mut value);
    }
    value
}

/// Returns the value, and the key that signed it.
pub(super) fn verify<'a>(signed: &'a str, keys: &KeySet) -> Option<(&'a str, Signature)> {
    let (value, signature) = signed.rsplit_once('.')?;
    let signature = <&[u8; SIGNATURE_LEN]>::try_from(signature.as_bytes()).ok()?;
    keys.verify(value.as_bytes(), signature)
        .map(|by| (value, by))
}

#[cfg(test)]
mod tests {
    use super::super::{sign, unsign};
    use super::{KeyError, KeyRing};

    const OLD: &str = "an old secret of thirty-two bytes and more";
    const NEW: &str = "a new secret of thirty-two bytes and more.";

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        let none: [&str; 0] = [];
        assert_eq!(KeyRing::new("").unwrap_err(), KeyError::TooShort);
        assert_eq!(
            KeyRing::new("x".repeat(31)).unwrap_err(),
            KeyError::TooShort
        );
        assert_eq!(KeyRing::new([0; 32]).unwrap_err(), KeyError::Guessable);
        assert_eq!(KeyRing::from_secrets(none).unwrap_err(), KeyError::NoSecret);
        assert_eq!(
            KeyRing::from_secrets([NEW, "short"]).unwrap_err(),
            KeyError::TooShort
        );
        assert_eq!(
            KeyRing::from_secrets([NEW; 9]).unwrap_err(),
            KeyError::TooMany
        );
        assert_eq!(
            KeyRing::with_insecure_short_secret("").unwrap_err(),
            KeyError::NoSecret
        );
        assert!(KeyRing::with_insecure_short_secret("keyboard cat").is_ok());
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let old = KeyRing::new(OLD).unwrap();
        let both = KeyRing::from_secrets([NEW, OLD]).unwrap();
        let new = KeyRing::new(NEW).unwrap();
        assert_eq!(unsign(&sign("id", &old), &both), Some("id"));
        assert_eq!(unsign(&sign("id", &both), &new), Some("id"));
        assert_eq!(unsign(&sign("id", &both), &old), None);
        let verifying = old.clone().with_verification_key(NEW).unwrap();
        assert_eq!(unsign(&sign("id", &verifying), &old), Some("id"));
        assert_eq!(unsign(&sign("id", &new), &verifying), Some("id"));
    }

    #[test]
    fn a_rotation_reaches_every_clone() {
        let ring = KeyRing::new(OLD).unwrap();
        let clone = ring.clone();
        let signed = sign("id", &clone);
        assert_eq!(unsign(&signed, &clone), Some("id"));
        ring.rotate_to(&KeyRing::new(NEW).unwrap());
        assert_eq!(unsign(&signed, &clone), None, "nor is it remembered");
    }

    #[test]
    fn secrets_are_never_printed() {
        let ring = KeyRing::from_secrets([NEW, OLD]).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing(2 secrets)");
    }
}
