//! A client of an application under test, with a browser's cookies.

use ::axum::Router;
use ::axum::body::{Body, to_bytes};
use ::axum::response::Response;
use form_urlencoded::Serializer;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use serde::Serialize;
use tower_service::Service as _;

use crate::session::{Session, SessionError};
use crate::testing::{TestSessions, Visitor};
use crate::web::Tls;

/// An application under test, as a test builds it: with all its layers, and with its state.
pub type TestedRouter = Router;

/// A client that sends one request after the other to an application, and keeps its cookies.
///
/// Requests come as over TLS, from a page of the application itself. A clone starts with equal cookies, and
/// has its own from then on: another device, or a thief.
#[derive(Clone, Debug)]
pub struct Client {
    router: Router,
    sessions: TestSessions,
    visitor: Visitor,
}

/// The response of an application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientAnswer {
    /// The status.
    pub status: StatusCode,
    /// The head's fields.
    pub headers: HeaderMap,
    /// The body, as far as it is text.
    pub body: String,
}

impl ClientAnswer {
    /// Returns the address that it redirects to, empty where it does not.
    pub fn location(&self) -> &str {
        let location = self.headers.get(LOCATION);
        location.and_then(|to| to.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn new(router: Router, sessions: TestSessions) -> Self {
        Self {
            router,
            visitor: sessions.visitor(),
            sessions,
        }
    }

    /// Signs a user in, without the application's own login.
    ///
    /// # Panics
    ///
    /// As [`TestSessions::visit`].
    pub async fn signed_in(self, user: impl Serialize) -> Self {
        let visitor = self.sessions.signed_in(user).await;
        Self { visitor, ..self }
    }

    /// Prepares the client's session: see [`TestSessions::visit`].
    ///
    /// # Panics
    ///
    /// As [`TestSessions::visit`].
    pub async fn visit<R>(
        &mut self,
        handle: impl AsyncFnOnce(&Session) -> Result<R, SessionError>,
    ) -> R {
        let sessions = self.sessions.clone();
        sessions.visit(&mut self.visitor, handle).await
    }

    /// Returns the client's cookies.
    pub fn visitor(&mut self) -> &mut Visitor {
        &mut self.visitor
    }

    /// Requests a page, as a browser does.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub async fn get(&mut self, path: &str) -> ClientAnswer {
        let request = Request::get(path).header("accept", "text/html,*/*;q=0.8");
        self.send(request.body(Body::empty()).expect("a path makes a request"))
            .await
    }

    /// Sends a form of the application's own page.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> ClientAnswer {
        let form = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(path)
            .header("accept", "text/html,*/*;q=0.8")
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.into()).expect("a path makes a request"))
            .await
    }

    /// Sends a request, with this client's cookies beside its own fields, and keeps those of the response. No
    /// redirect is followed.
    ///
    /// # Panics
    ///
    /// If the body breaks off, or the response sets a cookie that no browser keeps.
    pub async fn send(&mut self, mut request: Request<Body>) -> ClientAnswer {
        let cookies = self.visitor.field_for(request.uri().path());
        let cookies = cookies.and_then(|field| field.try_into().ok());
        let headers = request.headers_mut();
        if let Some(cookies) = cookies {
            headers.insert(COOKIE, cookies);
        }
        let host = http::HeaderValue::from_static("app.test");
        headers.entry(HOST).or_insert(host);
        request.extensions_mut().insert(Tls);
        let Ok(response) = self.router.call(request).await;
        self.read(response).await
    }

    async fn read(&mut self, response: Response) -> ClientAnswer {
        let (head, body) = response.into_parts();
        for field in head.headers.get_all(SET_COOKIE) {
            self.visitor
                .keep(&String::from_utf8_lossy(field.as_bytes()));
        }
        let body = to_bytes(body, usize::MAX).await;
        let body = body.unwrap_or_else(|error| panic!("the body breaks off: {error}"));
        ClientAnswer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}
