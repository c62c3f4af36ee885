//! connect-mongo's option `crypto`: records in the format of the package kruptein 3.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::crypto::{AesKey, Algorithm, Encoding, Hashing, Unreadable, random};
use crate::record::stringify;
use crate::store::{StoreError, StoreErrorKind};

/// The format of connect-mongo's option `crypto`.
///
/// A key is derived for every salt: 15,000 rounds of PBKDF2, off the runtime's threads. Kruptein generates a
/// salt for each record; a store here generates one when it connects, so that a fleet of these derives a key
/// for each process, and one for each record that Node wrote. Both read both.
#[derive(Clone)]
#[must_use]
pub struct Kruptein {
    secret: Vec<u8>,
    algorithm: Algorithm,
    encoding: Encoding,
    hashing: Hashing,
}

/// A parsed record: a DER sequence of octet strings.
pub(crate) struct Parts {
    ciphertext: Vec<u8>,
    mac: Vec<u8>,
    iv: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    /// Present with GCM.
    tag: Vec<u8>,
    aad: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
/// The number of rounds, kruptein's own.
const ITERATIONS: u32 = 15_000;

impl Kruptein {
    /// Creates the format with connect-mongo's defaults: `aes-256-gcm`, `sha512`, `base64`.
    pub fn new(secret: impl AsRef<str>) -> Self {
        Self {
            secret: secret.as_ref().as_bytes().to_vec(),
            algorithm: Algorithm::default(),
            encoding: Encoding::default(),
            hashing: Hashing::default(),
        }
    }

    /// Sets the cipher. Default: AES-256-GCM.
    ///
    /// # Security
    ///
    /// With AES-CBC the format's MAC does not cover the IV: an attacker who can write to the database can
    /// change the first 16 bytes of a record.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the encoding, kruptein's `encodeas`. Default: base64.
    #[doc(alias = "encodeas")]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets the hash. Default: SHA-512, connect-mongo's; kruptein's own is SHA-384.
    pub fn hashing(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(crate) fn derive(&self, salt: &[u8]) -> AesKey {
        self.hashing.derive(&self.secret, salt, ITERATIONS)
    }

    pub(crate) fn seal(&self, key: &AesKey, salt: &[u8], text: &str) -> Result<String, StoreError> {
        // The plaintext is the text as a JSON string once more.
        let plain = stringify(text)
            .map_err(|_| StoreError::new(StoreErrorKind::Invalid, "the record is no text"))?;
        let gcm = self.algorithm == Algorithm::AesGcm;
        let iv: [u8; 16] = random()?;
        let iv = if gcm { &iv[..12] } else { &iv[..] };
        let nonce: [u8; 128] = random()?;
        let aad = self.hashing.mac(&nonce, plain.as_bytes());
        let sealed = self.algorithm.encrypt(key, iv, &aad, plain.as_bytes());
        let mut sealed = sealed
            .map_err(|_| StoreError::new(StoreErrorKind::Invalid, "the record does not encrypt"))?;
        let tag = if gcm {
            sealed.split_off(sealed.len() - 16)
        } else {
            Vec::new()
        };
        let ciphertext = self.encoding.encode(&sealed);
        let mac = self.hashing.mac(key, ciphertext.as_bytes());
        let (mac, aad) = (self.encoding.encode(&mac), self.encoding.encode(&aad));
        let mut parts: Vec<&[u8]> = vec![ciphertext.as_bytes(), mac.as_bytes(), iv, salt];
        if gcm {
            parts.extend([&*tag, aad.as_bytes()]);
        }
        Ok(self.encoding.encode(&der(&parts)))
    }

    pub(crate) fn parts(&self, sealed: &str) -> Result<Parts, Unreadable> {
        let bytes = self.encoding.decode(sealed.as_bytes())?;
        let (sequence, _) = take(&bytes, SEQUENCE).ok_or(Unreadable)?;
        let mut rest = sequence;
        let mut next = || {
            let (part, after) = take(rest, OCTET_STRING).ok_or(Unreadable)?;
            rest = after;
            Ok(part.to_vec())
        };
        let gcm = self.algorithm == Algorithm::AesGcm;
        Ok(Parts {
            ciphertext: next()?,
            mac: next()?,
            iv: next()?,
            salt: next()?,
            tag: if gcm { next()? } else { Vec::new() },
            aad: if gcm { next()? } else { Vec::new() },
        })
    }

    pub(crate) fn open(&self, key: &AesKey, parts: &Parts) -> Result<String, Unreadable> {
        let mac = self.hashing.mac(key, &parts.ciphertext);
        let mac = self.encoding.encode(&mac);
        if !bool::from(mac.as_bytes().ct_eq(&parts.mac)) {
            return Err(Unreadable);
        }
        let mut sealed = self.encoding.decode(&parts.ciphertext)?;
        sealed.extend(&parts.tag);
        let aad = self.encoding.decode(&parts.aad)?;
        let plain = self.algorithm.decrypt(key, &parts.iv, &aad, &sealed)?;
        let plain = String::from_utf8(plain).map_err(|_| Unreadable)?;
        match plain.as_bytes().first() {
            Some(b'"') => serde_json::from_str(&plain).map_err(|_| Unreadable),
            _ => Ok(plain),
        }
    }
}

impl fmt::Debug for Kruptein {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kruptein")
            .field("algorithm", &self.algorithm)
            .field("encoding", &self.encoding)
            .field("hashing", &self.hashing)
            .finish_non_exhaustive()
    }
}

fn der(parts: &[&[u8]]) -> Vec<u8> {
    let mut content = Vec::new();
    for part in parts {
        put(&mut content, OCTET_STRING, part);
    }
    let mut whole = Vec::with_capacity(content.len() + 6);
    put(&mut whole, SEQUENCE, &content);
    whole
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match length {
        [] => out.push(0),
        [short @ 0..0x80] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("a length has 8 bytes at most"));
            out.extend(long);
        }
    }
    out.extend(content);
}

/// Splits off the content of the first element, and returns it with the rest.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], mut rest) = bytes.split_first_chunk()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (long, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        rest = after;
        length = long.iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        })?;
    }
    (found == tag).then(|| rest.split_at_checked(length))?
}
