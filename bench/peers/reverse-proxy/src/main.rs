//! `axum-reverse-proxy` by itself, and what a hand-written gate before it would do: `upstream`, `bare UPSTREAM`,
//! `lookup REDIS,UPSTREAM`.
//!
//! The look-up is the kind of check that a proxy with sessions in Redis makes: the cookie's signature is verified,
//! its session is read, and its user is passed on in a field. It refuses nothing else, strips one field, and
//! signs nothing.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{COOKIE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum_reverse_proxy::ReverseProxy;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac as _};
use percent_encoding::percent_decode_str;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client};
use serde::Deserialize;
use sha2::Sha256;
use tower::ServiceExt as _;

const USER: &str = "x-forwarded-user";

fn main() {
    contender::serve(async |start| match start.kind.as_str() {
        "upstream" => Router::new().fallback(any(async || "plain")),
        "bare" => ReverseProxy::new("", start.url).into(),
        "lookup" => lookup(&start.url).await,
        kind => panic!("nothing of the kind {kind:?}"),
    });
}

#[derive(Clone)]
struct Looking {
    redis: ConnectionManager,
    proxy: Router,
}

/// The part of a record that a proxy needs.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "userId")]
    user: Option<String>,
}

async fn lookup(url: &str) -> Router {
    let (redis, upstream) = url.split_once(',').expect("REDIS,UPSTREAM");
    let client = Client::open(redis).expect("a URL");
    // Half a second by default: on a busy machine a late answer would be a refusal.
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
    let state = Looking {
        redis: client
            .get_connection_manager_with_config(config)
            .await
            .expect("Redis"),
        proxy: ReverseProxy::new("", upstream).into(),
    };
    Router::new().fallback(any(forward)).with_state(state)
}

async fn forward(State(mut state): State<Looking>, mut request: Request<Body>) -> Response {
    let user = match ticket(request.headers()) {
        Some(id) => user_of(&mut state.redis, &id).await,
        None => None,
    };
    let Some(Ok(user)) = user.map(HeaderValue::try_from) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    request.headers_mut().insert(USER, user);
    match state.proxy.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn user_of(redis: &mut ConnectionManager, id: &str) -> Option<String> {
    let text: Option<String> = redis.get(format!("sess:{id}")).await.ok()?;
    let record: Record = serde_json::from_str(&text?).ok()?;
    record.user
}

/// Returns the id of a cookie `connect.sid=s:ID.SIGNATURE` whose signature is right.
fn ticket(headers: &HeaderMap) -> Option<String> {
    let field = headers.get(COOKIE)?.to_str().ok()?;
    let value = field
        .split("; ")
        .find_map(|pair| pair.strip_prefix("connect.sid="))?;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    let (id, signature) = value.strip_prefix("s:")?.rsplit_once('.')?;
    let signature = BASE64_STANDARD_NO_PAD.decode(signature).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(contender::SECRET.as_bytes()).ok()?;
    mac.update(id.as_bytes());
    mac.verify_slice(&signature).ok()?;
    Some(id.to_owned())
}
