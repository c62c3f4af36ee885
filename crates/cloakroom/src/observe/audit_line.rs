//! The lines of the audit log, as functions of an event.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{AuditFormat, EndCause, EventSubject, RefusalCause};
use crate::clock::Timestamp;

/// The version of the fields; it changes when a field is renamed or removed.
const SCHEMA: u32 = 1;

/// An event for the log.
pub(super) struct AuditEvent<'a> {
    pub(super) at: Timestamp,
    pub(super) application: &'a str,
    pub(super) happened: Happened<'a>,
    pub(super) subject: &'a EventSubject,
}

#[derive(Clone, Copy)]
pub(super) enum Happened<'a> {
    Created,
    SignedIn,
    Renewed,
    Ended {
        cause: EndCause,
        sessions: u64,
    },
    Refused(RefusalCause),
    CsrfRefused,
    Throttled(Duration),
    OperatorActed {
        operator: &'a str,
        act: &'a str,
        filter: &'a str,
        sessions: u64,
    },
}

/// The level of an event, in OWASP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Info,
    Warn,
    Critical,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns OCSF's `severity_id`: informational, medium, critical.
    fn severity(self) -> u8 {
        match self {
            Self::Info => 1,
            Self::Warn => 3,
            Self::Critical => 5,
        }
    }
}

/// Formats an event as one line of JSON.
pub(super) fn line(format: AuditFormat, event: &AuditEvent<'_>) -> String {
    let fields = match format {
        AuditFormat::Owasp => owasp(event),
        AuditFormat::Ecs => ecs(event),
        AuditFormat::Ocsf => ocsf(event),
    };
    Value::Object(fields).to_string()
}

fn owasp(event: &AuditEvent<'_>) -> Map<String, Value> {
    let (happened, subject) = (event.happened, event.subject);
    let mut fields = Map::new();
    put(&mut fields, "datetime", iso(event.at));
    put(&mut fields, "schema", SCHEMA);
    put(&mut fields, "appid", event.application);
    put(&mut fields, "event", happened.owasp(subject));
    put(&mut fields, "level", happened.level().as_str());
    put(&mut fields, "description", happened.description());
    some(&mut fields, "user", subject.user.as_deref());
    some(&mut fields, "handle", subject.handle.as_deref());
    some(
        &mut fields,
        "source_ip",
        subject.address.map(|ip| ip.to_string()),
    );
    some(&mut fields, "useragent", subject.user_agent.as_deref());
    some(&mut fields, "reason", happened.reason());
    some(&mut fields, "count", happened.count());
    if let Happened::OperatorActed {
        operator, filter, ..
    } = happened
    {
        put(&mut fields, "actor", operator);
        put(&mut fields, "filter", filter);
    }
    fields
}

fn ecs(event: &AuditEvent<'_>) -> Map<String, Value> {
    let (happened, subject) = (event.happened, event.subject);
    let mut fields = Map::new();
    put(&mut fields, "@timestamp", iso(event.at));
    put(&mut fields, "ecs.version", "8.11.0");
    put(
        &mut fields,
        "log.level",
        happened.level().as_str().to_ascii_lowercase(),
    );
    put(&mut fields, "service.name", event.application);
    put(&mut fields, "message", happened.description());
    put(&mut fields, "event.kind", "event");
    put(&mut fields, "event.category", happened.category());
    put(&mut fields, "event.type", json!([happened.kind()]));
    put(&mut fields, "event.action", happened.name());
    put(
        &mut fields,
        "event.outcome",
        if happened.succeeded() {
            "success"
        } else {
            "failure"
        },
    );
    some(&mut fields, "event.reason", happened.reason());
    some(&mut fields, "user.id", subject.user.as_deref());
    some(
        &mut fields,
        "source.ip",
        subject.address.map(|ip| ip.to_string()),
    );
    some(
        &mut fields,
        "user_agent.original",
        subject.user_agent.as_deref(),
    );
    some(
        &mut fields,
        "cloakroom.session.handle",
        subject.handle.as_deref(),
    );
    some(&mut fields, "cloakroom.session.count", happened.count());
    if let Happened::OperatorActed {
        operator, filter, ..
    } = happened
    {
        put(&mut fields, "user.id", operator);
        put(&mut fields, "cloakroom.filter", filter);
    }
    fields
}

fn ocsf(event: &AuditEvent<'_>) -> Map<String, Value> {
    let (happened, subject) = (event.happened, event.subject);
    let activity = happened.activity();
    let user = match happened {
        Happened::OperatorActed { operator, .. } => Some(operator),
        _ => subject.user.as_deref(),
    };
    let mut fields = Map::new();
    put(&mut fields, "time", event.at.as_millis());
    put(&mut fields, "category_uid", 3);
    put(&mut fields, "class_uid", 3002);
    put(&mut fields, "activity_id", activity);
    put(&mut fields, "type_uid", 300_200 + u32::from(activity));
    put(&mut fields, "activity_name", happened.name());
    put(&mut fields, "severity_id", happened.level().severity());
    put(
        &mut fields,
        "status_id",
        if happened.succeeded() { 1 } else { 2 },
    );
    some(&mut fields, "status_detail", happened.reason());
    put(&mut fields, "message", happened.description());
    // The class requires a user.
    put(
        &mut fields,
        "user",
        json!({ "name": user.unwrap_or("unknown") }),
    );
    let product = json!({ "name": event.application, "vendor_name": "cloakroom" });
    put(
        &mut fields,
        "metadata",
        json!({ "version": "1.3.0", "product": product }),
    );
    some(&mut fields, "count", happened.count());
    if let Some(address) = subject.address {
        put(
            &mut fields,
            "src_endpoint",
            json!({ "ip": address.to_string() }),
        );
    }
    if let Some(agent) = &subject.user_agent {
        put(&mut fields, "http_request", json!({ "user_agent": agent }));
    }
    if let Some(handle) = &subject.handle {
        put(&mut fields, "session", json!({ "uid_alt": handle }));
    }
    if let Happened::OperatorActed { filter, .. } = happened {
        put(&mut fields, "unmapped", json!({ "filter": filter }));
    }
    fields
}

/// Formats an instant by RFC 3339, in UTC with milliseconds.
fn iso(at: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    at.write_iso(&mut text);
    text
}

fn put(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    fields.insert(name.to_owned(), value.into());
}

fn some(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(fields, name, value);
    }
}

impl Happened<'_> {
    /// Returns the event of OWASP's vocabulary, with its parameters.
    fn owasp(self, subject: &EventSubject) -> String {
        let user = subject.user.as_deref().unwrap_or("anonymous");
        match self {
            Self::Created => format!("session_created:{user}"),
            Self::SignedIn => format!("authn_login_success:{user}"),
            Self::Renewed => format!("session_renewed:{user}"),
            Self::Ended { cause, .. } => format!("session_expired:{user},{}", cause.as_str()),
            Self::Refused(RefusalCause::Retired) => format!("session_use_after_expire:{user}"),
            Self::Refused(cause) => {
                format!("input_validation_fail:cookie_{},{user}", cause.as_str())
            }
            Self::CsrfRefused => format!("malicious_cors:{user}"),
            Self::Throttled(_) => format!("excess_rate_limit_exceeded:{user}"),
            Self::OperatorActed { operator, act, .. } => format!("authz_admin:{operator},{act}"),
        }
    }

    fn level(self) -> Level {
        match self {
            Self::Created | Self::SignedIn | Self::Renewed | Self::Ended { .. } => Level::Info,
            Self::Refused(RefusalCause::Retired) => Level::Critical,
            Self::Refused(_)
            | Self::CsrfRefused
            | Self::Throttled(_)
            | Self::OperatorActed { .. } => Level::Warn,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Created => "session_created",
            Self::SignedIn => "login",
            Self::Renewed => "session_renewed",
            Self::Ended { .. } => "session_ended",
            Self::Refused(_) => "cookie_refused",
            Self::CsrfRefused => "csrf_refused",
            Self::Throttled(_) => "login_throttled",
            Self::OperatorActed { .. } => "operator_acted",
        }
    }

    fn description(self) -> String {
        match self {
            Self::Created => "a session was created".to_owned(),
            Self::SignedIn => "a user has signed in".to_owned(),
            Self::Renewed => "a session goes on under another id".to_owned(),
            Self::Ended { sessions: 1, .. } => "a session has ended".to_owned(),
            Self::Ended { sessions, .. } => format!("{sessions} sessions have ended"),
            Self::Refused(_) => "a cookie opened no session".to_owned(),
            Self::CsrfRefused => "a request of another site was refused".to_owned(),
            Self::Throttled(wait) => {
                format!("an attempt to sign in has to wait for {} s", wait.as_secs())
            }
            Self::OperatorActed { sessions, .. } => {
                format!("an operator's act concerned {sessions} sessions")
            }
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Ended { cause, .. } => Some(cause.as_str()),
            Self::Refused(cause) => Some(cause.as_str()),
            _ => None,
        }
    }

    fn count(self) -> Option<u64> {
        match self {
            Self::Ended { sessions, .. } | Self::OperatorActed { sessions, .. } => Some(sessions),
            _ => None,
        }
    }

    fn succeeded(self) -> bool {
        !matches!(
            self,
            Self::Refused(_) | Self::CsrfRefused | Self::Throttled(_)
        )
    }

    /// Returns ECS's categories.
    fn category(self) -> Value {
        match self {
            Self::OperatorActed { .. } => json!(["iam", "session"]),
            Self::CsrfRefused => json!(["web", "session"]),
            _ => json!(["authentication", "session"]),
        }
    }

    /// Returns ECS's type.
    fn kind(self) -> &'static str {
        match self {
            Self::Created | Self::SignedIn => "start",
            Self::Renewed => "change",
            Self::Ended { .. } => "end",
            Self::Refused(_) | Self::CsrfRefused | Self::Throttled(_) => "denied",
            Self::OperatorActed { .. } => "admin",
        }
    }

    /// Returns OCSF's activity of the class Authentication: 1 logon, 2 logoff, 99 other.
    fn activity(self) -> u8 {
        match self {
            Self::SignedIn | Self::Throttled(_) => 1,
            Self::Ended { .. } => 2,
            _ => 99,
        }
    }
}

#[cfg(test)]
mod tests;
