//! Encrypts and decrypts sessions with keys that are derived off the runtime's threads.

use std::sync::Arc;

use super::crypto::{AesKey, Hashing, hex, random};
use crate::store::mongodb::corrupt;
use crate::store::mongodb::encryption::Encryption;
use crate::store::{StoreError, StoreErrorKind};
use crate::util::bounded_cache::BoundedCache;

/// Number of keys that are kept: sessions of Express each have a salt of their own.
const MAX_KEYS: usize = 4096;

/// Encrypts and decrypts, and caches the keys that it derived.
pub(crate) struct Encryptor {
    encryption: Arc<Encryption>,
    /// The keys that were derived last, with their salts.
    keys: BoundedCache<(Vec<u8>, AesKey), MAX_KEYS>,
    /// The salt of everything that this store writes with Kruptein, so that one key serves.
    salt: [u8; 128],
}

impl Encryptor {
    pub(crate) fn new(encryption: &Encryption) -> Result<Self, StoreError> {
        if let Encryption::WebCrypto(webcrypto) = encryption {
            webcrypto.check()?;
        }
        Ok(Self {
            encryption: Arc::new(encryption.clone()),
            keys: BoundedCache::default(),
            salt: random()?,
        })
    }

    pub(crate) async fn seal(&self, text: &str) -> Result<String, StoreError> {
        let key = self.key(self.salt_of_own()).await?;
        match &*self.encryption {
            Encryption::Kruptein(kruptein) => kruptein.seal(&key, &self.salt, text),
            Encryption::WebCrypto(webcrypto) => webcrypto.seal(&key, text),
        }
    }

    /// Decrypts a session.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a text that was encrypted with another secret, or not at all.
    pub(crate) async fn open(&self, sealed: &str) -> Result<String, StoreError> {
        let unreadable = |_| corrupt("it does not decrypt");
        match &*self.encryption {
            Encryption::Kruptein(kruptein) => {
                let parts = kruptein.parts(sealed).map_err(unreadable)?;
                let key = self.key(&parts.salt).await?;
                kruptein.open(&key, &parts).map_err(unreadable)
            }
            Encryption::WebCrypto(webcrypto) => {
                let key = self.key(self.salt_of_own()).await?;
                webcrypto.open(&key, sealed).map_err(unreadable)
            }
        }
    }

    /// Returns a keyed hash of a user, which reveals nothing to a reader of the database.
    pub(crate) fn user(&self, user: &str) -> String {
        let secret = match &*self.encryption {
            Encryption::Kruptein(kruptein) => kruptein.secret(),
            Encryption::WebCrypto(webcrypto) => webcrypto.secret(),
        };
        let message = ["cloakroom user\0", user].concat();
        hex(&Hashing::Sha256.mac(secret, message.as_bytes()))
    }

    fn salt_of_own(&self) -> &[u8] {
        match &*self.encryption {
            Encryption::Kruptein(_) => &self.salt,
            Encryption::WebCrypto(webcrypto) => webcrypto.salt_bytes(),
        }
    }

    async fn key(&self, salt: &[u8]) -> Result<AesKey, StoreError> {
        let hash = self.keys.hash(salt);
        let of_salt = |(own, key): &(Vec<u8>, AesKey)| (own == salt).then_some(*key);
        if let Some(key) = self.keys.get(hash, of_salt) {
            return Ok(key);
        }
        let (encryption, salt) = (Arc::clone(&self.encryption), salt.to_vec());
        let deriving = tokio::task::spawn_blocking(move || {
            let key = match &*encryption {
                Encryption::Kruptein(kruptein) => kruptein.derive(&salt),
                Encryption::WebCrypto(webcrypto) => webcrypto.derive(),
            };
            (salt, key)
        });
        let (salt, key) = deriving
            .await
            .map_err(|_| StoreError::from(StoreErrorKind::Unavailable))?;
        self.keys.insert(hash, (salt, key));
        Ok(key)
    }
}
