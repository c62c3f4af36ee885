//! JSON into BSON, as the Node driver writes it.

use std::fmt;

use mongodb::bson::{Bson, Document};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::record::{renormalize, without_lone_surrogates};
use crate::store::{StoreError, StoreErrorKind};

/// Parses a session's text.
///
/// # Errors
///
/// `Invalid` for a text that is no JSON object, or none that BSON can hold.
pub(crate) fn parse(text: &str) -> Result<Document, StoreError> {
    let invalid = |why: &'static str| StoreError::new(StoreErrorKind::Invalid, why);
    let text = renormalize(text).ok_or_else(|| invalid("the record is no JSON"))?;
    let text = without_lone_surrogates(&text);
    match serde_json::from_str(&text) {
        Ok(ParsedBson(Bson::Document(document))) => Ok(document),
        Ok(_) => Err(invalid("the record is no JSON object")),
        Err(_) => Err(invalid("the record has a key with a NUL, or is too deep")),
    }
}

/// A JSON value as the Node driver writes it. Unlike `Bson`'s own deserialization of JSON, it takes no object
/// for another type because of its keys: those are a visitor's.
struct ParsedBson(Bson);

impl<'de> Deserialize<'de> for ParsedBson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Bson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        while let Some(ParsedBson(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Bson::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bson, A::Error> {
        let mut document = Document::new();
        while let Some((key, ParsedBson(value))) = map.next_entry::<String, _>()? {
            if key.contains('\0') {
                return Err(A::Error::custom("a key with a NUL"));
            }
            document.insert(key, value);
        }
        Ok(Bson::Document(document))
    }
}

/// Converts a number: every number of JavaScript is a double; integers beyond 2^53 were rounded before.
fn double(value: impl fmt::Display) -> Bson {
    value.to_string().parse().map_or(Bson::Null, Bson::Double)
}
