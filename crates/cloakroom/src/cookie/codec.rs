//! JavaScript's `encodeURIComponent` and `decodeURIComponent` (ECMA-262, 19.2.6), over bytes.

use std::borrow::Cow;

use memchr::memchr;

/// Appends `text`, with the characters escaped that `encodeURIComponent` escapes.
pub(super) fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if UNESCAPED[usize::from(byte)] {
            continue;
        }
        if plain_from < at {
            out.push_str(&text[plain_from..at]);
        }
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
        // In the middle of a multi-byte character this is no boundary, but then the next byte is escaped as
        // well, and no slice is taken there.
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
}

/// Decodes the escapes; a malformed one, or bytes that are no UTF-8, leave the text unchanged, as npm's
/// `cookie` does. `None` where the text itself is not ASCII: no encoder wrote it.
pub(super) fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.is_ascii() {
        return None;
    }
    let unescaped = memchr(b'%', value).map(|first| unescape(value, first));
    Some(match unescaped.flatten() {
        Some(unescaped) => Cow::Owned(unescaped),
        None => Cow::Borrowed(text),
    })
}

/// Decodes the escapes, the first of which is at `first`; `None` where one is malformed.
fn unescape(value: &[u8], first: usize) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let (mut rest, mut next) = (value, Some(first));
    while let Some(at) = next {
        let (plain, escape) = rest.split_at(at);
        let [_, high, low, after @ ..] = escape else {
            return None;
        };
        out.extend_from_slice(plain);
        out.push(hex(*high)? << 4 | hex(*low)?);
        rest = after;
        next = memchr(b'%', rest);
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Table of the bytes that `encodeURIComponent` leaves unchanged.
const UNESCAPED: [bool; 256] = {
    let mut unescaped = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        unescaped[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
            );
        byte += 1;
    }
    unescaped
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    #[test]
    fn escapes_are_read_as_javascript_reads_them() {
        #[rustfmt::skip]
        let table: [(&[u8], Option<&str>); 10] = [
            (b"abc",        Some("abc")),
            (b"s%3Aa%2fb",  Some("s:a/b")),
            (b"a+b",        Some("a+b")),
            (b"%",          Some("%")),
            (b"%4",         Some("%4")),
            (b"%zz%41",     Some("%zz%41")),
            (b"%C3%A9",     Some("é")),
            (b"%C3",        Some("%C3")),
            (b"%ED%A0%80",  Some("%ED%A0%80")), // a surrogate
            (b"caf\xc3\xa9", None),
        ];
        for (value, text) in table {
            assert_eq!(decode(value).as_deref(), text, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn encode_and_decode_round_trip(text in ".*") {
            let mut encoded = String::new();
            encode(&text, &mut encoded);
            let decoded = decode(encoded.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }
    }
}
