//! The audit log: one JSON line for each event of security, in the vocabulary of OWASP, ECS or OCSF.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::audit_line::{AuditEvent, Happened, line};
use super::{EndCause, EventSubject, Observer, RefusalCause};
use crate::clock::{Clock, Timestamp};

/// The field names and values of an audit line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditFormat {
    /// OWASP's Logging Vocabulary.
    #[default]
    Owasp,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework: class 3002, Authentication.
    Ocsf,
}

/// An observer that writes an audit log: one line of JSON for each session that begins, is renewed or ends, each
/// login, and each refusal.
///
/// Lines are events of `tracing` with the target `cloakroom::audit`, or go to a function of the application.
/// They name users, addresses and [handles](EventSubject::handle), never ids, cookies or data; `manual::operations`
/// has the table of all fields. Unknown cookies are no lines: every session that expires leaves one behind.
///
/// ```
/// use cloakroom::observe::{AuditFormat, AuditObserver};
///
/// # fn f(manager: cloakroom::Manager) -> cloakroom::Manager {
/// let audit = AuditObserver::new("shop", AuditFormat::Owasp);
/// manager.observer(audit)
/// # }
/// ```
pub struct AuditObserver {
    format: AuditFormat,
    application: String,
    clock: Clock,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl AuditObserver {
    /// Creates a log of the application of this name, as events of `tracing`.
    pub fn new(application: impl Into<String>, format: AuditFormat) -> Self {
        Self::with(application, format, Clock::System, |line| {
            tracing::info!(target: "cloakroom::audit", "{line}");
        })
    }

    /// Creates a log whose lines, each without its line feed, go to `sink`, with a clock that a test may set.
    pub fn with(
        application: impl Into<String>,
        format: AuditFormat,
        clock: impl Into<Clock>,
        sink: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            format,
            application: application.into(),
            clock: clock.into(),
            sink: Arc::new(sink),
        }
    }

    /// Writes a line about an act of an operator: `act` names it, `filter` says which sessions it was meant for,
    /// without ids, and `sessions` is the number that it concerned.
    pub fn operator_acted(&self, operator: &str, act: &str, filter: &str, sessions: u64) {
        self.write(
            Happened::OperatorActed {
                operator,
                act,
                filter,
                sessions,
            },
            &EventSubject::unknown(),
        );
    }

    fn write(&self, happened: Happened<'_>, subject: &EventSubject) {
        let event = AuditEvent {
            at: self.now(),
            application: &self.application,
            happened,
            subject,
        };
        (self.sink)(&line(self.format, &event));
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Observer for AuditObserver {
    fn created(&self, session: &EventSubject) {
        self.write(Happened::Created, session);
    }

    fn signed_in(&self, session: &EventSubject) {
        self.write(Happened::SignedIn, session);
    }

    fn renewed(&self, session: &EventSubject) {
        self.write(Happened::Renewed, session);
    }

    fn ended(&self, session: &EventSubject, cause: EndCause, sessions: u64) {
        self.write(Happened::Ended { cause, sessions }, session);
    }

    fn refused(&self, client: &EventSubject, cause: RefusalCause) {
        if cause != RefusalCause::Unknown {
            self.write(Happened::Refused(cause), client);
        }
    }

    fn csrf_refused(&self, client: &EventSubject) {
        self.write(Happened::CsrfRefused, client);
    }

    fn attempts_throttled(&self, client: &EventSubject, retry_after: Duration) {
        self.write(Happened::Throttled(retry_after), client);
    }
}

impl fmt::Debug for AuditObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditObserver")
            .field("format", &self.format)
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}
