//! Verify mode: another proxy asks whether a request may pass, and forwards it itself.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use cloakroom::policy::TrustedProxy;
use http::header::{CACHE_CONTROL, COOKIE, HeaderName, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::client::peer;
use crate::denial::Decision;
use crate::fields::{drop_cookie, is_disguised};
use crate::gate::{Client, Gate, Passed, Question};
use crate::identity::tell;
use crate::jwks;
use crate::path::JudgedPath;
use crate::proxy::FOR_ONE_USER;
use crate::refusal::{Passing, Refusal};
use crate::target::{self, TargetFault};

/// The login's address, on a refusal of a page: for a proxy that cannot redirect by itself.
const LOGIN: HeaderName = HeaderName::from_static("x-session-login");
/// The client's cookies, as far as the application may have them.
const COOKIES: HeaderName = HeaderName::from_static("x-session-cookie");
/// The Cache-Control of a response that depends on the user, unless the application's own keeps it private.
const CACHE: HeaderName = HeaderName::from_static("x-session-cache");

/// The way in which a proxy asks, and what it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// 200, 401 and 403 alone: nginx.
    Statuses,
    /// The answer to a refusal is the client's: Caddy, Traefik.
    Answers,
    /// As before, and the path follows the place that is asked: Envoy.
    Appended,
}

#[derive(Clone)]
struct Verifying {
    gate: Gate,
    trusted: TrustedProxy,
}

impl Gate {
    /// Returns the gate as a server that other proxies ask. Any peer but those in `trusted` gets 403: who can
    /// ask can say which path a request is for.
    ///
    /// `/verify` answers 200, 401 or 403; `/forward-auth` answers as the client is to be answered;
    /// `/envoy/…` the same, with the path behind it.
    ///
    /// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or every peer is unknown.
    pub fn verify(&self, trusted: TrustedProxy) -> Router {
        let state = Verifying {
            gate: self.clone(),
            trusted,
        };
        Router::new().fallback(answer).with_state(state)
    }
}

async fn answer(State(state): State<Verifying>, request: Request) -> Response {
    if !state.trusted.trusts(peer(request.extensions())) {
        return plain(StatusCode::FORBIDDEN);
    }
    if let Some(response) = jwks::answer(state.gate.keys(), request.method(), request.uri().path())
    {
        return response;
    }
    let Some(dialect) = dialect(request.uri().path()) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let (head, _) = request.into_parts();
    match judged(&state, &head, dialect).await {
        Ok(passed) => admitted(&passed, cookies(&state.gate, &passed, head.headers)),
        Err(refusal) => {
            refusal.tell();
            refused(&refusal, dialect)
        }
    }
}

fn dialect(path: &str) -> Option<Dialect> {
    match path {
        "/verify" => Some(Dialect::Statuses),
        "/forward-auth" => Some(Dialect::Answers),
        path if path.starts_with("/envoy/") => Some(Dialect::Appended),
        _ => None,
    }
}

async fn judged(state: &Verifying, head: &Parts, dialect: Dialect) -> Result<Passed, Refusal> {
    let headers = &head.headers;
    let (method, uri) = asked(head, dialect).map_err(Refusal::malformed)?;
    if !target::is_method(method.as_str()) {
        return Err(Refusal::malformed(TargetFault::Method));
    }
    // The proxy forwards the client's head by itself, and may take such a name for none of the gate's.
    if headers.keys().any(is_disguised) {
        return Err(Refusal::malformed(TargetFault::Field));
    }
    let path = JudgedPath::judge(uri.path()).map_err(|fault| Refusal::malformed(fault.into()))?;
    let host = host(headers).ok_or_else(|| Refusal::malformed(TargetFault::Host))?;
    let question = Question {
        method: &method,
        path: &path,
        target: uri.path_and_query().map_or("", |target| target.as_str()),
        host,
        headers,
        is_socket: headers.contains_key(UPGRADE) || is_socket(headers),
        client: Client::of(&state.trusted, peer(&head.extensions), headers),
    };
    state.gate.judge(&question).await
}

/// Returns the method and the target that a proxy asks about. It is told once, by one family of fields: where
/// both are there, a client has sent one of them.
fn asked(head: &Parts, dialect: Dialect) -> Result<(Method, Uri), TargetFault> {
    use crate::path::PathFault::NoPath;
    let headers = &head.headers;
    if dialect == Dialect::Appended {
        let target = head
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        let target = target.strip_prefix("/envoy").unwrap_or_default();
        let uri = target.parse().map_err(|_| NoPath)?;
        return Ok((head.method.clone(), uri));
    }
    let target = either(headers, "x-original-uri", "x-forwarded-uri").ok_or(NoPath)?;
    let method = either(headers, "x-original-method", "x-forwarded-method");
    let method = method.ok_or(TargetFault::Method)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| TargetFault::Method)?;
    // An absolute URL, or one with a fragment, is no target that a proxy was asked for.
    if !target.starts_with('/') || target.contains('#') {
        return Err(NoPath.into());
    }
    let uri: Uri = target.parse().map_err(|_| NoPath)?;
    if uri.authority().is_some() {
        return Err(NoPath.into());
    }
    Ok((method, uri))
}

/// Returns the value of one of two fields: neither twice, nor both with different values.
fn either<'a>(headers: &'a HeaderMap, one: &str, other: &str) -> Option<&'a str> {
    let mut values = headers.get_all(one).iter().chain(headers.get_all(other));
    let first = values.next()?.to_str().ok()?;
    let is_alone = |name: &str| headers.get_all(name).iter().count() <= 1;
    let agree = values.all(|value| value.as_bytes() == first.as_bytes());
    (agree && is_alone(one) && is_alone(other) && !first.is_empty()).then_some(first)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all("x-forwarded-host").iter();
    match (fields.next(), fields.next()) {
        (None, _) => target::host(headers),
        (Some(host), None) => host.to_str().ok().filter(|host| target::is_host(host)),
        _ => None,
    }
}

/// Returns `true` if a proxy says that the client asks for an upgrade; that field of its own is hop-by-hop.
fn is_socket(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all("x-original-upgrade").iter();
    fields.any(|value| !value.is_empty())
}

/// Returns the one answer that lets a request pass. It always carries all fields of the identity, empty ones
/// for a public rule, so that a proxy that copies them overwrites a client's.
fn admitted(passed: &Passed, cookies: Option<HeaderValue>) -> Response {
    let passing = Passing::by(passed.ruling.name());
    let who = passed.admitted.as_ref();
    let mut response = plain(StatusCode::OK);
    let none = || HeaderValue::from_static("");
    response
        .headers_mut()
        .insert(COOKIES, cookies.unwrap_or_else(none));
    let shared = if who.is_some() { FOR_ONE_USER } else { "" };
    let cache = HeaderValue::from_str(passed.ruling.cache().unwrap_or(shared));
    response
        .headers_mut()
        .insert(CACHE, cache.unwrap_or_else(|_| none()));
    tell(
        response.headers_mut(),
        who.map(|admitted| (&admitted.identity, admitted.token.as_str())),
    );
    let is_told = |name: &str| {
        response
            .headers()
            .get(name)
            .is_some_and(|value| !value.is_empty())
    };
    let names_user = is_told("x-session-user") && is_told("x-session-jwt");
    if names_user || (passed.ruling.is_public() && who.is_none()) {
        return response;
    }
    tracing::error!("a request was about to pass without a name");
    passing.take_back();
    Refusal::of(Decision::Forbidden, passed.ruling.name()).tell();
    plain(StatusCode::FORBIDDEN)
}

/// Returns the cookies that the application may have, for a proxy that replaces the field by them.
fn cookies(gate: &Gate, passed: &Passed, mut headers: HeaderMap) -> Option<HeaderValue> {
    if !passed.ruling.passes_cookie() {
        drop_cookie(
            &mut headers,
            gate.manager().policy().name().as_str().as_bytes(),
        );
    }
    let fields = headers.get_all(COOKIE).iter();
    let fields: Vec<&[u8]> = fields.map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&fields.join(&b"; "[..])).ok()
}

fn refused(refusal: &Refusal, dialect: Dialect) -> Response {
    if dialect != Dialect::Statuses {
        return match refusal.decision {
            Decision::Malformed => refusal.answer_as(StatusCode::FORBIDDEN),
            _ => refusal.answer(),
        };
    }
    let status = match refusal.decision {
        Decision::Login => StatusCode::UNAUTHORIZED,
        // nginx answers 500.
        Decision::StoreError => StatusCode::SERVICE_UNAVAILABLE,
        Decision::Pass | Decision::Forbidden | Decision::Malformed => StatusCode::FORBIDDEN,
    };
    let mut response = refusal.answer_as(status);
    if let Some(Ok(to)) = refusal.location.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(LOGIN, to);
    }
    response
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
