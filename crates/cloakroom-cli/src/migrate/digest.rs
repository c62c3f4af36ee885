//! Keyed digests: of ids, which a journal must not hold, and of records, by their bytes and by their value.

use cloakroom::SessionId;
use cloakroom::record::StoredRecord;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::decide::{Digest, Seen};

/// The name of a session in the journal: it opens nothing.
pub(super) type IdDigest = [u8; 16];

/// The largest number up to which every whole one is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Makes digests with the key of one journal; without `Debug`, because of the key.
#[derive(Clone)]
pub(super) struct Digester(Hmac<Sha256>);

impl Digester {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// Returns the name of a session by its id at the target.
    pub(super) fn id(&self, id: &SessionId) -> IdDigest {
        self.sum(b"id", id.expose().as_bytes())
    }

    /// Returns the digest of what a move is from and to.
    pub(super) fn identity(&self, text: &str) -> IdDigest {
        self.sum(b"move", text.as_bytes())
    }

    /// Returns the digests of a record, with its expiry.
    pub(super) fn seen(&self, stored: &StoredRecord) -> Seen {
        let text = self.sum(b"record", stored.text.as_bytes());
        let value = match serde_json::from_str::<Value>(&stored.text) {
            Ok(value) => {
                let mut bytes = Vec::with_capacity(stored.text.len());
                canonical(&value, &mut bytes);
                self.sum(b"value", &bytes)
            }
            // Such as one with half a surrogate pair: its bytes are all there is.
            Err(_) => text,
        };
        Seen {
            digest: Digest {
                text: half(text),
                value: half(value),
            },
            expires: stored.expires,
        }
    }

    fn sum(&self, what: &[u8], bytes: &[u8]) -> [u8; 16] {
        let mut mac = self.0.clone();
        mac.update(what);
        mac.update(&[0]);
        mac.update(bytes);
        let sum = mac.finalize().into_bytes();
        std::array::from_fn(|at| sum[at])
    }
}

fn half(whole: [u8; 16]) -> [u8; 8] {
    std::array::from_fn(|at| whole[at])
}

/// Appends a value as every form of it is: keys in order, numbers by what they are.
fn canonical(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.extend(b"null"),
        Value::Bool(is) => bytes.extend(is.to_string().bytes()),
        Value::Number(number) => bytes.extend(number_text(number).bytes()),
        Value::String(text) => string(text, bytes),
        Value::Array(items) => {
            bytes.push(b'[');
            for item in items {
                canonical(item, bytes);
                bytes.push(b',');
            }
            bytes.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            bytes.push(b'{');
            for (key, value) in sorted {
                string(key, bytes);
                canonical(value, bytes);
                bytes.push(b',');
            }
            bytes.push(b'}');
        }
    }
}

fn string(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(b'"');
    // The length before it keeps two texts from being one.
    bytes.extend(text.len().to_string().bytes());
    bytes.push(b':');
    bytes.extend(text.bytes());
}

fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        _ if number.is_i64() || number.is_u64() => number.to_string(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number within the exact ones"
        )]
        Some(double) if double.fract() == 0.0 && double.abs() < EXACT => {
            (double as i64).to_string()
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::record::StoredRecord;
    use cloakroom::{SessionId, Timestamp};

    use super::Digester;

    fn stored(text: &str) -> StoredRecord {
        StoredRecord {
            text: text.into(),
            expires: Timestamp::from_millis(7),
        }
    }

    #[test]
    fn a_value_is_known_in_every_form_and_no_other() {
        let digester = Digester::new(b"key");
        #[rustfmt::skip]
        let table = [
            (r#"{"a":1,"b":2}"#,        r#"{"b": 2, "a": 1}"#,   true),
            (r#"{"a":1}"#,              r#"{"a":1.0}"#,          true),
            (r#"{"a":1000}"#,           r#"{"a":1e3}"#,          true),
            (r#"{"a":"\u00e4"}"#,       r#"{"a":"ä"}"#,          true),
            (r#"{"a":1,"a":2}"#,        r#"{"a":2}"#,            true),
            (r#"{"a":0.1}"#,            r#"{"a":0.10}"#,         true),
            (r#"{"a":1}"#,              r#"{"a":"1"}"#,          false),
            (r#"{"a":1}"#,              r#"{"a":2}"#,            false),
            (r#"{"a":[1,2]}"#,          r#"{"a":[2,1]}"#,        false),
            (r#"{"a":["x","y"]}"#,      r#"{"a":["x,y"]}"#,      false),
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#, false),
            (r#"{"a":null}"#,           r"{}",                   false),
            (r#"{"a":"\ud800"}"#,       r#"{"a":"\ud800"}"#,     true),
            (r#"{"a":"\ud800"}"#,       r#"{"a":"\ud801"}"#,     false),
        ];
        for (one, other, same) in table {
            let [one_seen, other_seen] = [one, other].map(|text| digester.seen(&stored(text)));
            let equal = one_seen.digest.value == other_seen.digest.value;
            assert_eq!(equal, same, "{one} {other}");
            let bytes = one_seen.digest.text == other_seen.digest.text;
            assert_eq!(bytes, one == other, "{one} {other}");
        }
    }

    #[test]
    fn an_id_has_another_digest_in_another_journal() {
        let id = SessionId::from_store("an id");
        let [one, other] = [b"one", b"two"].map(|key| Digester::new(key).id(&id));
        assert_ne!(one, other);
        assert_eq!(one, Digester::new(b"one").id(&id));
    }
}
