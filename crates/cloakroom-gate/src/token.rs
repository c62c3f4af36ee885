//! Tokens for services behind the gate: a JWT of a minute, signed with Ed25519.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;

use crate::identity::Identity;
use crate::keys::{SigningKey, seconds};

/// Longest life of a token. A right that is taken away now is gone from the services after it.
pub(crate) const LIFE: Duration = Duration::from_mins(1);
/// Time for which one token serves all requests of a session.
const REUSE: Duration = Duration::from_secs(20);
/// Number of tokens that are kept; then those that are too old are dropped, or all.
const MOST: usize = 16_384;

/// Tokens that were minted within the last seconds, by all that is in them.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Content, Minted>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Content {
    who: (String, Vec<String>, String, Option<u64>),
    audience: String,
    kid: String,
}

struct Minted {
    token: String,
    at: u64,
}

/// The parts of a token that are the gate's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

impl Tokens {
    /// Returns a token, and whether it was minted now; `None` where there are no random numbers.
    ///
    /// Callers ask once they have seen that the session is live: an ended one gets none, however young its last
    /// one is.
    pub(crate) fn get(
        &self,
        who: &Identity,
        terms: Terms<'_>,
        key: &SigningKey,
        now: SystemTime,
    ) -> Option<(String, bool)> {
        let now = seconds(now);
        let content = Content {
            who: (
                who.user.clone(),
                who.told_roles().map(str::to_owned).collect(),
                who.handle.clone(),
                who.auth_time,
            ),
            audience: terms.audience.to_owned(),
            kid: key.kid.clone(),
        };
        let is_young = |minted: &Minted| {
            now.checked_sub(minted.at)
                .is_some_and(|age| age < REUSE.as_secs())
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minted) = kept.get(&content).filter(|minted| is_young(minted)) {
            return Some((minted.token.clone(), false));
        }
        let token = mint(who, terms, key, now)?;
        if kept.len() >= MOST {
            kept.retain(|_, minted| is_young(minted));
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        let minted = Minted {
            token: token.clone(),
            at: now,
        };
        kept.insert(content, minted);
        Some((token, true))
    }
}

fn mint(who: &Identity, terms: Terms<'_>, key: &SigningKey, now: u64) -> Option<String> {
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).ok()?;
    let mut claims = json!({
        "iss": terms.issuer, "aud": terms.audience, "sub": who.user, "iat": now, "exp": now + LIFE.as_secs(),
        "jti": BASE64.encode(id), "sid": who.handle, "roles": who.told_roles().collect::<Vec<_>>(),
    });
    if let Some(time) = who.auth_time {
        claims["auth_time"] = time.into();
    }
    let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": key.kid });
    let text = format!(
        "{}.{}",
        BASE64.encode(head.to_string()),
        BASE64.encode(claims.to_string())
    );
    let signature = key.sign(text.as_bytes())?;
    Some(format!("{text}.{}", BASE64.encode(signature)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;

    use super::{Terms, Tokens};
    use crate::identity::Identity;
    use crate::keys::{Keys, Rotation};

    const TERMS: Terms<'_> = Terms {
        issuer: "gate",
        audience: "billing",
    };

    fn ada() -> Identity {
        Identity {
            user: "ada".to_owned(),
            roles: vec!["admin".to_owned(), "staff".to_owned()],
            handle: "h1".to_owned(),
            auth_time: Some(1_800_000_000),
        }
    }

    fn verified(
        keys: &Keys,
        token: &str,
        audience: &str,
    ) -> Result<Value, jsonwebtoken::errors::Error> {
        let set: JwkSet = serde_json::from_str(&keys.jwks()).unwrap();
        let kid = decode_header(token)?.kid.unwrap_or_default();
        let key = DecodingKey::from_jwk(set.find(&kid).expect("it is published"))?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[audience]);
        rules.set_issuer(&["gate"]);
        decode::<Value>(token, &key, &rules).map(|token| token.claims)
    }

    #[test]
    fn g19_another_librarys_verifier_accepts_a_token_and_nothing_that_was_changed() {
        let (keys, tokens) = (
            Keys::of_this_process(Rotation::default()).unwrap(),
            Tokens::default(),
        );
        let now = SystemTime::now();
        let key = keys.current(now).unwrap();
        let (token, _) = tokens.get(&ada(), TERMS, &key, now).unwrap();
        let claims = verified(&keys, &token, "billing").unwrap();
        let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert!(life <= 60, "{life}");
        assert_eq!(claims["sub"], "ada");
        assert_eq!(claims["sid"], "h1");
        assert_eq!(claims["roles"], serde_json::json!(["admin", "staff"]));
        assert_eq!(claims["auth_time"], 1_800_000_000_u64);
        assert!(claims["jti"].as_str().unwrap().len() >= 22);
        verified(&keys, &token, "shipping").unwrap_err();
        let parts: Vec<&str> = token.split('.').collect();
        let other = tokens
            .get(
                &Identity {
                    user: "eve".into(),
                    ..ada()
                },
                TERMS,
                &key,
                now,
            )
            .unwrap()
            .0;
        let others: Vec<&str> = other.split('.').collect();
        verified(
            &keys,
            &format!("{}.{}.{}", parts[0], others[1], parts[2]),
            "billing",
        )
        .unwrap_err();
        let hour_ago = now - Duration::from_hours(1);
        let (late, _) = Tokens::default()
            .get(&ada(), TERMS, &key, hour_ago)
            .unwrap();
        verified(&keys, &late, "billing").unwrap_err();
    }

    #[test]
    fn a_token_serves_its_session_for_twenty_seconds_and_nobody_else() {
        let (keys, tokens) = (
            Keys::of_this_process(Rotation::default()).unwrap(),
            Tokens::default(),
        );
        let now = SystemTime::now();
        let key = keys.current(now).unwrap();
        let get = |who: &Identity, audience, later| {
            let terms = Terms { audience, ..TERMS };
            tokens
                .get(who, terms, &key, now + Duration::from_secs(later))
                .unwrap()
        };
        let (first, is_new) = get(&ada(), "billing", 0);
        assert!(is_new);
        assert_eq!(get(&ada(), "billing", 19), (first.clone(), false));
        let others = [
            Identity {
                user: "eve".into(),
                ..ada()
            },
            Identity {
                roles: vec!["admin".into()],
                ..ada()
            },
            Identity {
                roles: vec!["admin,staff".into()],
                ..ada()
            },
            Identity {
                handle: "h2".into(),
                ..ada()
            },
            Identity {
                auth_time: None,
                ..ada()
            },
        ];
        for other in others {
            assert!(get(&other, "billing", 1).1, "{other:?}");
        }
        assert!(get(&ada(), "shipping", 1).1);
        let (second, is_new) = get(&ada(), "billing", 20);
        assert!(is_new && second != first);
    }

    #[test]
    fn g26_a_token_stays_short() {
        let (keys, tokens) = (
            Keys::of_this_process(Rotation::default()).unwrap(),
            Tokens::default(),
        );
        let now = SystemTime::now();
        let who = Identity {
            user: "é".repeat(127),
            roles: vec!["r".repeat(64); 40],
            ..ada()
        };
        let token = tokens
            .get(&who, TERMS, &keys.current(now).unwrap(), now)
            .unwrap()
            .0;
        assert!(token.len() < 2_048, "{}", token.len());
        assert_eq!(
            verified(&keys, &token, "billing").unwrap()["roles"]
                .as_array()
                .unwrap()
                .len(),
            6
        );
    }
}
