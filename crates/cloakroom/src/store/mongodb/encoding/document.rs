//! A session as a BSON document (`stringify: false`): conversion to the JSON text that Node would see, and
//! back.

use mongodb::bson::{Bson, DateTime, Document};

use super::json::{write_document, write_value};
use super::parse::parse;
use crate::clock::Timestamp;
use crate::record::{COOKIE, CookieState};
use crate::store::StoreError;

/// The keys that connect-mongo writes of a cookie, in its order; undefined ones become null.
const COOKIE_KEYS: &[&str] = CookieState::KEYS;
/// The key of the cookie that holds a date.
const EXPIRES: &str = "expires";

/// Returns the text that `JSON.stringify` gives for a document that the Node driver has read.
///
/// The cookie is the exception: an attribute that is null there was undefined in Express, and is left out, as
/// `JSON.stringify` left it out before. So a session has one text, whatever store it comes from.
pub(crate) fn to_text(session: &Document) -> String {
    let mut out = String::with_capacity(256);
    match session.get_document(COOKIE) {
        Ok(cookie) => {
            let mut session = session.clone();
            session.insert(COOKIE, without_undefined(cookie));
            write_document(&session, &mut out);
        }
        Err(_) => write_document(session, &mut out),
    }
    out
}

fn without_undefined(cookie: &Document) -> Document {
    let may_be_null = |key: &str| ["originalMaxAge", EXPIRES].contains(&key);
    let undefined = |key: &str, value: &Bson| {
        *value == Bson::Null && COOKIE_KEYS.contains(&key) && !may_be_null(key)
    };
    let defined = cookie.iter().filter(|(key, value)| !undefined(key, value));
    defined
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Returns the document for a session's text, as connect-mongo would write it.
///
/// Values of `base` keep their BSON type if the text has the same value: nothing that this program did not
/// change loses its type.
pub(crate) fn from_text(text: &str, base: Option<&Document>) -> Result<Document, StoreError> {
    let mut parsed = parse(text)?;
    if let Some(Bson::Document(cookie)) = parsed.get(COOKIE) {
        let before = base.and_then(|base| base.get_document(COOKIE).ok());
        let cookie = shape_cookie(cookie, before);
        parsed.insert(COOKIE, cookie);
    }
    Ok(match base {
        Some(base) => merge(base, parsed),
        None => cookie_first(parsed),
    })
}

/// Returns `true` if two texts hold the same values, however they are written.
pub(crate) fn same_values(one: &str, other: &str) -> bool {
    let values = |text: &str| {
        let document = from_text(text, None).ok()?;
        serde_json::from_str::<serde_json::Value>(&to_text(&document)).ok()
    };
    one == other || values(one).is_some_and(|one| Some(one) == values(other))
}

/// Reorders keys as a JavaScript object does: array indices first; then the cookie.
fn cookie_first(mut parsed: Document) -> Document {
    let Some(cookie) = parsed.remove(COOKIE) else {
        return parsed;
    };
    let is_index = |key: &str| {
        key.parse::<u32>()
            .is_ok_and(|index| index.to_string() == key)
    };
    let (first, rest): (Vec<_>, Vec<_>) = parsed.into_iter().partition(|(key, _)| is_index(key));
    let cookie = (COOKIE.to_owned(), cookie);
    first.into_iter().chain([cookie]).chain(rest).collect()
}

fn merge(base: &Document, mut parsed: Document) -> Document {
    let mut merged = Document::new();
    for (key, before) in base {
        if let Some(after) = parsed.remove(key) {
            merged.insert(key, kept(before, after));
        }
    }
    merged.extend(parsed);
    merged
}

/// Returns `before` if Node would print it and `after` alike.
fn kept(before: &Bson, after: Bson) -> Bson {
    let text = |value: &Bson| {
        let mut out = String::new();
        write_value(value, &mut out).then_some(out)
    };
    match text(before) {
        Some(seen) if Some(&seen) == text(&after).as_ref() => before.clone(),
        _ => after,
    }
}

fn shape_cookie(cookie: &Document, before: Option<&Document>) -> Document {
    let mut shaped = Document::new();
    for &key in COOKIE_KEYS {
        shaped.insert(key, cookie.get(key).cloned().unwrap_or(Bson::Null));
    }
    for (key, value) in cookie {
        if !shaped.contains_key(key) {
            shaped.insert(key, value.clone());
        }
    }
    let expires = shaped.get_str(EXPIRES).ok().and_then(Timestamp::parse_iso);
    if let Some(expires) = expires {
        shaped.insert(EXPIRES, date(expires));
    }
    match before {
        Some(before) => merge(before, shaped),
        None => shaped,
    }
}

pub(crate) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, DateTime, JavaScriptCodeWithScope, Timestamp, doc};

    use super::{from_text, same_values, to_text};

    /// Compares with the output of `JSON.stringify` for each type as the Node driver (bson 7.3) reads it.
    #[test]
    fn every_type_prints_as_in_node() {
        let scoped = JavaScriptCodeWithScope {
            code: "f".to_owned(),
            scope: doc! { "a": Bson::Undefined, "b": 1 },
        };
        #[rustfmt::skip]
        let table: [(Bson, &str); 14] = [
            (Bson::Undefined,                     "{}"),
            (vec![Bson::Undefined].into(),        r#"{"a":[null]}"#),
            (doc! { "u": Bson::Undefined, "v": 1 }.into(), r#"{"a":{"v":1}}"#),
            ((1_i64 << 53).into(),                r#"{"a":9007199254740992}"#),
            (((1_i64 << 53) + 1).into(),          r#"{"a":{"high":2097152,"low":1,"unsigned":false}}"#),
            (i64::MIN.into(),                     r#"{"a":{"high":-2147483648,"low":0,"unsigned":false}}"#),
            (f64::NAN.into(),                     r#"{"a":null}"#),
            (1e21.into(),                         r#"{"a":1e+21}"#),
            (DateTime::MAX.into(),                r#"{"a":null}"#),
            (Bson::Timestamp(Timestamp { time: 1, increment: 2 }), r#"{"a":{"$timestamp":"4294967298"}}"#),
            (Bson::JavaScriptCode("f".to_owned()), r#"{"a":{"code":"f"}}"#),
            (scoped.into(),                       r#"{"a":{"code":"f","scope":{"b":1}}}"#),
            (Bson::MaxKey,                        r#"{"a":{}}"#),
            (Bson::Symbol("s\"\n".to_owned()),    r#"{"a":"s\"\n"}"#),
        ];
        for (value, text) in table {
            assert_eq!(to_text(&doc! { "a": &value }), text, "{value}");
        }
    }

    #[test]
    fn numbers_are_those_that_node_writes() {
        let written = from_text(
            r#"{"a":[1,-1,2147483647,2147483648,1.5,1e3,9007199254740993]}"#,
            None,
        );
        let expected =
            doc! { "a": [1, -1, i32::MAX, 2_147_483_648.0, 1.5, 1000, 9_007_199_254_740_992.0] };
        assert_eq!(written.unwrap(), expected);
    }

    #[test]
    fn texts_with_equal_values_are_equal() {
        #[rustfmt::skip]
        let table = [
            (r#"{"a":1,"b":2}"#,                 r#"{ "b":2.0, "a":1 }"#,      true),
            (r#"{"cookie":{"secure":null}}"#,    r#"{"cookie":{}}"#,           true),
            (r#"{"a":null}"#,                    "{}",                          false),
            (r#"{"a":1}"#,                       r#"{"a":"1"}"#,               false),
            (r#"{"a":[1,2]}"#,                   r#"{"a":[2,1]}"#,             false),
            ("no JSON",                          "no JSON either",             false),
        ];
        for (one, other, same) in table {
            assert_eq!(same_values(one, other), same, "{one} {other}");
        }
    }
}
