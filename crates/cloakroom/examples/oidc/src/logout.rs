//! A logout at the provider, which its server tells this one (OpenID Connect Back-Channel Logout 1.0).

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json, Response};
use cloakroom::store::StoreError;
use cloakroom::{Manager, SessionError};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Shop;
use crate::ledger::LedgerError;
use crate::sign_in::Account;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Only those with a private key: by the others whoever has the public one could sign.
#[rustfmt::skip]
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256, Algorithm::RS384, Algorithm::RS512,
    Algorithm::PS256, Algorithm::PS384, Algorithm::PS512,
    Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA,
];

/// A logout that is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogoutError {
    #[error("the token is not signed by the provider for this client")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the token names no key of the provider")]
    Key,
    #[error("the token is no logout token")]
    Kind,
    #[error("the token was used before")]
    Replayed,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
pub(crate) struct Logout {
    logout_token: String,
}

#[derive(Debug, Deserialize)]
struct Claims {
    jti: String,
    iat: i64,
    sub: Option<String>,
    sid: Option<String>,
    events: Map<String, Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Ends the sessions that a logout token is about: 200, or 400 where it did not come to that, as the
/// specification wants it.
pub(crate) async fn back_channel(State(shop): State<Shop>, Form(form): Form<Logout>) -> Response {
    let ended = end(&shop, &form.logout_token).await;
    let answer = match ended {
        Ok(ended) => {
            tracing::info!(ended, "a logout at the provider");
            StatusCode::OK.into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "a logout token was refused");
            let body =
                json!({ "error": "invalid_request", "error_description": error.to_string() });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    };
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

async fn end(shop: &Shop, token: &str) -> Result<u64, LogoutError> {
    let provider = &shop.provider;
    let keys = provider.keys().await;
    let claims = verify(token, &keys, provider.issuer(), provider.client_id())?;
    let jti = claims.jti.clone();
    if !shop.ledger.claim(jti.clone()).await? {
        return Err(LogoutError::Replayed);
    }
    let ended = end_sessions(shop, claims).await;
    if ended.is_err() {
        shop.ledger.release(jti).await?;
    }
    ended
}

/// First the mark, then the sessions that are there: a login that is not stored yet finds the mark.
async fn end_sessions(shop: &Shop, claims: Claims) -> Result<u64, LogoutError> {
    let Claims { sid, sub, iat, .. } = claims;
    let user = shop.ledger.end(sid.clone(), sub, iat).await?;
    match (user, sid) {
        (Some(user), Some(sid)) => end_of_sid(&shop.manager, &user, &sid).await,
        (Some(user), None) => Ok(shop.manager.end_sessions_of(&user, None).await?),
        (None, _) => Ok(0),
    }
}

/// Ends those sessions of a user that came from one session of the provider: each browser has its own.
async fn end_of_sid(manager: &Manager, user: &str, sid: &str) -> Result<u64, LogoutError> {
    let mut ended = 0;
    for session in manager.find_sessions_of(user).await? {
        let account: Option<Account> = session.get(Account::KEY)?;
        if account.is_some_and(|account| account.sid.as_deref() == Some(sid)) {
            ended += u64::from(manager.end_session(&session.id()).await?);
        }
    }
    Ok(ended)
}

/// Verifies signature, issuer, audience and time, and that it is a logout token and nothing else.
fn verify(token: &str, keys: &JwkSet, issuer: &str, client: &str) -> Result<Claims, LogoutError> {
    let header = decode_header(token)?;
    let key = key_for(&header, keys).ok_or(LogoutError::Key)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[client]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    let claims: Claims = decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims;
    if is_logout(header.typ.as_deref(), &claims) {
        Ok(claims)
    } else {
        Err(LogoutError::Kind)
    }
}

fn key_for<'a>(header: &Header, keys: &'a JwkSet) -> Option<&'a Jwk> {
    if !ALGORITHMS.contains(&header.alg) {
        return None;
    }
    match (&header.kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// Section 2.6: an ID token has no event, and a logout token no nonce, so that neither passes for the other.
fn is_logout(kind: Option<&str>, claims: &Claims) -> bool {
    let is_of_kind = kind.is_none_or(|kind| {
        let kinds = ["logout+jwt", "application/logout+jwt", "jwt"];
        kinds.iter().any(|other| kind.eq_ignore_ascii_case(other))
    });
    let has_event = claims.events.get(EVENT).is_some_and(Value::is_object);
    let has_subject = claims.sub.is_some() || claims.sid.is_some();
    is_of_kind && has_event && has_subject && !claims.others.contains_key("nonce")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_logout_token_is_one() {
        let event = json!({ EVENT: {} });
        #[rustfmt::skip]
        let table = [
            (Some("logout+jwt"), json!({ "events": event, "sub": "ada" }), true),
            (Some("JWT"),        json!({ "events": event, "sid": "s1" }), true),
            (None,               json!({ "events": event, "sub": "ada", "sid": "s1" }), true),
            (Some("at+jwt"),     json!({ "events": event, "sub": "ada" }), false),
            (None,               json!({ "events": event }), false),
            (None,               json!({ "events": {}, "sub": "ada" }), false),
            (None,               json!({ "events": { EVENT: true }, "sub": "ada" }), false),
            (None,               json!({ "events": event, "sub": "ada", "nonce": "n" }), false),
            (None,               json!({ "events": event, "sub": "ada", "nonce": null }), false),
        ];
        for (kind, mut claims, expected) in table {
            claims["jti"] = json!("j");
            claims["iat"] = json!(1);
            let parsed = serde_json::from_value(claims.clone()).expect("claims");
            assert_eq!(is_logout(kind, &parsed), expected, "{kind:?} {claims}");
        }
    }

    #[test]
    fn a_key_is_the_providers_and_public() {
        let keys = json!({ "keys": [
            { "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB" },
            { "kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB" },
        ] });
        let keys: JwkSet = serde_json::from_value(keys).expect("keys");
        let header = |alg, kid: Option<&str>| Header {
            kid: kid.map(str::to_owned),
            ..Header::new(alg)
        };
        let found = |alg, kid| key_for(&header(alg, kid), &keys).is_some();
        assert!(found(Algorithm::RS256, Some("a")));
        assert!(!found(Algorithm::RS256, Some("c")));
        // Which of the two is not said.
        assert!(!found(Algorithm::RS256, None));
        assert!(!found(Algorithm::HS256, Some("a")));
    }
}
