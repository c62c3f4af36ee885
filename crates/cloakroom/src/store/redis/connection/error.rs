//! Maps failed commands to store errors.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::redis::invalid;
use crate::store::{StoreError, StoreErrorKind};

pub(crate) const GRANT: &str = "this user lacks rights; grant ~sess:* ~user:* ~tomb:* ~retired:* +@read +@write \
    +@scripting, in a cluster +cluster|slots, behind Sentinel +role";

const NO_RESP3: &str = "this server does not speak RESP3 (HELLO 3): connect to Redis 7.0 or newer, or to \
    Valkey, and let proxies pass it on";
const FULL: &str = "OOM: Redis is full; raise its maxmemory";

/// The safety of repeating a command that may have been executed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// It changes nothing.
    Idempotent,
    /// It may change something.
    NotIdempotent,
}

/// The action to take on an error before it is reported to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RetryAction {
    /// The connection cannot be used any more.
    Reconnect,
    /// The server has refused it, unexecuted, for a moment only.
    Retry,
    /// Another server has the key already, and takes the command after an `ASKING`.
    Ask,
    /// The server does not know the script yet.
    Load,
    Nothing,
}

pub(crate) fn retry_action(error: &RedisError) -> RetryAction {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::Moved
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::BusyLoading,
        )
        | ErrorKind::ClusterConnectionNotFound => RetryAction::Retry,
        ErrorKind::Server(ServerErrorKind::Ask) => RetryAction::Ask,
        ErrorKind::Server(ServerErrorKind::NoScript) => RetryAction::Load,
        // A server that is a replica now: Sentinel knows the new one.
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        | ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::AuthenticationFailed => RetryAction::Reconnect,
        _ => RetryAction::Nothing,
    }
}

/// Returns `true` if it can be sent again on another connection, within the time that is left.
pub(crate) fn is_safe(error: &RedisError, effect: Idempotency) -> bool {
    !error.is_timeout() && (effect == Idempotency::Idempotent || !is_open(error))
}

/// Returns `true` if the server may have executed the command that failed.
fn is_open(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// Builds the error for the caller; its text is the server's code, never its message, which may contain a
/// key.
pub(crate) fn to_store_error(error: &RedisError, effect: Idempotency) -> StoreError {
    let kind = match (error.code(), effect) {
        (Some("WRONGTYPE"), _) => StoreErrorKind::Corrupt,
        // The server does not know the command in this form.
        (Some("ERR"), _) => StoreErrorKind::Invalid,
        _ if effect == Idempotency::NotIdempotent && is_open(error) => StoreErrorKind::Unknown,
        _ => StoreErrorKind::Unavailable,
    };
    match kind {
        StoreErrorKind::Unavailable if error.is_timeout() => {
            StoreError::unanswered(describe(error))
        }
        kind => StoreError::new(kind, describe(error)),
    }
}

/// Returns `true` if the server refused a write because its memory is full.
pub(crate) fn is_full(error: &StoreError) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string() == FULL)
}

/// Builds the error of a failure to connect: nothing was sent.
pub(crate) fn unreachable(error: &RedisError) -> StoreError {
    if speaks_no_resp3(error) {
        return invalid(NO_RESP3);
    }
    let text = match said_at_login(error) {
        Some(said) => format!("cannot connect: {} ({said})", describe(error)),
        None => format!("cannot connect: {}", describe(error)),
    };
    if error.is_timeout() {
        return StoreError::unanswered(text);
    }
    StoreError::new(StoreErrorKind::Unavailable, text)
}

/// The beginnings of what a server says of a login without an own code.
const LOGIN: [&str; 4] = [
    "AUTH ",
    "Client sent AUTH",
    "DB index",
    "max number of clients",
];

/// Returns the server's own words on a login that it refused; none where they may repeat what was sent, as those on
/// an unknown command do with its arguments.
fn said_at_login(error: &RedisError) -> Option<&str> {
    let said = error.detail()?;
    let is_of_login = match error.code()? {
        "WRONGPASS" | "NOAUTH" | "DENIED" => true,
        "ERR" => LOGIN.iter().any(|beginning| said.starts_with(beginning)),
        _ => false,
    };
    is_of_login.then_some(said)
}

/// Returns `true` if the server refused the first command of a connection, `HELLO 3`.
fn speaks_no_resp3(error: &RedisError) -> bool {
    let unknown = || {
        error
            .detail()
            .is_some_and(|said| said.contains("unknown command"))
    };
    error.code() == Some("NOPROTO") || error.code() == Some("ERR") && unknown()
}

fn describe(error: &RedisError) -> String {
    match error.code() {
        Some("NOPERM") => ["NOPERM: ", GRANT].concat(),
        Some("NOINDEX") => {
            "the key user:<id>:sessions holds something else: choose another with user_prefix"
                .to_owned()
        }
        Some("OOM") => FULL.to_owned(),
        Some(code) => format!("Redis answers {code}"),
        // These are the machine's own words, which repeat nothing of what was sent.
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}
