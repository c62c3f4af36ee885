//! A verified cookie: the session id that it carries.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::id::SessionId;

/// Length of a signature: 32 bytes in base64 without padding.
pub(super) const SIGNATURE_LEN: usize = 43;

/// A session id that came with a valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) id: SessionId,
    /// The signature that it came with, if it is the newest key's. One of an older key is to be signed again.
    pub(crate) signature: Option<SignatureText>,
}

impl Ticket {
    /// Returns the id that was signed.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Returns `true` if an older key than the first signed it: the cookie is then to be sent again.
    pub fn is_outdated(&self) -> bool {
        self.signature.is_none()
    }
}

/// A signature as it is written in a cookie; never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignatureText([u8; SIGNATURE_LEN]);

impl fmt::Debug for SignatureText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureText(…)")
    }
}

impl SignatureText {
    /// Takes a signature as it is written.
    #[inline]
    pub(super) fn from_text(text: [u8; SIGNATURE_LEN]) -> Self {
        Self(text)
    }

    /// Compares in constant time, eight bytes at once.
    #[inline]
    pub(super) fn is(&self, other: &[u8; SIGNATURE_LEN]) -> bool {
        let (own, own_rest) = self.0.as_chunks::<8>();
        let (other, other_rest) = other.as_chunks::<8>();
        let pairs = own.iter().zip(other);
        let words =
            pairs.map(|(own, other)| u64::from_ne_bytes(*own).ct_eq(&u64::from_ne_bytes(*other)));
        words
            .fold(own_rest.ct_eq(other_rest), |same, word| same & word)
            .into()
    }

    /// Returns the 43 characters of base64.
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}
