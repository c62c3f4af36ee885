//! Parses URLs: the driver's parameters, and those of other programs that the same URL is given to.
//!
//! node-postgres, Prisma and libpq each have parameters that the driver refuses. Those that mean something
//! here are heeded; those that concern the other program alone are ignored, by name.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use percent::decode;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::error::QueryError;
use crate::store::StoreErrorKind;

/// The encryption that a URL asks for; of two, the stronger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsMode {
    Off,
    Preferred,
    Required,
}

/// A parsed URL.
#[derive(Debug)]
pub(crate) struct ParsedUrl {
    pub(crate) config: Config,
    /// `None` if the URL sets none.
    pub(crate) tls: Option<TlsMode>,
    /// The file with the certificates that are trusted instead of the system's.
    pub(crate) roots: Option<PathBuf>,
    pub(crate) pool_size: Option<usize>,
    /// `true` if it sets a lock time-out.
    pub(crate) has_lock_timeout: bool,
    /// The parameters that are ignored.
    pub(crate) aside: Vec<&'static str>,
}

/// The parameters that the driver itself takes.
const DRIVERS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];
const LOCK_TIMEOUT: &str = "lock_timeout";
/// The server's settings that node-postgres takes from a URL.
const SETTINGS: [&str; 3] = [
    "statement_timeout",
    LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout",
];
/// Parameters that concern another program alone, or always hold here: node-postgres's pool, Prisma's,
/// poolers of hosting firms, libpq's files.
const ASIDE: [&str; 35] = [
    "schema",
    "pgbouncer",
    "min",
    "idleTimeoutMillis",
    "maxUses",
    "maxLifetimeSeconds",
    "allowExitOnIdle",
    "keepAlive",
    "keepAliveInitialDelayMillis",
    "query_timeout",
    "binary",
    "enableChannelBinding",
    "pool_timeout",
    "socket_timeout",
    "statement_cache_size",
    "single_use_connections",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslaccept",
    "sslidentity",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcompression",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "requirepeer",
    "passfile",
    "service",
    "supa",
    "workaround",
];

/// Parses a URL, or libpq's `host=… user=…`.
///
/// # Errors
///
/// `Invalid`, with a text that names the parameter and contains no value.
pub(crate) fn read(url: &str) -> Result<ParsedUrl, QueryError> {
    let is_url = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    if !is_url {
        return read_pairs(url);
    }
    // The text before an @ may hold a question mark: it is a password.
    let begin = url.find('@').unwrap_or(0);
    let (front, query) = match url[begin..].find('?') {
        Some(at) => (&url[..begin + at], &url[begin + at + 1..]),
        None => (url, ""),
    };
    let mut parameters = Parameters::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !parameters.take(name, value)? {
            // An unescaped password may have been taken for a parameter.
            let is_name = is_name(name) && !query.contains('@');
            return Err(if is_name { unknown(name) } else { no_url() });
        }
    }
    let url = format!("{front}?{}", parameters.drivers.join("&"));
    let config = Config::from_str(&url).map_err(|_| no_url())?;
    Ok(parameters.said(config))
}

fn read_pairs(pairs: &str) -> Result<ParsedUrl, QueryError> {
    let config = Config::from_str(pairs).map_err(|_| no_url())?;
    let mode = match config.get_ssl_mode() {
        SslMode::Require => TlsMode::Required,
        SslMode::Disable => TlsMode::Off,
        _ => TlsMode::Preferred,
    };
    Ok(ParsedUrl {
        config,
        tls: pairs.contains("sslmode").then_some(mode),
        roots: None,
        pool_size: None,
        has_lock_timeout: pairs.contains(LOCK_TIMEOUT),
        aside: Vec::new(),
    })
}

/// The parameters of a URL, sorted.
#[derive(Default)]
struct Parameters {
    drivers: Vec<String>,
    tls: Option<TlsMode>,
    roots: Option<PathBuf>,
    pool_size: Option<usize>,
    connect_timeout: Option<Duration>,
    application: Option<String>,
    settings: Vec<String>,
    aside: Vec<&'static str>,
}

impl Parameters {
    /// Takes a parameter; `false` for an unknown one.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, QueryError> {
        let wrong = |cure| Err(wrong_value(name, cure));
        match name {
            "sslmode" | "ssl" => match tls(value) {
                Some(tls) => self.tls = self.tls.max(Some(tls)),
                None if value == "no-verify" => {
                    return wrong(
                        "certificates are always checked here: write sslmode=require, and sslrootcert=FILE \
                         with the issuer's certificate where the system does not know it",
                    );
                }
                None => return wrong("write disable, prefer, require, verify-ca or verify-full"),
            },
            // Its modes check less than ours.
            "uselibpqcompat" => {}
            "sslrootcert" if value == "system" => {}
            "sslrootcert" => self.roots = Some(decode(value).into()),
            "max" | "connection_limit" => match value.parse::<usize>() {
                Ok(size) if size > 0 => self.pool_size = Some(size),
                _ => return wrong("write how many connections, at least 1"),
            },
            "connectionTimeoutMillis" => match value.parse::<u64>() {
                Ok(0) => {}
                Ok(millis) => self.connect_timeout = Some(Duration::from_millis(millis)),
                Err(_) => return wrong("write a number of milliseconds"),
            },
            "fallback_application_name" => self.application = Some(decode(value)),
            "client_encoding" | "encoding" if is_utf8(value) => {}
            "client_encoding" | "encoding" => return wrong("sessions are UTF-8: take it out"),
            "keepalives_count" => self.drivers.push(format!("keepalives_retries={value}")),
            "database" | "db" => self.drivers.push(format!("dbname={value}")),
            "target_session_attrs" if value == "primary" => {
                self.drivers
                    .push("target_session_attrs=read-write".to_owned());
            }
            "target_session_attrs" if value.contains("standby") => {
                return wrong("sessions are written: write read-write");
            }
            _ if SETTINGS.contains(&name) => {
                if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return wrong("write a number of milliseconds");
                }
                self.settings.push(format!("-c {name}={value}"));
            }
            _ if DRIVERS.contains(&name) => self.drivers.push(format!("{name}={value}")),
            _ => match ASIDE.iter().find(|known| **known == name) {
                Some(known) => self.aside.push(*known),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn said(self, mut config: Config) -> ParsedUrl {
        if let Some(timeout) = self.connect_timeout {
            config.connect_timeout(timeout);
        }
        if let Some(name) = self
            .application
            .filter(|_| config.get_application_name().is_none())
        {
            config.application_name(name);
        }
        if !self.settings.is_empty() {
            let options = config.get_options().map(str::to_owned);
            let all: Vec<String> = options.into_iter().chain(self.settings).collect();
            config.options(all.join(" "));
        }
        let options = config.get_options();
        let has_lock_timeout = options.is_some_and(|options| options.contains(LOCK_TIMEOUT));
        ParsedUrl {
            config,
            tls: self.tls,
            roots: self.roots,
            pool_size: self.pool_size,
            has_lock_timeout,
            aside: self.aside,
        }
    }
}

/// Parses `sslmode` of libpq, and `ssl` of node-postgres.
fn tls(value: &str) -> Option<TlsMode> {
    match value {
        "disable" | "false" | "0" => Some(TlsMode::Off),
        "allow" | "prefer" => Some(TlsMode::Preferred),
        "require" | "verify-ca" | "verify-full" | "true" | "1" => Some(TlsMode::Required),
        _ => None,
    }
}

fn is_utf8(value: &str) -> bool {
    ["utf8", "utf-8", "unicode", "auto"].contains(&value.to_ascii_lowercase().as_str())
}

/// Returns `true` if a text can be a parameter's name, and no value, or part of one, in the wrong place.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(is_letter)
}

fn unknown(name: &str) -> QueryError {
    let text = format!(
        "the URL has a parameter {name} that means nothing here: take it out, or set what it is for in \
         PostgresOptions"
    );
    QueryError::new(StoreErrorKind::Invalid, text)
}

fn wrong_value(name: &str, cure: &str) -> QueryError {
    let text = format!("the URL's parameter {name} does not do: {cure}");
    QueryError::new(StoreErrorKind::Invalid, text)
}

/// Returns the error for an invalid URL. The parser's own message may quote a part of it.
fn no_url() -> QueryError {
    QueryError::new(
        StoreErrorKind::Invalid,
        "this is no URL that PostgreSQL's driver takes: \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE?option=value, special characters as %XX",
    )
}

mod percent {
    /// Decodes percent escapes; one that is malformed stands for itself.
    pub(crate) fn decode(text: &str) -> String {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
            let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
            let byte = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &after[2..] } else { after };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests;
