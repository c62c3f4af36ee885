//! BSON into JSON, as `JSON.stringify` prints what the Node driver has read.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, Uuid};

use crate::clock::Timestamp;
use crate::record::stringify;

/// The greatest integer that the Node driver returns as a number (2^53); beyond, a `Long`.
const SAFE: i64 = 1 << 53;

pub(crate) fn write_document(document: &Document, out: &mut String) {
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

/// Writes a value as its class in the Node driver does (`toJSON`); `false` if it is undefined.
pub(crate) fn write_value(value: &Bson, out: &mut String) -> bool {
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
                out.push('"');
                at.write_iso(out);
                out.push('"');
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

fn binary(value: &Binary) -> String {
    match (value.subtype, <[u8; 16]>::try_from(&*value.bytes)) {
        (BinarySubtype::Uuid, Ok(bytes)) => Uuid::from_bytes(bytes).to_string(),
        _ => BASE64_STANDARD.encode(&value.bytes),
    }
}
