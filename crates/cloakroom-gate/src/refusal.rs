//! A refusal: its answer, its line in the audit, its place in the metrics.

use std::net::IpAddr;
use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::header::{RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::denial::{Decision, status};
use crate::identity::Identity;
use crate::target::TargetFault;

/// The label of what no rule decided.
const NO_RULE: &str = "none";

/// Version of the audit's fields, as of the library's own.
const SCHEMA: u32 = 1;

/// The user who asked for what is not theirs, for the audit.
#[derive(Clone, Debug)]
struct Subject {
    user: String,
    handle: String,
    address: Option<IpAddr>,
}

/// The reason for which a request goes no further.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) decision: Decision,
    pub(crate) rule: String,
    pub(crate) location: Option<String>,
    status: StatusCode,
    allow: Option<String>,
    text: &'static str,
    subject: Option<Subject>,
}

impl Refusal {
    pub(crate) fn of(decision: Decision, rule: &str) -> Self {
        Self {
            decision,
            rule: rule.to_owned(),
            location: None,
            status: status(decision),
            allow: None,
            text: text(decision),
            subject: None,
        }
    }

    /// Returns the refusal of a method that no rule of a path names.
    pub(crate) fn not_allowed(rule: &str, allow: String) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            allow: Some(allow),
            text: "no rule lets this method pass here",
            ..Self::of(Decision::Forbidden, rule)
        }
    }

    /// Returns the refusal of a request that no rule could decide.
    pub(crate) fn malformed(fault: TargetFault) -> Self {
        tracing::debug!(%fault, "a request has no single meaning");
        Self {
            status: fault.status(),
            ..Self::of(Decision::Malformed, NO_RULE)
        }
    }

    pub(crate) fn because(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    pub(crate) fn naming(self, identity: &Identity, address: Option<IpAddr>) -> Self {
        let subject = Some(Subject {
            user: identity.user.clone(),
            handle: identity.handle.clone(),
            address,
        });
        Self { subject, ..self }
    }

    /// Returns the answer for the client.
    pub(crate) fn answer(&self) -> Response {
        let to_login = self.location.is_some();
        let status = if to_login {
            StatusCode::SEE_OTHER
        } else {
            self.status
        };
        let mut response = self.answer_as(status);
        if let Some(to) = &self.location {
            insert(response.headers_mut(), LOCATION, to);
        }
        response
    }

    /// Returns an answer with another status, for a proxy that knows some only.
    pub(crate) fn answer_as(&self, status: StatusCode) -> Response {
        let mut response = Response::new(Body::from(self.text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 wants one; no scheme is registered for cookies.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(allow) = &self.allow {
            insert(headers, ALLOW, allow);
        }
        response
    }

    /// Counts it, and writes a line about a user who asked for what is not theirs.
    pub(crate) fn tell(&self) {
        count(&self.rule, self.decision);
        if let (Decision::Forbidden, Some(subject)) = (self.decision, &self.subject) {
            let line = self.audit_line(subject, SystemTime::now());
            tracing::warn!(target: "cloakroom::audit", "{line}");
        }
    }

    /// Returns a line of JSON, in OWASP's logging vocabulary.
    fn audit_line(&self, subject: &Subject, now: SystemTime) -> String {
        let line = serde_json::json!({
            "datetime": humantime::format_rfc3339_millis(now).to_string(),
            "schema": SCHEMA,
            "appid": "cloakroom-gate",
            "event": format!("authz_fail:{},{}", subject.user, self.rule),
            "level": "CRITICAL",
            "description": "a user asked for what is not theirs",
            "user": subject.user,
            "handle": subject.handle,
            "source_ip": subject.address,
            "rule": self.rule,
        });
        line.to_string()
    }
}

/// Counts a decision.
pub(crate) fn count(rule: &str, decision: Decision) {
    add(rule, decision, 1);
}

/// Adds nothing to each decision that these rules can come to: `increase` does not see the first of a series that
/// was not there before.
pub(crate) fn begin_at_nothing<'a>(rules: impl Iterator<Item = &'a str>) {
    for rule in rules {
        for decision in Decision::BY_RULE {
            add(rule, decision, 0);
        }
    }
    add(NO_RULE, Decision::Malformed, 0);
}

fn add(rule: &str, decision: Decision, requests: u64) {
    let labels = [
        ("rule", rule.to_owned()),
        ("decision", decision.as_str().to_owned()),
    ];
    metrics::counter!("cloakroom_gate_decisions_total", &labels).increment(requests);
}

/// A request that passes: counted once its response is there, or once its client has given it up.
pub(crate) struct Passing<'a> {
    rule: Option<&'a str>,
}

impl<'a> Passing<'a> {
    pub(crate) fn by(rule: &'a str) -> Self {
        Self { rule: Some(rule) }
    }

    /// Takes it back: the request was refused after all, which is counted by itself.
    pub(crate) fn take_back(mut self) {
        self.rule = None;
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        if let Some(rule) = self.rule {
            count(rule, Decision::Pass);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "the gate failed",
        Decision::Login => "nobody is signed in",
        Decision::Forbidden => "you are signed in, and this is not allowed to you",
        Decision::Malformed => "this request has no single meaning",
        Decision::StoreError => "the session store is unavailable",
    }
}
