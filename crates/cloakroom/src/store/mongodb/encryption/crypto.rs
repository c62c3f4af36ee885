//! Encrypted sessions: the ciphers and encodings that both of connect-mongo's formats use.

use std::fmt;

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U8, U12, U16, U32};
use aes_gcm::aead::{Aead as _, KeyInit as _, Nonce, Payload};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, prelude};
use hmac::{Hmac, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

use crate::store::{StoreError, StoreErrorKind};

/// A cipher with keys of 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// AES-GCM, which detects tampering. Both formats' default.
    #[default]
    AesGcm,
    /// AES-CBC. Kruptein adds a MAC of its own; Web Crypto has none with it.
    AesCbc,
}

/// The encoding of bytes as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// RFC 4648 §4, padded. Both formats' default.
    #[default]
    Base64,
    /// RFC 4648 §5, not padded.
    Base64Url,
    /// Hexadecimal, in lower case.
    Hex,
}

/// The hash that Kruptein derives keys and authenticates with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hashing {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512: connect-mongo's default.
    #[default]
    Sha512,
}

pub(crate) type AesKey = [u8; 32];

/// A text that cannot be decrypted; the reason is given to no caller.
pub(crate) struct Unreadable;

impl Encoding {
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => prelude::BASE64_STANDARD.encode(bytes),
            Self::Base64Url => prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes),
            Self::Hex => hex(bytes),
        }
    }

    pub(crate) fn decode(self, text: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let base64 = |alphabet| {
            // As Node: padded or not.
            let lenient = GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent);
            let engine = GeneralPurpose::new(alphabet, lenient);
            engine.decode(text).map_err(|_| Unreadable)
        };
        match self {
            Self::Base64 => base64(&alphabet::STANDARD),
            Self::Base64Url => base64(&alphabet::URL_SAFE),
            Self::Hex => unhex(text).ok_or(Unreadable),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect::<Option<_>>())?
}

impl Hashing {
    pub(crate) fn derive(self, secret: &[u8], salt: &[u8], iterations: u32) -> AesKey {
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(secret, salt, iterations),
            Self::Sha384 => pbkdf2::pbkdf2_hmac_array::<Sha384, 32>(secret, salt, iterations),
            Self::Sha512 => pbkdf2::pbkdf2_hmac_array::<Sha512, 32>(secret, salt, iterations),
        }
    }

    pub(crate) fn mac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        macro_rules! mac {
            ($digest:ty) => {{
                let mut mac =
                    Hmac::<$digest>::new_from_slice(key).expect("HMAC takes keys of any length");
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Sha256 => mac!(Sha256),
            Self::Sha384 => mac!(Sha384),
            Self::Sha512 => mac!(Sha512),
        }
    }
}

macro_rules! gcm {
    ($method:ident, $key:expr, $iv:expr, $payload:expr, $($length:literal $size:ty),*) => {
        match $iv.len() {
            $($length => {
                let nonce = Nonce::<AesGcm<Aes256, $size>>::try_from($iv)
                    .map_err(|_| Unreadable)?;
                AesGcm::<Aes256, $size>::new($key.into())
                    .$method(&nonce, $payload)
                    .map_err(|_| Unreadable)
            })*
            _ => Err(Unreadable),
        }
    };
}

impl Algorithm {
    pub(crate) fn takes_iv_of(self, length: usize) -> bool {
        match self {
            Self::AesGcm => [8, 12, 16, 32].contains(&length),
            Self::AesCbc => length == 16,
        }
    }

    /// Encrypts; with GCM, the tag follows the ciphertext.
    pub(crate) fn encrypt(
        self,
        key: &AesKey,
        iv: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Unreadable> {
        match self {
            Self::AesGcm => {
                let payload = Payload { msg, aad };
                gcm!(encrypt, key, iv, payload, 8 U8, 12 U12, 16 U16, 32 U32)
            }
            Self::AesCbc => {
                let iv: &[u8; 16] = iv.try_into().map_err(|_| Unreadable)?;
                let cipher = cbc::Encryptor::<Aes256>::new(key.into(), iv.into());
                Ok(cipher.encrypt_padded_vec::<Pkcs7>(msg))
            }
        }
    }

    pub(crate) fn decrypt(
        self,
        key: &AesKey,
        iv: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Unreadable> {
        match self {
            Self::AesGcm => {
                let payload = Payload { msg, aad };
                gcm!(decrypt, key, iv, payload, 8 U8, 12 U12, 16 U16, 32 U32)
            }
            Self::AesCbc => {
                let iv: &[u8; 16] = iv.try_into().map_err(|_| Unreadable)?;
                let cipher = cbc::Decryptor::<Aes256>::new(key.into(), iv.into());
                cipher
                    .decrypt_padded_vec::<Pkcs7>(msg)
                    .map_err(|_| Unreadable)
            }
        }
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))
}
