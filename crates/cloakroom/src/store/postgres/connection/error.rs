//! Maps PostgreSQL's errors to texts that hold nothing of a session.
//!
//! The server's own messages quote ids and records (`Key (sid)=(…)`), so they are left out: the code, and the
//! next move, take their place.

use std::error::Error as _;
use std::fmt;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::{StoreError, StoreErrorKind};

/// The phase in which a statement failed: whether the server may have executed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendPhase {
    /// Nothing was changed yet.
    Before,
    /// A change was sent.
    Sent,
}

/// The failure of a statement.
#[derive(Debug)]
pub(crate) struct QueryError {
    pub(crate) kind: StoreErrorKind,
    pub(crate) code: Option<SqlState>,
    /// Nothing was done, and the same statement may succeed.
    pub(crate) again: bool,
    /// The server did not answer in time.
    is_silence: bool,
    text: String,
}

impl QueryError {
    pub(crate) fn new(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            code: None,
            again: false,
            is_silence: false,
            text: text.into(),
        }
    }

    pub(crate) fn is(&self, code: &SqlState) -> bool {
        self.code.as_ref() == Some(code)
    }

    /// Returns `true` if the server has no connection left for this pool.
    pub(crate) fn is_full(&self) -> bool {
        self.is(&SqlState::TOO_MANY_CONNECTIONS)
    }

    /// Returns `true` if another transaction holds a row.
    pub(crate) fn is_locked(&self) -> bool {
        self.is(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Maps the failure to get a connection.
    pub(crate) fn of_pool(error: &PoolError) -> Self {
        let unavailable = |text| Self::new(StoreErrorKind::Unavailable, text);
        match error {
            PoolError::Backend(error) => Self {
                again: false,
                ..Self::of(error, SendPhase::Before)
            }
            .with_words(error),
            PoolError::Timeout(TimeoutType::Wait) => {
                unavailable("all connections of the pool are in use")
            }
            PoolError::Timeout(_) => Self {
                is_silence: true,
                ..unavailable("PostgreSQL did not accept a connection in time")
            },
            _ => unavailable("the pool of connections is closed"),
        }
    }

    /// Adds the server's own words, which hold nothing of a session while a connection is opened.
    fn with_words(self, error: &Error) -> Self {
        let said = error
            .as_db_error()
            .and_then(|said| nameless(said.message()));
        let text = match said {
            Some(said) => format!("{} ({said})", self.text),
            None => self.text,
        };
        Self { text, ..self }
    }

    pub(crate) fn of(error: &Error, phase: SendPhase) -> Self {
        match (error.code(), phase) {
            (Some(code), _) => Self::of_code(code),
            (None, SendPhase::Sent) => Self::new(
                StoreErrorKind::Unknown,
                "the connection to PostgreSQL broke before the answer came",
            ),
            (None, SendPhase::Before) => Self {
                again: true,
                is_silence: is_timeout(error),
                ..Self::new(StoreErrorKind::Unavailable, broken(error))
            },
        }
    }

    fn of_code(code: &SqlState) -> Self {
        let (kind, advice) = meaning(code);
        Self {
            kind,
            code: Some(code.clone()),
            again: is_passing(code),
            is_silence: false,
            text: format!("PostgreSQL said {}: {advice}", code.code()),
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for QueryError {}

impl From<QueryError> for StoreError {
    fn from(fault: QueryError) -> Self {
        match &fault.code {
            Some(code) if HELD_UP.contains(code) => Self::held_up(fault),
            None if fault.is_silence && fault.kind == StoreErrorKind::Unavailable => {
                Self::unanswered(fault)
            }
            _ => Self::new(fault.kind, fault),
        }
    }
}

/// Codes for a statement that did nothing: others hold the row, or it was cancelled, by a user or a time-out.
const HELD_UP: [SqlState; 2] = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED];

/// Returns `true` for errors after which nothing was done, and which are gone at the next try: a deadlock, a
/// connection from before a restart, a prepared statement that a proxy forgot.
fn is_passing(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::INVALID_SQL_STATEMENT_NAME
    )
}

fn meaning(code: &SqlState) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Invalid, Unavailable};
    match code.code() {
        "22P02" | "22P05" => (
            Invalid,
            "the column sess does not take that JSON; a column of type jsonb holds no \\u0000 and no \
             lone surrogate, one of type json does",
        ),
        "22001" | "22021" | "54000" => {
            (Invalid, "a text is too long, or none that a database holds")
        }
        "23502" => (
            Unavailable,
            "the table has a column that a session does not fill: give it a default",
        ),
        "25006" => (
            Unavailable,
            "the server takes no writes: name the primary, or all hosts, in the URL",
        ),
        "28000" | "28P01" => (
            Unavailable,
            "the login was refused: check user and password in the URL, and add sslmode=require \
             where the server demands TLS",
        ),
        "3D000" => (Unavailable, "there is no such database: create it"),
        "3F000" => (Unavailable, "there is no such schema: create it"),
        "42501" => (
            Unavailable,
            "the role may not do that: GRANT SELECT, INSERT, UPDATE, DELETE on the tables to it, or \
             have their owner run the statements of PostgresStore::ddl",
        ),
        "42P01" => (
            Unavailable,
            "a table is missing: run the statements of PostgresStore::ddl",
        ),
        "42703" | "42804" | "42883" | "42P10" => (
            Unavailable,
            "the table was altered since the store connected: connect again to learn what is wrong",
        ),
        "55P03" => (
            Unavailable,
            "others hold the row or the table for longer than a request can wait",
        ),
        "57014" => (
            Unavailable,
            "the statement was cancelled, or took longer than statement_timeout",
        ),
        other => (Unavailable, by_class(other)),
    }
}

fn by_class(code: &str) -> &'static str {
    match code.get(..2) {
        Some("53") => "the server is out of connections, memory or disk",
        Some("57") => "the server is starting or stopping",
        _ => "the statement failed; the server's log has the details",
    }
}

/// Returns what a server says without what it quotes, from the first name to the last: those are parts of the
/// URL, and may hold quotes. `None` of another language than English, which quotes otherwise.
fn nameless(said: &str) -> Option<String> {
    if !said.is_ascii() {
        return None;
    }
    let quotes = said.find('"').zip(said.rfind('"'));
    Some(match quotes {
        Some((first, last)) if first < last => {
            format!("{}\"…\"{}", &said[..first], &said[last + 1..])
        }
        Some((first, _)) => format!("{}\"…", &said[..first]),
        None => said.to_owned(),
    })
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    Some(cause.kind())
}

fn is_timeout(error: &Error) -> bool {
    io_kind(error) == Some(io::ErrorKind::TimedOut)
}

/// Describes a broken connection, without the address that the driver may name.
fn broken(error: &Error) -> String {
    match io_kind(error) {
        Some(io::ErrorKind::InvalidData) => {
            "the TLS handshake with PostgreSQL failed: check that the server's certificate is for \
             the host in the URL and that its issuer is among the system's, or in SSL_CERT_FILE"
                .to_owned()
        }
        Some(kind) => format!("PostgreSQL cannot be reached: {error}: {kind}"),
        None if lacks_tls(error) => "the server has no TLS: turn it on there, or write \
             sslmode=disable into the URL and have sessions go over the network as plain text"
            .to_owned(),
        None => format!("PostgreSQL cannot be reached: {error}"),
    }
}

fn lacks_tls(error: &Error) -> bool {
    let source = error.source().map(ToString::to_string);
    source.is_some_and(|text| text.contains("does not support TLS"))
}

#[cfg(test)]
mod tests {
    use super::nameless;

    #[test]
    fn what_a_server_says_repeats_no_name_of_the_url() {
        #[rustfmt::skip]
        let table = [
            (r#"role "hunter2" does not exist"#,         Some(r#"role "…" does not exist"#)),
            (r#"permission for "a" on "b" is missing"#,  Some(r#"permission for "…" is missing"#)),
            ("sorry, too many clients already",          Some("sorry, too many clients already")),
            (r#"database "a"hunter2"b" does not exist"#, Some(r#"database "…" does not exist"#)),
            (r#"database "hunter2"#,                     Some(r#"database "…"#)),
            ("le rôle « hunter2 » n'existe pas",          None),
            ("Rolle »hunter2« existiert nicht",           None),
        ];
        for (said, expected) in table {
            assert_eq!(nameless(said).as_deref(), expected, "{said}");
        }
    }
}
