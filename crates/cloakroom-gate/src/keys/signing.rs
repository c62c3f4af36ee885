//! One key: Ed25519, named by its thumbprint.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::KeysError;

/// A key and its times, in seconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    /// Since when verifiers can know it.
    pub(crate) published: u64,
    /// Since when it signs.
    pub(crate) from: u64,
    seed: [u8; 32],
    public: [u8; 32],
}

/// A key as the file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kid: String,
    published: u64,
    from: u64,
    seed: String,
}

impl SigningKey {
    /// Draws a key that is published and used from these times on.
    pub(super) fn draw(published: u64, from: u64) -> Result<Self, KeysError> {
        let mut seed = [0; 32];
        let drawn = SystemRandom::new().fill(&mut seed);
        drawn.map_err(|_| KeysError {
            path: "of the gate".to_owned(),
            reason: "there are no random numbers".to_owned(),
        })?;
        Self::of(seed, published, from).ok_or_else(|| KeysError {
            path: "of the gate".to_owned(),
            reason: "no key can be made".to_owned(),
        })
    }

    fn of(seed: [u8; 32], published: u64, from: u64) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
        Some(Self {
            kid: thumbprint(&public),
            published,
            from,
            seed,
            public,
        })
    }

    /// Returns the signature of a text.
    pub(crate) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(&self.seed, &self.public).ok()?;
        Some(pair.sign(text).as_ref().to_vec())
    }

    /// Returns the public key (RFC 8037).
    pub(crate) fn public_jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(self.public),
            "kid": self.kid, "alg": "EdDSA", "use": "sig",
        })
    }
}

/// Returns the thumbprint of a public key: RFC 7638, with the members of RFC 8037 §2.
fn thumbprint(public: &[u8; 32]) -> String {
    let x = BASE64.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64.encode(digest(&SHA256, members.as_bytes()))
}

impl From<SigningKey> for Stored {
    fn from(key: SigningKey) -> Self {
        Self {
            kid: key.kid,
            published: key.published,
            from: key.from,
            seed: BASE64.encode(key.seed),
        }
    }
}

impl TryFrom<Stored> for SigningKey {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let seed = BASE64
            .decode(stored.seed)
            .map_err(|_| "a seed is no base64url")?;
        let seed = seed.try_into().map_err(|_| "a seed has not 32 bytes")?;
        let key = Self::of(seed, stored.published, stored.from).ok_or("a seed makes no key")?;
        let is_same = key.kid == stored.kid;
        is_same
            .then_some(key)
            .ok_or("a key has another thumbprint than its name")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{BASE64, SigningKey, thumbprint};
    use base64::Engine as _;

    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        // RFC 8037, appendix A.2 and A.3.
        let public = BASE64
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        let public: [u8; 32] = public.try_into().unwrap();
        assert_eq!(
            thumbprint(&public),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn g20_nothing_of_the_private_part_is_printed_or_published() {
        let key = SigningKey::draw(1, 2).unwrap();
        let stored = serde_json::to_value(&key).unwrap();
        let seed = stored["seed"].as_str().unwrap().to_owned();
        for text in [format!("{key:?}"), key.public_jwk().to_string()] {
            assert!(!text.contains(&seed), "{text}");
            assert!(text.contains(&key.kid), "{text}");
        }
        let read: SigningKey = serde_json::from_value(stored).unwrap();
        assert_eq!(read.sign(b"x"), key.sign(b"x"));
    }
}
