//! The transport of requests: a connection, or a call within this process.

use std::error::Error;
use std::fmt::{self, Debug, Formatter};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceExt as _};

use super::ask::Made;

/// The reason for which there is no response.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Lost(String);

impl Lost {
    pub(super) fn new(error: impl Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

/// The response, if there is one.
pub type Reply = Result<Response<Bytes>, Lost>;
/// An answer that is on its way.
pub type Exchange = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// The transport of requests.
#[derive(Clone)]
pub struct Wire(Arc<dyn Fn(Request<Full<Bytes>>) -> Exchange + Send + Sync>);

impl Debug for Wire {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// Connections of its own, HTTP/1.1.
    pub fn tcp() -> Self {
        Self::tcp_from(None)
    }

    /// Connections that come from an address of this machine.
    pub fn tcp_from(from: Option<IpAddr>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(from);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self(Arc::new(move |request| {
            let answer = client.request(request);
            Box::pin(async move { Ok(whole(answer.await.map_err(Lost::new)?).await) })
        }))
    }

    /// Calls of a service in this process, an axum `Router` for one, whatever host a URL names.
    pub fn service<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Error,
        S::Future: Send,
        B: Body + Send,
        B::Data: Send,
    {
        Self(Arc::new(move |request| {
            let answer = service.clone().oneshot(as_arrived(request));
            Box::pin(async move { Ok(whole(answer.await.map_err(Lost::new)?).await) })
        }))
    }

    /// Carries a request, and resolves with the whole answer.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    pub fn carry(&self, request: Request<Full<Bytes>>) -> Exchange {
        (self.0)(request)
    }
}

/// The answer with all of its body, which is empty where it broke off.
async fn whole<B: Body>(answer: Response<B>) -> Response<Bytes> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    Response::from_parts(parts, body.unwrap_or_default())
}

/// A request as a server reads it from HTTP/1.1: the host is a header field.
fn as_arrived(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let host = request
        .uri()
        .authority()
        .map(|host| host.as_str().to_owned());
    if let Some(host) = host.and_then(|host| host.try_into().ok()) {
        request.headers_mut().entry("host").or_insert(host);
    }
    let root = PathAndQuery::from_static("/");
    let path = request.uri().path_and_query().cloned().unwrap_or(root);
    *request.uri_mut() = Uri::from(path);
    if let Some(made) = request.extensions_mut().remove::<Made>() {
        *request.uri_mut() = made.uri;
        *request.extensions_mut() = made.extensions;
    }
    request
}
