//! The fault of cookies none of which is a valid ticket.

use super::CookieName;
use super::codec;
use super::key_ring::{self, KeyRing};
use super::request::{pairs, value_of};
use crate::id::IdGrammar;

/// The fault of a request's cookies, where none is a valid ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieFault {
    /// No key of the ring has signed one of the name.
    Signature,
    /// One is signed, and its id is none by the grammar.
    Grammar,
    /// One has the name without its prefix.
    Prefix,
}

/// The prefixes that user agents check (RFC 6265bis §4.1.3), the longest first.
const PREFIXES: [&str; 4] = ["__Host-Http-", "__Host-", "__Secure-", "__Http-"];

/// Returns the fault of cookies none of which is a valid ticket; `None` where none has the name.
pub(crate) fn fault_of(
    fields: &[&[u8]],
    name: &CookieName,
    keys: &KeyRing,
    grammar: &IdGrammar,
) -> Option<CookieFault> {
    let keys = keys.load();
    let values = |name: &str| {
        let name = name.as_bytes().to_vec();
        let pairs = fields.iter().flat_map(|field| pairs(field));
        pairs.filter_map(move |pair| value_of(pair, &name))
    };
    let is_signed = |value: &[u8]| {
        let text = codec::decode(value)?;
        let (id, _) = key_ring::verify(text.strip_prefix("s:")?, &keys)?;
        Some(!grammar.allows(id))
    };
    let mut own = values(name.as_str()).peekable();
    if own.peek().is_some() {
        let is_foreign = own.any(|value| is_signed(value) == Some(true));
        return Some(if is_foreign {
            CookieFault::Grammar
        } else {
            CookieFault::Signature
        });
    }
    let bare = PREFIXES
        .iter()
        .find_map(|prefix| name.as_str().strip_prefix(prefix))?;
    values(bare).next().map(|_| CookieFault::Prefix)
}

#[cfg(test)]
mod tests {
    use super::CookieFault::{self, Grammar, Prefix, Signature};
    use super::fault_of;
    use crate::cookie::{CookieName, KeyRing, cookie_value};
    use crate::id::{IdGrammar, SessionId};

    #[test]
    fn the_fault_of_a_cookie_is_found() {
        let keys = KeyRing::new("the secret of these tests, long enough").unwrap();
        let signed = |id: &str| cookie_value(&SessionId::from_store(id), &keys);
        let short = signed("short");
        let forged = format!("{}x", signed(&"a".repeat(32)));
        #[rustfmt::skip]
        let table: [(&str, String, Option<CookieFault>); 8] = [
            ("sid",        "other=1".into(),                        None),
            ("sid",        String::new(),                           None),
            ("sid",        format!("sid={forged}"),                 Some(Signature)),
            ("sid",        "sid=plain".into(),                      Some(Signature)),
            ("sid",        format!("sid={short}"),                  Some(Grammar)),
            ("sid",        format!("sid={forged}; sid={short}"),    Some(Grammar)),
            ("__Host-sid", format!("sid={forged}"),                 Some(Prefix)),
            ("__Host-sid", format!("__Host-sid={forged}; sid=x"),   Some(Signature)),
        ];
        for (name, field, expected) in table {
            let name = CookieName::parse(name).unwrap();
            let fault = fault_of(&[field.as_bytes()], &name, &keys, &IdGrammar::default());
            assert_eq!(fault, expected, "{field}");
        }
    }
}
