//! Cross-site request forgery: the library's decision, and its tokens.

use cloakroom::auth::{CsrfSecret, Decision, Origin, RequestSource, TokenPlace};
use napi::Result;
use napi::bindgen_prelude::External;
use napi_derive::napi;

use crate::layer::refused;
use crate::visit::Visits;

/// The origins that may send requests besides the site's own.
pub struct Origins(Vec<Origin>);

/// Reads origins as `Origin` spells them; an error for what no browser sends.
#[napi(catch_unwind)]
pub fn origins(origins: Vec<String>) -> Result<External<Origins>> {
    let parsed = origins.iter().map(|origin| Origin::parse(origin));
    let parsed: std::result::Result<_, _> = parsed.collect();
    Ok(External::new(Origins(parsed.map_err(refused)?)))
}

/// Judges a request by its head: `pass`, `refused`, or where its token is to be: `header`, `form`, `nowhere`.
#[napi(catch_unwind)]
pub fn judge(
    allowed: &External<Origins>,
    method: String,
    fetch_site: Option<String>,
    origin: Option<String>,
    own: Option<String>,
    token: Option<String>,
    content_type: Option<String>,
) -> &'static str {
    let source = RequestSource {
        // RFC 9110 §9.2.1; unknown methods are not.
        is_safe: matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE"),
        fetch_site: fetch_site.as_deref(),
        origin: origin.as_deref(),
        own: own.as_deref(),
    };
    match source.evaluate(&allowed.0) {
        Decision::Pass => "pass",
        Decision::Refused => "refused",
        Decision::TokenNeeded => match TokenPlace::of(token.as_deref(), content_type.as_deref()) {
            TokenPlace::Header(_) => "header",
            TokenPlace::Form => "form",
            TokenPlace::Missing => "nowhere",
        },
    }
}

/// Makes a token of a secret, or of a new one where there is none that can be used: both, the secret first.
#[napi(catch_unwind)]
pub fn csrf_token(secret: Option<String>) -> Result<Vec<String>> {
    let secret = match secret.as_deref().and_then(CsrfSecret::parse) {
        Some(secret) => secret,
        None => CsrfSecret::draw().map_err(refused)?,
    };
    Ok(vec![secret.expose(), secret.token().map_err(refused)?])
}

/// Makes a token of a session in a store by URL, which draws its secret where it has none: a request that
/// is late gets a token that is good for nothing, and changes nothing.
#[napi(catch_unwind)]
pub fn session_csrf_token(visits: &External<Visits>, slot: u32) -> Result<String> {
    visits
        .session(slot)?
        .csrf_token()
        .map_err(crate::visit::refused)
}

/// Says whether a token was made of a secret.
#[napi(catch_unwind)]
pub fn accepts_csrf_token(secret: String, token: String) -> bool {
    CsrfSecret::parse(&secret).is_some_and(|secret| secret.accepts(&token))
}
