//! A session as a BSON document (`stringify: false`): its JSON text as Node would see it, and back.

use std::fmt::Write as _;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Bson, DateTime, Document};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::clock::Timestamp;
use crate::record::{COOKIE, renormalize, stringify, without_lone_surrogates};
use crate::store::{StoreError, StoreErrorKind};

/// What connect-mongo writes of a cookie, in its order; what is undefined becomes null.
const COOKIE_KEYS: [&str; 9] = [
    "originalMaxAge",
    "partitioned",
    "priority",
    "expires",
    "secure",
    "httpOnly",
    "domain",
    "path",
    "sameSite",
];
/// The key of the cookie that holds a date.
const EXPIRES: &str = "expires";
/// The furthest integer that the Node driver hands out as a number (2^53); beyond, a `Long`.
const SAFE: i64 = 1 << 53;

/// The text that `JSON.stringify` gives for a document that the Node driver has read.
///
/// But for the cookie: an attribute that is null there was undefined in Express, and is left out,
/// as `JSON.stringify` left it out before. So a session has one text, whatever store it comes from.
pub(super) fn to_text(session: &Document) -> String {
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

/// The document for a session's text, as connect-mongo would write it.
///
/// Values of `base` stay what they are, whatever their BSON type, where the text says the same of
/// them: nothing that this program did not change loses its type.
pub(super) fn from_text(text: &str, base: Option<&Document>) -> Result<Document, StoreError> {
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

/// Whether two texts say the same, however they are written.
pub(super) fn same_values(one: &str, other: &str) -> bool {
    let values = |text: &str| {
        let document = from_text(text, None).ok()?;
        serde_json::from_str::<serde_json::Value>(&to_text(&document)).ok()
    };
    one == other || values(one).is_some_and(|one| Some(one) == values(other))
}

fn parse(text: &str) -> Result<Document, StoreError> {
    let invalid = |why: &'static str| StoreError::new(StoreErrorKind::Invalid, why);
    let text = renormalize(text).ok_or_else(|| invalid("the record is no JSON"))?;
    let text = without_lone_surrogates(&text);
    match serde_json::from_str(&text) {
        Ok(Parsed(Bson::Document(document))) => Ok(document),
        Ok(_) => Err(invalid("the record is no JSON object")),
        Err(_) => Err(invalid("the record has a key with a NUL, or is too deep")),
    }
}

/// Keys that are array indices come first, as in any JavaScript object; then the cookie.
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

/// `before`, where Node would see the same of it and of `after`.
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
    for key in COOKIE_KEYS {
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

pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

fn write_document(document: &Document, out: &mut String) {
    out.push('{');
    let mut first = true;
    for (key, value) in document {
        let start = out.len();
        if !first {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        if write_value(value, out) {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push('}');
}

/// Writes a value as its class in the Node driver does (`toJSON`); `false` for what is undefined.
fn write_value(value: &Bson, out: &mut String) -> bool {
    match value {
        Bson::Undefined => return false,
        Bson::Null => out.push_str("null"),
        Bson::Boolean(value) => write(out, value),
        Bson::Double(value) => write_number(*value, out),
        Bson::Int32(value) => write(out, value),
        Bson::Int64(value) if (-SAFE..=SAFE).contains(value) => write(out, value),
        Bson::Int64(value) => {
            let (high, low) = (value >> 32, value & 0xffff_ffff);
            let low = if low >= 1 << 31 { low - (1 << 32) } else { low };
            let _ = write!(out, r#"{{"high":{high},"low":{low},"unsigned":false}}"#);
        }
        Bson::String(value) | Bson::Symbol(value) => write_string(value, out),
        Bson::DateTime(value) => match Timestamp::checked(value.timestamp_millis()) {
            Some(at) => {
                let _ = write!(out, "\"{}\"", at.iso());
            }
            None => out.push_str("null"),
        },
        Bson::ObjectId(value) => write_string(&value.to_hex(), out),
        Bson::Decimal128(value) => {
            let _ = write!(out, r#"{{"$numberDecimal":"{value}"}}"#);
        }
        Bson::Timestamp(value) => {
            let both = (u64::from(value.time) << 32) | u64::from(value.increment);
            let _ = write!(out, r#"{{"$timestamp":"{both}"}}"#);
        }
        Bson::Binary(value) => write_string(&binary(value), out),
        // The parts of a pointer are hidden; nothing has written any since MongoDB 1.
        Bson::RegularExpression(_) | Bson::MinKey | Bson::MaxKey | Bson::DbPointer(_) => {
            out.push_str("{}");
        }
        Bson::JavaScriptCode(code) => {
            out.push_str(r#"{"code":"#);
            write_string(code, out);
            out.push('}');
        }
        Bson::JavaScriptCodeWithScope(value) => {
            out.push_str(r#"{"code":"#);
            write_string(&value.code, out);
            out.push_str(r#","scope":"#);
            write_document(&value.scope, out);
            out.push('}');
        }
        Bson::Array(values) => write_array(values, out),
        Bson::Document(value) => write_document(value, out),
    }
    true
}

fn write(out: &mut String, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn write_array(values: &[Bson], out: &mut String) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if !write_value(value, out) {
            out.push_str("null");
        }
    }
    out.push(']');
}

fn write_number(value: f64, out: &mut String) {
    out.push_str(&stringify(&value).unwrap_or_else(|_| "null".to_owned()));
}

fn write_string(value: &str, out: &mut String) {
    out.push_str(&stringify(value).unwrap_or_default());
}

fn binary(value: &mongodb::bson::Binary) -> String {
    use base64::Engine as _;
    match (value.subtype, <[u8; 16]>::try_from(&*value.bytes)) {
        (BinarySubtype::Uuid, Ok(bytes)) => mongodb::bson::Uuid::from_bytes(bytes).to_string(),
        _ => base64::prelude::BASE64_STANDARD.encode(&value.bytes),
    }
}

/// A JSON value as the Node driver writes it. Unlike `Bson`'s own reading of JSON, no object is
/// taken for another type by its keys: those are a visitor's.
struct Parsed(Bson);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Bson;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Bson, E> {
        Ok(Bson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bson, E> {
        Ok(i32::try_from(value).map_or_else(|_| double(value), Bson::Int32))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bson, E> {
        Ok(i32::try_from(value).map_or_else(|_| double(value), Bson::Int32))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Bson, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bson, A::Error> {
        let mut values = Vec::new();
        while let Some(Parsed(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Bson::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bson, A::Error> {
        let mut document = Document::new();
        while let Some((key, Parsed(value))) = map.next_entry::<String, _>()? {
            if key.contains('\0') {
                return Err(A::Error::custom("a key with a NUL"));
            }
            document.insert(key, value);
        }
        Ok(Bson::Document(document))
    }
}

/// Every number of JavaScript is a double; integers beyond 2^53 were rounded before.
fn double(value: impl std::fmt::Display) -> Bson {
    value.to_string().parse().map_or(Bson::Null, Bson::Double)
}
