//! The cache of recently verified cookies: equal bytes under equal keys are the same ticket.

use super::ticket::Ticket;
use crate::util::bounded_cache::BoundedCache;

/// Number of entries, in some 1.3 MB.
const PLACES: usize = 4096;
/// Length of the longest value that is cached; with this library's ids they have 80 to 90 bytes.
const LONGEST: usize = 256;

/// The tickets that clients have shown or been given. A forged cookie is never inserted, so that forging fills nothing and
/// evicts nothing.
#[derive(Default)]
pub(super) struct VerifyCache(BoundedCache<CacheEntry, PLACES>);

struct CacheEntry {
    value: Box<[u8]>,
    ticket: Ticket,
}

impl VerifyCache {
    /// Returns the ticket of a cookie's value, if it is cached.
    ///
    /// Values are compared after their hashes, which no client can predict: the time that it takes reveals
    /// nothing about other clients' tickets.
    pub(super) fn ticket(&self, value: &[u8]) -> Option<Ticket> {
        if value.len() > LONGEST {
            return None;
        }
        let hash = self.0.hash(value);
        self.0.get(hash, |known| {
            let same = *known.value == *value;
            same.then(|| known.ticket.clone())
        })
    }

    /// Inserts a cookie's value that the keys have verified, or signed.
    pub(super) fn note(&self, value: &[u8], ticket: &Ticket) {
        if value.len() > LONGEST {
            return;
        }
        let hash = self.0.hash(value);
        let known = CacheEntry {
            value: value.into(),
            ticket: ticket.clone(),
        };
        self.0.insert(hash, known);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CookieName, KeyRing, find, set_cookie, sign};
    use super::PLACES;
    use crate::id::{IdGrammar, SessionId};
    use crate::record::CookieState;

    fn ring() -> KeyRing {
        KeyRing::with_insecure_short_secret([7; 32]).unwrap()
    }

    fn cookie(id: &str, ring: &KeyRing) -> String {
        format!("s:{}", sign(id, ring))
    }

    /// Returns the id that a cookie's value was signed for.
    fn shown(value: &str, ring: &KeyRing) -> Option<String> {
        let (name, field) = (CookieName::default(), format!("connect.sid={value}"));
        let ticket = find([field.as_bytes()], &name, ring, &IdGrammar::any())?;
        Some(ticket.id().expose().to_owned())
    }

    fn is_remembered(value: &str, ring: &KeyRing) -> bool {
        ring.load().verified().ticket(value.as_bytes()).is_some()
    }

    /// Returns the number of `values` that a ring has cached.
    fn remembered(ring: &KeyRing, values: &[String]) -> usize {
        let known = |value: &&String| is_remembered(value, ring);
        values.iter().filter(known).count()
    }

    #[test]
    fn a_verified_cookie_is_cached_and_another_signature_or_id_is_still_refused() {
        let ring = ring();
        let value = cookie("an id", &ring);
        assert!(!is_remembered(&value, &ring));
        for _ in 0..2 {
            assert_eq!(shown(&value, &ring).as_deref(), Some("an id"));
            assert!(is_remembered(&value, &ring));
            let forged = format!("s:an id.{}", "A".repeat(43));
            assert_eq!(shown(&forged, &ring), None);
            assert_eq!(shown(&value.replace("an id", "an iD"), &ring), None);
        }
    }

    #[test]
    fn a_cookie_that_was_given_is_verified_already_until_the_keys_change() {
        let ring = ring();
        let (name, id) = (CookieName::default(), SessionId::random());
        let field = set_cookie(&name, &id, &ring, &CookieState::default()).unwrap();
        let value = field.split(['=', ';']).nth(1).unwrap();
        assert!(is_remembered(value, &ring));
        assert_eq!(shown(value, &ring).as_deref(), Some(id.expose()));
        ring.rotate_to(&KeyRing::with_insecure_short_secret([8; 32]).unwrap());
        assert!(!is_remembered(value, &ring));
    }

    #[test]
    fn other_keys_start_with_an_empty_verify_cache() {
        let ring = ring();
        let value = cookie("an id", &ring);
        assert!(shown(&value, &ring).is_some());
        ring.rotate_to(&KeyRing::with_insecure_short_secret([8; 32]).unwrap());
        assert_eq!(shown(&value, &ring), None);
    }

    #[test]
    fn the_grammar_applies_to_cached_cookies() {
        let ring = ring();
        let (name, field) = (CookieName::default(), cookie("an id", &ring));
        assert!(shown(&field, &ring).is_some());
        let field = format!("connect.sid={field}");
        let strict = IdGrammar::default();
        assert!(find([field.as_bytes()], &name, &ring, &strict).is_none());
    }

    #[test]
    fn a_cookie_signed_by_an_older_key_is_cached_as_outdated() {
        let value = cookie("an id", &ring());
        let ring = KeyRing::with_insecure_short_secrets([[8; 32], [7; 32]]).unwrap();
        for _ in 0..2 {
            assert!(shown(&value, &ring).is_some());
            let ticket = ring.load().verified().ticket(value.as_bytes());
            assert!(ticket.unwrap().signature.is_none(), "it wants a new one");
        }
    }

    #[test]
    fn forged_cookies_are_not_cached_and_evict_nothing() {
        let ring = ring();
        let values: Vec<String> = (0..100)
            .map(|n| cookie(&format!("id {n}"), &ring))
            .collect();
        for value in &values {
            assert!(shown(value, &ring).is_some());
        }
        let before = remembered(&ring, &values);
        let forge = |n| format!("s:forged {n}.{}", "A".repeat(43));
        let forged: Vec<String> = (0..4 * PLACES).map(forge).collect();
        for value in &forged {
            assert_eq!(shown(value, &ring), None);
        }
        assert_eq!(remembered(&ring, &forged), 0);
        assert_eq!(remembered(&ring, &values), before);
        assert!(before > 90);
    }

    #[test]
    fn the_verify_cache_is_bounded_and_skips_long_values() {
        let ring = ring();
        let values = (0..4 * PLACES).map(|n| cookie(&format!("id {n}"), &ring));
        let values: Vec<String> = values.collect();
        for value in &values {
            assert!(shown(value, &ring).is_some());
        }
        assert!((PLACES / 2..=PLACES).contains(&remembered(&ring, &values)));
        let long = cookie(&"x".repeat(300), &ring);
        assert!(shown(&long, &ring).is_some());
        assert!(!is_remembered(&long, &ring));
    }
}
