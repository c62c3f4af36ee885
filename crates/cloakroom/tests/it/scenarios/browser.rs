//! A browser over TCP: it keeps cookies by name and path, and says where its requests come from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION};
use axum::http::request::Builder;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;

use crate::support::Answer;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Clone)]
pub(super) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    jar: BTreeMap<String, Cookie>,
}

#[derive(Clone)]
struct Cookie {
    value: String,
    path: String,
}

impl Browser {
    /// A browser for the site at `address`, whose connections come from `from`.
    pub(super) fn new(address: SocketAddr, from: Option<IpAddr>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(from);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            address,
            jar: BTreeMap::new(),
        }
    }

    /// The same cookies in another browser, with connections of its own: a thief's, or another tab.
    pub(super) fn copy(&self) -> Self {
        let jar = self.jar.clone();
        Self {
            jar,
            ..Self::new(self.address, None)
        }
    }

    /// A cookie's value, as the browser has it.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(|cookie| cookie.value.as_str())
    }

    /// The ticket: the value of `connect.sid`.
    pub(super) fn ticket(&self) -> &str {
        self.cookie("connect.sid").expect("there is a session")
    }

    pub(super) fn plant(&mut self, value: &str) {
        let cookie = Cookie {
            value: value.to_owned(),
            path: "/".to_owned(),
        };
        self.jar.insert("connect.sid".to_owned(), cookie);
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    /// Asks for a page, as a browser does that somebody looks at.
    pub(super) async fn page(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path);
        let request = request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        self.send(request, "").await
    }

    /// Sends a form of the site's own page.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form(fields);
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, FORM);
        self.send(request.header("sec-fetch-site", "same-origin"), &form)
            .await
    }

    /// Signs in by the form.
    pub(super) async fn login(&mut self, user: &str) {
        let answer = self.post("/login", &[("user", user)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }

    /// Signs in as somebody with a role.
    pub(super) async fn login_as(&mut self, user: &str, role: &str) {
        let answer = self.post("/login", &[("user", user), ("role", role)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }

    /// Who the site takes it for, and what with.
    pub(super) async fn who(&mut self) -> String {
        let answer = self.get("/").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    /// A request to this site; a browser names its host, and in a form its origin by hand only.
    pub(super) fn request(&self, method: Method, path: &str) -> Builder {
        let uri = format!("http://{}{path}", self.address);
        Request::builder().method(method).uri(uri)
    }

    /// The site's own origin.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request with the cookies of its path, and keeps those that come back.
    pub(super) async fn send(&mut self, request: Builder, body: &str) -> Answer {
        self.try_send(request, body)
            .await
            .expect("the site answers")
    }

    /// The same, where the site may hang up.
    pub(super) async fn try_send(&mut self, request: Builder, body: &str) -> Result<Answer, Error> {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let mut request = request.body(body).unwrap();
        let sent = self.cookies_for(request.uri().path());
        if !sent.is_empty() {
            let field = HeaderValue::try_from(sent).unwrap();
            request.headers_mut().append(COOKIE, field);
        }
        let response = self.client.request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(Collected::to_bytes);
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
        };
        for field in answer.set_cookies() {
            self.keep(field);
        }
        Ok(answer)
    }

    fn cookies_for(&self, path: &str) -> String {
        let sent = self
            .jar
            .iter()
            .filter(|(_, cookie)| path.starts_with(&cookie.path));
        let pairs: Vec<String> = sent
            .map(|(name, cookie)| format!("{name}={}", cookie.value))
            .collect();
        pairs.join("; ")
    }

    fn keep(&mut self, field: &str) {
        let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
        let path = attribute(field, "Path").unwrap_or("/").to_owned();
        if value.is_empty() {
            self.jar.remove(name);
        } else {
            let value = value.to_owned();
            self.jar.insert(name.to_owned(), Cookie { value, path });
        }
    }
}

/// An attribute of a Set-Cookie field, empty where it has no value.
pub(super) fn attribute<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    field.split("; ").skip(1).find_map(|attribute| {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        (key == name).then_some(value)
    })
}

/// Where a redirect leads.
pub(super) fn location(answer: &Answer) -> Option<&str> {
    let field = answer.headers.get(LOCATION);
    field.map(|to| to.to_str().unwrap())
}

/// The fields of a form as its body.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}
