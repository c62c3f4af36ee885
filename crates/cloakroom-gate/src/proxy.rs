//! Proxy mode: requests that pass are forwarded, streaming both ways, and cut when their session ends.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::response::Response;
use axum_reverse_proxy::{
    HostBehaviour, ProxyPolicy, ReverseProxy, TunnelCancellation, TunnelGuard, XForwardedFor,
};
use cloakroom::Session;
use http::header::{CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, SET_COOKIE, VARY};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Uri};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::client::peer;
use crate::cut::{Cut, CutBody};
use crate::denial::Decision;
use crate::fields::{clean, clean_answer, is_websocket};
use crate::gate::{Admitted, Client, Gate, Passed, Question};
use crate::identity::tell;
use crate::jwks;
use crate::refusal::{Passing, Refusal};
use crate::rules::Ruling;
use crate::target;

/// An application behind a gate.
#[derive(Clone, Debug)]
pub struct Upstream {
    url: Uri,
    first_byte: Duration,
}

impl Upstream {
    /// Parses `http://HOST:PORT`, without anything that a path could be joined to.
    ///
    /// # Errors
    ///
    /// A line that says what to write.
    pub fn parse(url: &str) -> Result<Self, String> {
        let refused = || format!("{url} is no origin: give http://HOST:PORT");
        let url: Uri = url.parse().map_err(|_| refused())?;
        let is_plain = url
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        let is_origin = url.scheme() == Some(&Scheme::HTTP)
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && is_plain;
        if !is_origin {
            return Err(refused());
        }
        Ok(Self {
            url,
            first_byte: Duration::from_mins(1),
        })
    }

    /// Sets the time within which a response has to begin; its body has no limit. Default: a minute.
    #[must_use]
    pub fn first_byte(mut self, limit: Duration) -> Self {
        self.first_byte = limit;
        self
    }

    /// Returns host and port.
    pub fn authority(&self) -> &str {
        self.url
            .authority()
            .map_or("", |authority| authority.as_str())
    }

    fn proxy(&self) -> Router {
        let policy = ProxyPolicy::new()
            .with_host_behaviour(HostBehaviour::Preserve)
            .with_x_forwarded_for(XForwardedFor::Preserve)
            .with_upstream_timeout(self.first_byte);
        ReverseProxy::new("", self.url.to_string())
            .with_policy(policy)
            .into()
    }
}

#[derive(Clone)]
struct Proxying {
    gate: Gate,
    proxy: Router,
}

impl Gate {
    /// Returns the gate as a server before `upstream`; besides, it answers `/.well-known/jwks.json` itself.
    ///
    /// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or the upstream learns no address.
    pub fn proxy(&self, upstream: &Upstream) -> Router {
        let state = Proxying {
            gate: self.clone(),
            proxy: upstream.proxy(),
        };
        Router::new().fallback(answer).with_state(state)
    }
}

async fn answer(State(state): State<Proxying>, request: Request) -> Response {
    let has_body = !request.body().is_end_stream();
    if let Some(response) = jwks::answer(state.gate.keys(), request.method(), request.uri().path())
    {
        return response;
    }
    let (parts, body) = request.into_parts();
    match judged(&state.gate, &parts).await {
        Ok((passed, client, host)) => {
            let request = Request::from_parts(parts, body);
            forward(&state, request, passed, client, &host).await
        }
        Err(refusal) => {
            refusal.tell();
            let mut response = refusal.answer();
            // No request begins in what is left of the body.
            if has_body {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

async fn judged(gate: &Gate, head: &Parts) -> Result<(Passed, Client, String), Refusal> {
    let path = target::judge(&head.method, &head.uri, &head.headers).map_err(Refusal::malformed)?;
    let host = target::host(&head.headers).unwrap_or_default().to_owned();
    let trusted = &gate.0.options.trusted_proxy;
    let client = Client::of(trusted, peer(&head.extensions), &head.headers);
    let question = Question {
        method: &head.method,
        path: &path,
        target: head
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str()),
        host: &host,
        headers: &head.headers,
        is_socket: is_websocket(&head.headers),
        client,
    };
    let passed = gate.judge(&question).await?;
    Ok((passed, client, host))
}

async fn forward(
    state: &Proxying,
    mut request: Request,
    passed: Passed,
    client: Client,
    host: &str,
) -> Response {
    let Passed { ruling, admitted } = passed;
    let manager = state.gate.manager();
    let ticket = Some(manager.policy().name().as_str()).filter(|_| !ruling.passes_cookie());
    clean(request.headers_mut(), ticket);
    client.tell(request.headers_mut(), host);
    let passing = Passing::by(ruling.name());
    let sent = match &admitted {
        None => Ok(send(&state.proxy, request).await),
        Some(admitted) => send_as(&state.proxy, request, admitted, &ruling).await,
    };
    let mut response = match sent {
        Ok(response) => response,
        Err(refusal) => {
            passing.take_back();
            refusal.tell();
            return refusal.answer();
        }
    };
    drop(passing);
    finish(response.headers_mut(), &ruling, ticket);
    if let Some(admitted) = admitted {
        keep_private(response.headers_mut(), &ruling);
        let cookie = admitted.effects.set_cookie.map(HeaderValue::try_from);
        if let Some(Ok(cookie)) = cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// Sends the request of a user who is signed in; what is under way ends with the session.
async fn send_as(
    proxy: &Router,
    mut request: Request,
    admitted: &Admitted,
    ruling: &Ruling,
) -> Result<Response, Refusal> {
    let session = &admitted.session;
    tell(
        request.headers_mut(),
        Some((&admitted.identity, &admitted.token)),
    );
    if is_websocket(request.headers()) && !hold(session, &mut request) {
        let why = "this session has as many open connections as it may have";
        return Err(Refusal::of(Decision::Forbidden, ruling.name()).because(why));
    }
    let request = request.map(|body| CutBody::wrap(body, session));
    let response = unless_ended(session, send(proxy, request)).await;
    let response = response.ok_or_else(|| Refusal::of(Decision::Login, ruling.name()))?;
    Ok(response.map(|body| CutBody::wrap(body, session)))
}

async fn send(proxy: &Router, request: Request) -> Response {
    match proxy.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Waits for a response; `None` where the session ends before.
async fn unless_ended(
    session: &Session,
    response: impl Future<Output = Response>,
) -> Option<Response> {
    let (mut cut, mut response) = (Cut::of(session), pin!(response));
    poll_fn(|context| {
        if let std::task::Poll::Ready(response) = response.as_mut().poll(context) {
            return std::task::Poll::Ready(Some(response));
        }
        cut.poll_ended(context).map(|()| None)
    })
    .await
}

/// Sees to it that an open socket is closed once its session is over, and that the session does not reach its
/// idle time-out before; `false` where it has as many as it may have.
fn hold(session: &Session, request: &mut Request) -> bool {
    let Some(held) = session.hold_socket() else {
        return false;
    };
    #[expect(
        clippy::default_trait_access,
        reason = "its type is of a crate that only the proxy depends on"
    )]
    let cut = TunnelCancellation(Default::default());
    let (open, closed) = oneshot::channel::<()>();
    request.extensions_mut().insert(cut.clone());
    request.extensions_mut().insert(TunnelGuard::new(open));
    tokio::spawn(async move {
        tokio::select! {
            _ = held.closing() => cut.0.cancel(),
            _ = closed => {}
        }
    });
    true
}

fn finish(headers: &mut HeaderMap, ruling: &Ruling, ticket: Option<&str>) {
    clean_answer(headers, ticket);
    if let Some(Ok(cache)) = ruling.cache().map(HeaderValue::from_str) {
        headers.insert(CACHE_CONTROL, cache);
    }
}

/// The Cache-Control of a response that depends on the user: a browser may keep it, and ask each time.
pub(crate) const FOR_ONE_USER: &str = "private, no-cache";

/// Keeps shared caches from a response that depends on the user; a browser may keep it, and ask each time.
fn keep_private(headers: &mut HeaderMap, ruling: &Ruling) {
    const SHARED: [&str; 3] = ["expires", "cdn-cache-control", "pragma"];
    let values = headers.get_all(CACHE_CONTROL).iter();
    let words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let is_private = words
        .map(str::trim)
        .any(|word| word.eq_ignore_ascii_case("private") || word.eq_ignore_ascii_case("no-store"));
    if ruling.cache().is_none() && !is_private {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_ONE_USER));
    }
    for name in SHARED {
        headers.remove(HeaderName::from_static(name));
    }
    headers.append(VARY, HeaderValue::from_static("Cookie"));
}
