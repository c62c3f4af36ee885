//! The line of the audit for an act of an operator: OWASP's logging vocabulary, and never an id.

use serde::{Deserialize, Serialize};

/// An act of an operator, as a line of the audit has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperatorAct {
    /// Time of the act, RFC 3339 in UTC with milliseconds.
    pub datetime: String,
    /// The program that wrote the line.
    pub appid: String,
    /// The event of the vocabulary, with its parameters.
    pub event: String,
    /// The level of the event.
    pub level: String,
    /// The operator.
    pub actor: String,
    /// The sessions that it was meant for, as flags of `cloakroom sessions`.
    pub filter: String,
    /// The sessions that it was meant for, where they were named.
    pub handles: Vec<String>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// Number of sessions that it concerned.
    pub count: u64,
}

impl OperatorAct {
    /// Creates the record of an act that is made now, `authz_admin:ACTOR,ACT`.
    pub fn new(actor: &str, act: &str) -> Self {
        Self::of_event(actor, format!("authz_admin:{actor},{act}"), "WARN")
    }

    /// Creates the record of a look at data that is usually hidden, `sensitive_read:ACTOR,HANDLE`.
    pub fn sensitive_read(actor: &str, handle: &str) -> Self {
        let event = format!("sensitive_read:{actor},{handle}");
        Self::of_event(actor, event, "WARN").handles(vec![handle.to_owned()])
    }

    /// Creates the record of an act that was refused, `authz_fail:ACTOR,RESOURCE`.
    pub fn refused(actor: &str, resource: &str) -> Self {
        Self::of_event(actor, format!("authz_fail:{actor},{resource}"), "CRITICAL")
    }

    /// Creates the record of an operator's login, `authn_login_success:ACTOR`.
    pub fn entered(actor: &str) -> Self {
        Self::of_event(actor, format!("authn_login_success:{actor}"), "INFO")
    }

    /// Creates the record of a login that was refused, `authn_login_fail:ACTOR`.
    pub fn turned_away(actor: &str) -> Self {
        Self::of_event(actor, format!("authn_login_fail:{actor}"), "WARN")
    }

    fn of_event(actor: &str, event: String, level: &str) -> Self {
        let now = std::time::SystemTime::now();
        Self {
            datetime: humantime::format_rfc3339_millis(now).to_string(),
            appid: "cloakroom".to_owned(),
            event,
            level: level.to_owned(),
            actor: actor.to_owned(),
            filter: String::new(),
            handles: Vec::new(),
            reason: None,
            count: 0,
        }
    }

    /// Sets the filter, which must not hold values of keys.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// Sets the handles.
    #[must_use]
    pub fn handles(mut self, handles: Vec<String>) -> Self {
        self.handles = handles;
        self
    }

    /// Sets the operator's reason.
    #[must_use]
    pub fn reason(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    /// Sets the number of sessions.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Returns the name of the act: `user_sessions_ended`; `sensitive_read` for a look.
    pub fn name(&self) -> &str {
        match self.event.rsplit_once(',') {
            Some((event, act)) if event.starts_with("authz_admin:") => act,
            _ => self.event.split(':').next().unwrap_or_default(),
        }
    }

    /// Returns `true` for what an operator did, as opposed to logins and refusals.
    pub fn is_done(&self) -> bool {
        ["authz_admin:", "sensitive_read:"]
            .iter()
            .any(|kind| self.event.starts_with(kind))
    }

    /// Returns the line, without its line feed.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line; `None` for one of another kind.
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::OperatorAct;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let act = OperatorAct::new("ada, the admin", "user_sessions_ended")
            .filter("--user bob")
            .reason(Some("stolen laptop\nat the airport".to_owned()))
            .count(3);
        let line = act.line();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(OperatorAct::read(&line), Some(act.clone()));
        assert_eq!(act.name(), "user_sessions_ended");
        assert_eq!(
            OperatorAct::sensitive_read("ada", "a,b").name(),
            "sensitive_read"
        );
        for (act, name, is_done) in [
            (OperatorAct::new("ada", "x"), "x", true),
            (OperatorAct::refused("ada", "x"), "authz_fail", false),
            (OperatorAct::entered("ada"), "authn_login_success", false),
            (OperatorAct::turned_away("ada"), "authn_login_fail", false),
        ] {
            assert_eq!((act.name(), act.is_done()), (name, is_done));
        }
        assert_eq!(OperatorAct::read("{}"), None);
        assert_eq!(OperatorAct::read("no JSON"), None);
    }
}
