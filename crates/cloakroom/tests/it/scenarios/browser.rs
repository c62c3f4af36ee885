//! A browser over TCP with one request after the other, in the words of the scenarios.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode};
use cloakroom::ManualClock;
use testbed::browser::{self, Ask, Jar, Lost, Tab, Wire};

use crate::support::Answer;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(super) struct Browser {
    tab: Tab,
    address: SocketAddr,
}

impl Browser {
    /// A browser for the site at `address`, whose connections come from `from`, and whose cookies
    /// end by `clock`.
    pub(super) fn new(address: SocketAddr, from: Option<IpAddr>, clock: &ManualClock) -> Self {
        let browser = open(address, Wire::tcp_from(from), clock);
        let tab = browser.tab();
        Self { tab, address }
    }

    /// Returns another browser with the same cookies and connections of its own: a thief's, for one.
    pub(super) fn copy(&self) -> Self {
        let other = self.tab.browser().copy().over(Wire::tcp());
        Self {
            tab: other.tab(),
            address: self.address,
        }
    }

    /// A cookie's value, as the browser has it.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.tab.browser().jar().value(name).map(str::to_owned)
    }

    /// The ticket: the value of `connect.sid`.
    pub(super) fn ticket(&self) -> String {
        self.cookie("connect.sid").expect("there is a session")
    }

    pub(super) fn plant(&mut self, value: &str) {
        self.tab.browser().plant("connect.sid", value);
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    /// Requests a page, as a navigation does.
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

    /// Signs in as a user with a role.
    pub(super) async fn login_as(&mut self, user: &str, role: &str) {
        let answer = self.post("/login", &[("user", user), ("role", role)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }

    /// Returns the user that the site sees, and the session's data.
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

    /// Sends a request with its cookies, and keeps those that come back.
    pub(super) async fn send(&mut self, request: Builder, body: &str) -> Answer {
        self.try_send(request, body)
            .await
            .expect("the site answers")
    }

    /// Sends a request to which the site may not reply.
    pub(super) async fn try_send(&mut self, request: Builder, body: &str) -> Result<Answer, Lost> {
        let request = request.body(Bytes::copy_from_slice(body.as_bytes()));
        self.tab
            .send(Ask::bare(request.unwrap()))
            .try_deliver()
            .await
    }
}

/// A browser with tabs, at the site of an address; its cookies end by `clock`.
pub(crate) fn open(address: SocketAddr, wire: Wire, clock: &ManualClock) -> browser::Browser {
    let clock = clock.clone();
    let jar = Jar::by(move || SystemTime::from(clock.now()));
    browser::Browser::new(&format!("http://{address}"), wire, jar)
}

/// An attribute of a Set-Cookie field, empty where it has no value.
pub(super) fn attribute<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    field.split("; ").skip(1).find_map(|attribute| {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        (key == name).then_some(value)
    })
}

/// Returns the target of a redirect.
pub(super) fn location(answer: &Answer) -> Option<&str> {
    answer.location()
}

/// The fields of a form as its body.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}
