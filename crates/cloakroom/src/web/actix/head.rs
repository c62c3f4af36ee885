//! Adapts requests and responses of actix-web.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{StatusCode, uri};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError};

use crate::manager::CloseError;
use crate::session::SessionError;
use crate::store::StoreError;
use crate::web::answer::ResponseParts;
use crate::web::head::{HeaderMapExt, Name, RequestHead, field_name};
use crate::web::rejection::unavailable;
use crate::web::{SessionRejection, Tls};

field_name!(header);

impl HeaderMapExt for HeaderMap {
    fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.get_all(field_name(name)).map(HeaderValue::as_bytes)
    }

    fn set(&mut self, name: Name, value: &str) -> bool {
        let value = HeaderValue::try_from(value).ok();
        let set = |value| self.insert(field_name(name), value);
        value.map(set).is_some()
    }

    fn append(&mut self, name: Name, value: &str) -> bool {
        let value = HeaderValue::try_from(value).ok();
        let append = |value| self.append(field_name(name), value);
        value.map(append).is_some()
    }

    fn add_first(&mut self, name: Name, value: &'static str) -> bool {
        let name = field_name(name);
        if self.contains_key(&name) {
            return false;
        }
        self.insert(name, HeaderValue::from_static(value));
        true
    }
}

impl RequestHead for HttpRequest {
    type Fields = HeaderMap;

    fn fields(&self) -> &HeaderMap {
        self.headers()
    }

    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn path(&self) -> &str {
        self.path()
    }

    fn target(&self) -> &str {
        let target = self.uri().path_and_query();
        target.map_or("/", uri::PathAndQuery::as_str)
    }

    fn authority(&self) -> Option<&str> {
        self.uri().authority().map(uri::Authority::as_str)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr().map(|peer| peer.ip())
    }

    fn is_tls(&self) -> bool {
        self.app_config().secure() || self.extensions().get::<Tls>().is_some()
    }
}

impl From<ResponseParts> for HttpResponse {
    fn from(answer: ResponseParts) -> Self {
        let mut response = Self::build(status(answer.status));
        for (name, value) in answer.all_fields() {
            response.insert_header((*name, &**value));
        }
        if answer.text.is_empty() {
            return response.finish();
        }
        response.content_type(answer.kind);
        response.body(answer.text)
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl ResponseError for SessionRejection {
    fn status_code(&self) -> StatusCode {
        status(self.answer().status)
    }

    fn error_response(&self) -> HttpResponse {
        self.report();
        self.answer().into()
    }
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        status(self.answer().status)
    }

    /// Responds 503 where a retry may help, 409 where the session ended meanwhile, 500 elsewhere.
    fn error_response(&self) -> HttpResponse {
        self.report();
        self.answer().into()
    }
}

impl ResponseError for StoreError {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    /// Responds 503, with `Retry-After`.
    fn error_response(&self) -> HttpResponse {
        self.report();
        unavailable().into()
    }
}

#[cfg(feature = "attempts")]
impl ResponseError for crate::auth::TooManyAttempts {
    fn status_code(&self) -> StatusCode {
        StatusCode::TOO_MANY_REQUESTS
    }

    /// Responds 429, with `Retry-After`.
    fn error_response(&self) -> HttpResponse {
        self.answer().into()
    }
}

impl ResponseError for CloseError {
    fn status_code(&self) -> StatusCode {
        status(ResponseParts::of_unsaved(self).status)
    }

    fn error_response(&self) -> HttpResponse {
        ResponseParts::of_unsaved(self).into()
    }
}
