//! Secrets that are long enough, and guessable all the same.

/// Length in bytes of the shortest secret: that of HMAC-SHA256's output (RFC 2104 §3).
pub(super) const SHORTEST_SECRET: usize = 32;

/// Returns `true` if a secret is long enough but guessable: it protects no more than the part that it
/// repeats, or holds fewer different bytes than random text of its length ever does (fewer than six: once in
/// 10^12 for 32 random hexadecimal digits).
pub(super) fn is_guessable(secret: &[u8]) -> bool {
    period(secret) < SHORTEST_SECRET || distinct(secret) < 6
}

/// Returns the length of the part that a text repeats at least once in full; its own length where it repeats
/// nothing.
fn period(text: &[u8]) -> usize {
    let repeats = |period: &usize| text[*period..].iter().eq(&text[..text.len() - period]);
    (1..=text.len() / 2).find(repeats).unwrap_or(text.len())
}

fn distinct(text: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in text {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD_NO_PAD;

    use crate::cookie::{KeyError, KeyRing};

    #[test]
    fn x8_a_secret_that_repeats_itself_is_refused() {
        let bytes: Vec<u8> = (128..192).collect();
        let twice = |text: &str| text.repeat(2).into_bytes();
        #[rustfmt::skip]
        let table: [(Vec<u8>, bool); 17] = [
            ("a".repeat(32).into(),                                   false),
            ("a".repeat(1_000).into(),                                false),
            (vec![0; 32],                                             false),
            (vec![255; 64],                                           false),
            ("changeme".repeat(4).into(),                             false),
            ("changeme".repeat(9).as_bytes()[..70].to_vec(),                   false),
            ("keyboard cat keyboard cat keyboard cat".into(),         false),
            ("0123456789abcdef".repeat(2).into(),                     false),
            ("01".repeat(40).into(),                                  false),
            ("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc".into(),              false),
            ("111111111111111111111111111111111111112345".into(),     false),
            (twice("the first half is no secret"),                    false),
            // A phrase that is worth 32 bytes by itself may be repeated.
            (twice("cHq9rW0bq2Yx8mF5uQzVnT3kJd7LsA1eP4oR6iG"),         true),
            ("cHq9rW0bq2Yx8mF5uQzVnT3kJd7LsA1e".into(),               true),
            ("9f86d081884c7d659a2feaa0c55ad015".into(),               true),
            ("an old secret of thirty-two bytes and more".into(),     true),
            (bytes,                                                   true),
        ];
        for (secret, accepted) in table {
            let shown = String::from_utf8_lossy(&secret).into_owned();
            let expected = (!accepted).then_some(KeyError::Guessable);
            assert_eq!(KeyRing::new(&secret).err(), expected, "{shown}");
            let ring = KeyRing::new("an old secret of thirty-two bytes and more").unwrap();
            assert_eq!(
                ring.with_verification_key(&secret).err(),
                expected,
                "{shown}"
            );
            assert!(KeyRing::with_insecure_short_secret(&secret).is_ok());
        }
    }

    #[test]
    fn x8_random_secrets_from_openssl_are_never_refused() {
        for _ in 0..2_000 {
            let mut bytes = [0; 48];
            getrandom::fill(&mut bytes).unwrap();
            let hex = bytes[..16].iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            let base64 = BASE64_STANDARD_NO_PAD.encode(bytes);
            for secret in [&bytes[..32], hex.as_bytes(), base64.as_bytes()] {
                assert!(KeyRing::new(secret).is_ok());
            }
        }
    }
}
