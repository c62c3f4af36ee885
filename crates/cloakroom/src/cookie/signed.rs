//! `s:<value>.<signature>`, as npm's `cookie-signature` writes it: HMAC-SHA256 in base64, no padding.

use super::key_ring::{KeySet, Signature};
use super::ticket::SIGNATURE_LEN;
use super::{KeyRing, codec};
use crate::id::SessionId;

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
