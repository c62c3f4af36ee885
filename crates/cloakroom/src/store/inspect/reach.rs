//! The step at which a store could not be reached.

use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::store::any::place_of;
use crate::store::{ConnectError, StoreErrorKind};

/// Time for a connection that only shows if there is a server.
const TCP_TIMEOUT: Duration = Duration::from_secs(2);

/// The reason why nothing could be learned about a store: the step that failed, and the store's own error.
///
/// Its text never contains the URL, which may hold a password.
#[derive(Debug)]
pub struct ReachError {
    step: &'static str,
    error: ConnectError,
}

impl ReachError {
    pub(super) fn refused(error: ConnectError) -> Self {
        Self {
            step: "the URL",
            error,
        }
    }

    /// Returns the step that failed: `the URL`, `the name (DNS)`, `the connection (TCP)`, `TLS or the login`,
    /// `the store`.
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// Returns `true` if nothing answered in time: what listens there is busy, stopped, or another program.
    pub fn is_silence(&self) -> bool {
        matches!(&self.error, ConnectError::Store(_, error) if error.is_unanswered())
    }

    /// Returns `true` if the URL itself is at fault, or this build.
    pub fn is_usage(&self) -> bool {
        match &self.error {
            ConnectError::Store(_, error) => error.kind() == StoreErrorKind::Invalid,
            _ => true,
        }
    }
}

impl fmt::Display for ReachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.error)
    }
}

impl std::error::Error for ReachError {}

/// Returns the error with its step: found out by trying the first ones again, one by one.
pub(super) async fn explain(url: &str, error: ConnectError) -> ReachError {
    if !matches!(&error, ConnectError::Store(_, error) if error.kind() != StoreErrorKind::Invalid) {
        return ReachError::refused(error);
    }
    let hosts = hosts(url);
    let tried = tokio::task::spawn_blocking(move || failed_step(&hosts)).await;
    ReachError {
        step: tried.unwrap_or("the store"),
        error,
    }
}

fn failed_step(hosts: &[String]) -> &'static str {
    let Some(host) = hosts.first() else {
        return "the store";
    };
    let Ok(addresses) = host.to_socket_addrs() else {
        return "the name (DNS)";
    };
    let is_there = |address: SocketAddr| TcpStream::connect_timeout(&address, TCP_TIMEOUT).is_ok();
    if addresses.into_iter().any(is_there) {
        "TLS or the login"
    } else {
        "the connection (TCP)"
    }
}

/// Returns the servers that a URL names, each with its port.
fn hosts(url: &str) -> Vec<String> {
    let port = match url.split(['+', ':', 's']).next() {
        Some("mongodb") => 27_017,
        Some("po") => 5432,
        _ if url.starts_with("postgres") => 5432,
        _ => 6379,
    };
    let with_port = |host: &str| {
        let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
            !port.contains(']') && !before.contains(':') || before.ends_with(']')
        });
        if has_port {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        }
    };
    let place = place_of(url).unwrap_or_default();
    let hosts = place.split(',').filter(|host| !host.is_empty());
    hosts.map(with_port).collect()
}

/// Returns `true` if sessions go to another machine as plain text; `None` where the URL does not tell.
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
pub(super) fn is_plain(url: &str) -> Option<bool> {
    let encrypts = url.starts_with("rediss")
        || url.starts_with("mongodb+srv")
        || ["sslmode=require", "sslmode=verify", "tls=true", "ssl=true"]
            .iter()
            .any(|word| url.contains(word));
    let place = place_of(url)?;
    let is_local = |host: &str| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        crate::store::plaintext::is_local(if name.starts_with('[') || !host.contains("::") {
            name
        } else {
            host
        })
    };
    Some(!encrypts && !place.split(',').all(is_local))
}

/// Returns nothing: a build without servers sends nothing over a network.
#[cfg(not(any(feature = "redis", feature = "postgres", feature = "mongodb")))]
pub(super) fn is_plain(_: &str) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::{hosts, is_plain};

    #[test]
    fn hosts_get_the_port_of_their_store() {
        for (url, expected) in [
            ("redis://:pw@h/1", vec!["h:6379"]),
            ("redis+cluster://a:1,b", vec!["a:1", "b:6379"]),
            ("postgres://u@[::1]/d", vec!["[::1]:5432"]),
            ("postgres://u@[::1]:7/d", vec!["[::1]:7"]),
            ("mongodb://h/d", vec!["h:27017"]),
            ("sqlite:/x", vec![]),
        ] {
            assert_eq!(hosts(url), expected, "{url}");
        }
    }

    #[test]
    fn plain_text_over_a_network_is_told_from_a_local_server() {
        for (url, expected) in [
            ("redis://127.0.0.1:6379", Some(false)),
            ("redis://[::1]:6379", Some(false)),
            ("redis://cache.example", Some(true)),
            ("rediss://cache.example", Some(false)),
            ("postgres://u@db.example/d", Some(true)),
            ("postgres://u@db.example/d?sslmode=verify-full", Some(false)),
            ("mongodb://a.example/d?tls=true", Some(false)),
            ("mongodb://a.example,127.0.0.1/d", Some(true)),
            ("sqlite:/x", None),
        ] {
            assert_eq!(is_plain(url), expected, "{url}");
        }
    }
}
