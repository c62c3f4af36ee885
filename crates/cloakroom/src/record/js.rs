//! JSON as JavaScript writes it: `JSON.stringify`'s numbers, key order and escapes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::json::{self, Bounds};

/// Returns the text of `JSON.stringify` for a value.
///
/// Numbers are printed by ECMA-262 (`1e+21`, `100`, not `100.0`); numbers that JSON cannot express, `NaN` and
/// the infinities, become `null`. An embedded `RawValue` keeps its text.
pub(crate) fn stringify<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut text = Vec::with_capacity(128);
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, JavaScript,
    ))?;
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

struct JavaScript;

impl Formatter for JavaScript {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format(value).as_bytes())
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        // By the shortest decimal: 0.1_f32 becomes 0.1, not 0.10000000149011612.
        let decimal: f64 = value.to_string().parse().unwrap_or(f64::NAN);
        self.write_f64(writer, decimal)
    }
}

/// Returns the result of `JSON.stringify(JSON.parse(text))`: a JSON text as Node would store it.
///
/// Numbers pass through an IEEE double, integer-like keys come first, of a repeated key the last value stays,
/// escapes are spelled as `JSON.stringify` spells them. `None` where `text` is no JSON or deeper than 128.
pub fn renormalize(text: &str) -> Option<String> {
    json::is_value(text, 128).then(|| {
        let mut out = String::with_capacity(text.len());
        write_value(text.trim_matches([' ', '\t', '\n', '\r']), &mut out);
        out
    })
}

fn write_value(text: &str, out: &mut String) {
    match text.as_bytes()[0] {
        b'{' => write_object(text, out),
        b'[' => write_array(text, out),
        b'"' => write_string(&text[1..text.len() - 1], out),
        b't' | b'f' | b'n' => out.push_str(text),
        _ => write_number(text, out),
    }
}

fn write_number(text: &str, out: &mut String) {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => out.push_str(ryu_js::Buffer::new().format(number)),
        _ => out.push_str("null"),
    }
}

fn write_object(text: &str, out: &mut String) {
    let bounds = Bounds {
        depth: 128,
        members: usize::MAX,
    };
    let mut ordered: Vec<(String, &str)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for member in json::members(text, bounds).unwrap_or_default() {
        let mut key = String::new();
        write_string(&text[member.key.range()], &mut key);
        let value = &text[member.value.range()];
        let place = *places.entry(key.clone()).or_insert(ordered.len());
        match ordered.get_mut(place) {
            Some(earlier) => earlier.1 = value,
            None => ordered.push((key, value)),
        }
    }
    ordered.sort_by_key(|(key, _)| array_index(&key[1..key.len() - 1]).map_or(u64::MAX, u64::from));
    out.push('{');
    for (index, (key, value)) in ordered.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(key);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

fn write_array(text: &str, out: &mut String) {
    // An array's elements are found like the members of an object without keys: by letting serde_json skip
    // each.
    let elements: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(text).unwrap_or_default();
    out.push('[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_value(element.get(), out);
    }
    out.push(']');
}

/// Writes the string whose JSON text between the quotes is `inner`, as `JSON.stringify` would.
fn write_string(inner: &str, out: &mut String) {
    out.push('"');
    for unit in Units::new(inner) {
        match unit {
            Unit::Char('"') => out.push_str("\\\""),
            Unit::Char('\\') => out.push_str("\\\\"),
            Unit::Char('\u{8}') => out.push_str("\\b"),
            Unit::Char('\u{c}') => out.push_str("\\f"),
            Unit::Char('\n') => out.push_str("\\n"),
            Unit::Char('\r') => out.push_str("\\r"),
            Unit::Char('\t') => out.push_str("\\t"),
            Unit::Char(control) if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            Unit::Char(plain) => out.push(plain),
            Unit::Surrogate(unit) => {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('"');
}

/// Returns `true` if `JSON.stringify` writes a text unchanged, between quotes.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
}

/// Returns the name that a key's text between the quotes stands for; a lone surrogate reads as U+FFFD.
pub(crate) fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let units = Units::new(inner);
    Cow::Owned(
        units
            .map(|unit| match unit {
                Unit::Char(plain) => plain,
                Unit::Surrogate(_) => char::REPLACEMENT_CHARACTER,
            })
            .collect(),
    )
}

/// Returns the JSON text with each lone surrogate's escape replaced by U+FFFD, which Rust can hold.
pub(crate) fn without_lone_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (unit, used) = unit_at(&rest[at..]);
        match unit {
            Unit::Surrogate(_) => out.push(char::REPLACEMENT_CHARACTER),
            Unit::Char(_) => out.push_str(&rest[at..at + used]),
        }
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    out
}

/// Returns the index that a property name stands for, if it is one (ECMA-262, 6.1.7): such names come first
/// in an object, in numeric order.
pub(crate) fn array_index(name: &str) -> Option<u32> {
    let canonical = match name.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| name.parse().ok().filter(|&index| index != u32::MAX))?
}

/// One character of a JSON string, or one half of a pair whose other half is missing.
enum Unit {
    Char(char),
    Surrogate(u16),
}

struct Units<'a>(&'a str);

impl<'a> Units<'a> {
    fn new(inner: &'a str) -> Self {
        Self(inner)
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let first = self.0.chars().next()?;
        let (unit, used) = if first == '\\' {
            unit_at(self.0)
        } else {
            (Unit::Char(first), first.len_utf8())
        };
        self.0 = &self.0[used..];
        Some(unit)
    }
}

/// Returns the unit that the escape at the start of `text` stands for, and its length in bytes. `text` is
/// valid JSON, so an escape is whole.
fn unit_at(text: &str) -> (Unit, usize) {
    let plain = |unescaped| (Unit::Char(unescaped), 2);
    match text.as_bytes().get(1) {
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => code_unit(text),
        other => plain(other.map_or('\\', |&byte| char::from(byte))),
    }
}

fn code_unit(text: &str) -> (Unit, usize) {
    let hex = |at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let Some(first) = hex(0) else {
        return (Unit::Char(char::REPLACEMENT_CHARACTER), text.len());
    };
    let pair = hex(6).filter(|second| (0xdc00..0xe000).contains(second));
    match (first, pair) {
        (0xd800..0xdc00, Some(second)) => {
            let code = 0x10000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
            (
                Unit::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
                12,
            )
        }
        _ => match char::from_u32(u32::from(first)) {
            Some(plain) => (Unit::Char(plain), 6),
            None => (Unit::Surrogate(first), 6),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{array_index, renormalize, stringify, unescape, without_lone_surrogates};

    #[test]
    fn numbers_print_as_in_javascript() {
        #[rustfmt::skip]
        let table = [
            (100.0, "100"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.1, "0.1"), (-0.0, "0"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"), (5e-324, "5e-324"),
            (f64::NAN, "null"), (f64::INFINITY, "null"),
        ];
        for (number, text) in table {
            assert_eq!(stringify(&number).unwrap(), text);
        }
        assert_eq!(stringify(&0.1_f32).unwrap(), "0.1");
        assert_eq!(stringify(&u64::MAX).unwrap(), "18446744073709551615");
    }

    #[test]
    fn json_is_rewritten_as_node_would_store_it() {
        #[rustfmt::skip]
        let table = [
            (r#"{"b":1,"10":2,"2":3,"a":4}"#,    r#"{"2":3,"10":2,"b":1,"a":4}"#),
            (r#" { "a" : [ 1.0 , -0, 1E2 ] } "#, r#"{"a":[1,0,100]}"#),
            (r#"{"a":1,"b":2,"a":3}"#,           r#"{"a":3,"b":2}"#),
            (r#""\u00e9\/\u0007\ud83d\ude00""#,  "\"é/\\u0007😀\""),
            (r#""\uD800x\udc00""#,               r#""\ud800x\udc00""#),
            (r"[1e400,-1e400,9007199254740993]", "[null,null,9007199254740992]"),
            ("[]", "[]"), ("{}", "{}"), ("null", "null"), (r#"{"":[[]]}"#, r#"{"":[[]]}"#),
            (r#"{"a":"b","a":1}"#,          r#"{"a":1}"#),
        ];
        for (text, expected) in table {
            assert_eq!(renormalize(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(renormalize("{'a':1}"), None);
    }

    #[test]
    fn array_indices_are_canonical_numbers_below_2_to_the_32_minus_1() {
        #[rustfmt::skip]
        let table = [
            ("0", Some(0)), ("10", Some(10)), ("4294967294", Some(4_294_967_294)),
            ("4294967295", None), ("99999999999", None), ("01", None), ("-1", None), ("", None),
            ("1a", None), ("1.0", None),
        ];
        for (name, index) in table {
            assert_eq!(array_index(name), index, "{name}");
        }
    }

    #[test]
    fn a_lone_surrogate_becomes_a_replacement_character() {
        assert_eq!(unescape(r"a\ud800\n"), "a\u{fffd}\n");
        assert_eq!(
            without_lone_surrogates(r#"["\ud800","\ud83d\ude00\\ud800"]"#),
            "[\"\u{fffd}\",\"\\ud83d\\ude00\\\\ud800\"]"
        );
    }
}
