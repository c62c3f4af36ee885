//! The Cookie field: finds the pairs that are valid tickets (RFC 6265bis §4.2; npm's `cookie` 0.7.2).
//!
//! Bytes are compared undecoded. Only space and tab are trimmed, a name is never decoded, and invalid bytes
//! in another pair hide no cookie: laxer parsers have been made to take a sibling site's cookie for a
//! `__Host-` one.

use std::cell::LazyCell;

use memchr::memchr;

use super::codec;
use super::key_ring::{self, KeyRing, KeySet, Signature};
use super::name::CookieName;
use super::ticket::Ticket;
use crate::id::{IdGrammar, SessionId};

/// The most cookies of one name that are verified: it bounds the cost of one request, wherever the valid one
/// is. A Cookie field of 16 KiB has room for some 200 forged ones of full length.
const MAX_VERIFIED: usize = 64;
/// Length above which a value is ignored: Node answers 431 to longer headers.
const LONGEST_VALUE: usize = 16_384;

/// The valid tickets of one request, in its order; two of one id count once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tickets {
    pub(crate) first: Ticket,
    pub(crate) second: Option<Ticket>,
}

/// Finds the valid tickets among the cookies of `name` in all Cookie fields of a request.
///
/// Express takes the first cookie of the name, valid or not, and a stale one set for a parent domain then
/// locks the user out.
pub(crate) fn tickets<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    name: &CookieName,
    keys: &KeyRing,
    grammar: &IdGrammar,
) -> Option<Tickets> {
    let keys = LazyCell::new(|| keys.load());
    let mut valid = fields
        .into_iter()
        .flat_map(pairs)
        .filter_map(|pair| value_of(pair, name.as_str().as_bytes()))
        .take(MAX_VERIFIED)
        .filter_map(|value| ticket(value, &keys, grammar));
    let first = valid.next()?;
    let second = valid.find(|ticket| ticket.id != first.id);
    Some(Tickets { first, second })
}

/// Returns the valid tickets among the cookies of `name` in all Cookie fields of a request: at most two
/// of different ids, in the request's order.
///
/// For adapters that read a store by themselves; [`Manager::open`](crate::Manager::open) includes it.
pub fn valid_tickets<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    name: &CookieName,
    keys: &KeyRing,
    grammar: &IdGrammar,
) -> Vec<Ticket> {
    let Some(Tickets { first, second }) = tickets(fields, name, keys, grammar) else {
        return Vec::new();
    };
    std::iter::once(first).chain(second).collect()
}

/// Returns the names and the values of all pairs in a Cookie field, undecoded, as they are read here: for
/// tools that explain a request.
#[doc(hidden)]
pub fn cookie_pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pairs(field).filter_map(|pair| {
        let name = trim(&pair[..memchr(b'=', pair)?]);
        Some((name, value_of(pair, name)?))
    })
}

/// Decodes a cookie's value as it is decoded here; `None` where it is not ASCII.
#[doc(hidden)]
pub fn decode_value(value: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    codec::decode(value)
}

/// Finds the first valid ticket.
#[cfg(test)]
pub(crate) fn find<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    name: &CookieName,
    keys: &KeyRing,
    grammar: &IdGrammar,
) -> Option<Ticket> {
    tickets(fields, name, keys, grammar).map(|tickets| tickets.first)
}

/// Parses a cookie's value as a ticket; one that was verified recently comes from the cache.
fn ticket(value: &[u8], keys: &KeySet, grammar: &IdGrammar) -> Option<Ticket> {
    if let Some(known) = keys.verified().ticket(value) {
        return grammar.allows(known.id.expose()).then_some(known);
    }
    let ticket = verify(value, keys, grammar)?;
    keys.verified().note(value, &ticket);
    Some(ticket)
}

fn verify(value: &[u8], keys: &KeySet, grammar: &IdGrammar) -> Option<Ticket> {
    if value.len() > LONGEST_VALUE {
        return None;
    }
    let text = codec::decode(value)?;
    let (id, by) = key_ring::verify(text.strip_prefix("s:")?, keys)?;
    let id = SessionId::parse(id, grammar)?;
    Some(Ticket {
        id,
        signature: match by {
            Signature::Newest(signature) => Some(signature),
            Signature::Older => None,
        },
    })
}

/// Splits a field at its semicolons.
pub(super) fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        let Some(end) = memchr(b';', all) else {
            return Some(all);
        };
        rest = Some(&all[end + 1..]);
        Some(&all[..end])
    })
}

/// Returns the value of a pair of that name, without surrounding quotes.
pub(super) fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let pair = trim(pair);
    let rest = pair.strip_prefix(name)?;
    let value = trim(trim_start(rest).strip_prefix(b"=")?);
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        value => Some(value),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = trim_start(bytes);
    let end = bytes
        .iter()
        .rposition(|&byte| !is_blank(byte))
        .map_or(0, |last| last + 1);
    &bytes[..end]
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|&byte| !is_blank(byte))
        .unwrap_or(bytes.len());
    &bytes[start..]
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests;
