//! A session's data as one struct: each key is a field, `null` is a missing key, and an error names its key.

use std::fmt;
use std::vec::IntoIter;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::SessionError;
use crate::record::{Field, ValueError, is_reserved, without_lone_surrogates};

/// Reads the data as a `T`.
pub(super) fn read_struct<T: DeserializeOwned>(data: &[Field<'_>]) -> Result<T, SessionError> {
    let there: Vec<_> = data.iter().filter(|field| field.value != "null").collect();
    let mended: Vec<String> = there.iter().map(|field| mended(field.value)).collect();
    let names: Vec<String> = there
        .iter()
        .map(|field| field.name().into_owned())
        .collect();
    let pairs: Vec<FieldPair<'_>> = names
        .iter()
        .map(String::as_str)
        .zip(mended.iter().map(String::as_str))
        .collect();
    let data = FieldReader {
        pairs: pairs.into_iter(),
        next: None,
    };
    T::deserialize(data).map_err(|error| match error.source {
        Some(source) => ValueError::read::<T>(&error.key, source).into(),
        None => SessionError::ReservedKey(error.key),
    })
}

/// Replaces lone surrogates, so that Rust's strings can hold the text.
fn mended(json: &str) -> String {
    if json.contains("\\u") {
        without_lone_surrogates(json)
    } else {
        json.to_owned()
    }
}

/// A key and its value's JSON.
type FieldPair<'a> = (&'a str, &'a str);

struct FieldReader<'a> {
    pairs: IntoIter<FieldPair<'a>>,
    /// The field whose key was given out, and whose value was not.
    next: Option<FieldPair<'a>>,
}

/// An error and its key; empty where no single key is at fault.
#[derive(Debug)]
struct FieldError {
    key: String,
    /// `None`: the field has a name that no key can have.
    source: Option<serde_json::Error>,
}

impl FieldError {
    fn reserved(field: &str) -> Self {
        Self {
            key: field.to_owned(),
            source: None,
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => source.fmt(f),
            None => f.write_str("the field has a reserved name"),
        }
    }
}

impl std::error::Error for FieldError {}

impl serde::de::Error for FieldError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            key: String::new(),
            source: Some(serde::de::Error::custom(message)),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            key: field.to_owned(),
            source: Some(serde::de::Error::missing_field(field)),
        }
    }
}

impl<'de> Deserializer<'de> for FieldReader<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    /// Refuses a struct with a field whose name no key can have, even one that is `None` now.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        if let Some(field) = fields.iter().find(|field| is_reserved(field)) {
            return Err(FieldError::reserved(field));
        }
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for FieldReader<'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        self.next = self.pairs.next();
        let Some((key, _)) = self.next else {
            return Ok(None);
        };
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, FieldError> {
        let (key, json) = self.next.take().expect("a value follows its key");
        let mut value = serde_json::Deserializer::from_str(json);
        seed.deserialize(&mut value).map_err(|source| FieldError {
            key: key.to_owned(),
            source: Some(source),
        })
    }
}
