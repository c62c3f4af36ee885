//! connect-mongo's `createWebCryptoAdapter`: IV, ciphertext and tag, one after the other.

use std::fmt;

use super::crypto::{AesKey, Algorithm, Encoding, Hashing, Unreadable, fill};
use crate::store::{StoreError, StoreErrorKind};

/// The format of connect-mongo's `createWebCryptoAdapter`.
///
/// One key serves every record. It is derived once for each store, off the runtime's threads. With AES-GCM
/// and IVs of 12 random bytes, one key is good for 2^32 records (NIST SP 800-38D §8.3): fleets that write
/// more must change the secret in time.
#[derive(Clone)]
#[must_use]
pub struct WebCrypto {
    secret: Vec<u8>,
    algorithm: Algorithm,
    encoding: Encoding,
    iv_length: Option<usize>,
    salt: Vec<u8>,
    iterations: u32,
}

impl WebCrypto {
    /// Creates the format with connect-mongo's defaults: AES-GCM, base64, and for the key 310,000 rounds of
    /// PBKDF2 with SHA-256 and the package's public salt.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secret: secret.as_ref().to_vec(),
            algorithm: Algorithm::default(),
            encoding: Encoding::default(),
            iv_length: None,
            salt: b"connect-mongo:webcrypto-default-salt".to_vec(),
            iterations: 310_000,
        }
    }

    /// Sets the cipher. Default: AES-GCM.
    ///
    /// # Security
    ///
    /// With AES-CBC tampering is not detected: an attacker who can write to the database can change a record
    /// without the secret.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the encoding. Default: base64.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets the length of an IV in bytes. Default: 12 for AES-GCM, 16 for AES-CBC.
    ///
    /// AES-GCM takes 8, 12, 16 or 32 here, AES-CBC 16; with any other the store does not connect.
    #[doc(alias = "ivLength")]
    pub fn iv_length(mut self, bytes: usize) -> Self {
        self.iv_length = Some(bytes);
        self
    }

    /// Sets the salt of the key. Default: connect-mongo's, which is public.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// Sets the rounds of PBKDF2. Default: 310,000.
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations;
        self
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let invalid = |why: &'static str| Err(StoreError::new(StoreErrorKind::Invalid, why));
        match (self.algorithm.takes_iv_of(self.iv_bytes()), self.iterations) {
            (false, _) => invalid("the cipher takes no IV of that length"),
            (true, 0) => invalid("a key needs at least one iteration"),
            (true, _) => Ok(()),
        }
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(crate) fn salt_bytes(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn derive(&self) -> AesKey {
        Hashing::Sha256.derive(&self.secret, &self.salt, self.iterations)
    }

    pub(crate) fn seal(&self, key: &AesKey, text: &str) -> Result<String, StoreError> {
        let mut whole = vec![0; self.iv_bytes()];
        fill(&mut whole)?;
        let sealed = self.algorithm.encrypt(key, &whole, b"", text.as_bytes());
        let sealed = sealed
            .map_err(|_| StoreError::new(StoreErrorKind::Invalid, "the record does not encrypt"))?;
        whole.extend(sealed);
        Ok(self.encoding.encode(&whole))
    }

    pub(crate) fn open(&self, key: &AesKey, sealed: &str) -> Result<String, Unreadable> {
        let whole = self.encoding.decode(sealed.as_bytes())?;
        let (iv, sealed) = whole.split_at_checked(self.iv_bytes()).ok_or(Unreadable)?;
        let plain = self.algorithm.decrypt(key, iv, b"", sealed)?;
        let plain = String::from_utf8(plain).map_err(|_| Unreadable)?;
        match plain.as_bytes().first() {
            // A serializer of Node's that produced a text: that text is the session.
            Some(b'"') => serde_json::from_str(&plain).map_err(|_| Unreadable),
            _ => Ok(plain),
        }
    }

    fn iv_bytes(&self) -> usize {
        self.iv_length.unwrap_or(match self.algorithm {
            Algorithm::AesGcm => 12,
            Algorithm::AesCbc => 16,
        })
    }
}

impl fmt::Debug for WebCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebCrypto")
            .field("algorithm", &self.algorithm)
            .field("encoding", &self.encoding)
            .field("iv_length", &self.iv_bytes())
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
