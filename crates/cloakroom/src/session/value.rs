//! The values of a session's keys: checked before they are kept, parsed when they are asked for.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::SessionError;
use crate::record::{RecordLimit, ValueError, is_reserved, is_value, without_lone_surrogates};

/// Checks a key and a value, by themselves; trims the space around the value.
pub(crate) fn check(key: &str, json: &mut String, limit: RecordLimit) -> Result<(), SessionError> {
    if is_reserved(key) {
        return Err(SessionError::ReservedKey(key.to_owned()));
    }
    if json.len() > limit.bytes {
        return Err(SessionError::TooLarge);
    }
    // The record itself is the first level.
    if !is_value(json, limit.depth.saturating_sub(1)) {
        let value = serde_json::from_str::<&RawValue>(json);
        value.map_err(|error| ValueError::write::<str>(key, error))?;
        return Err(SessionError::TooLarge);
    }
    let value = json.trim_ascii();
    if value.len() < json.len() {
        *json = value.to_owned();
    }
    Ok(())
}

/// Parses the value of a key; `None` for `null`.
pub(super) fn read<T: DeserializeOwned>(key: &str, json: &str) -> Result<Option<T>, ValueError> {
    if json == "null" {
        return Ok(None);
    }
    let value = parse(json).map_err(|error| ValueError::read::<T>(key, error))?;
    Ok(Some(value))
}

/// Parses a value; where Rust's strings cannot hold it, a second time with U+FFFD in its place.
pub(super) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(json).or_else(|error| {
        let mended = without_lone_surrogates(json);
        if mended == json {
            Err(error)
        } else {
            serde_json::from_str(&mended)
        }
    })
}
