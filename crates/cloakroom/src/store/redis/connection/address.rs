//! Parses the servers that a URL names.

use std::borrow::Cow;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use crate::store::redis::invalid;
use crate::store::{StoreError, plaintext};

const FORMS: &str = "write redis://USER:PASSWORD@HOST:PORT/DB, rediss://…, redis+unix:PATH, \
                     redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB";

/// The address to connect to.
#[derive(Clone)]
pub(crate) enum Address {
    Server(ConnectionInfo),
    Cluster(Vec<ConnectionInfo>),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        name: String,
        server: ConnectionInfo,
    },
}

impl Address {
    /// Parses a URL, and warns of parameters that are ignored.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let address = Self::parse_hosts(url)?;
        let unheeded = unheeded(url)?;
        if !unheeded.is_empty() {
            tracing::warn!(
                "parameters of the Redis URL that mean nothing here are ignored: {}",
                unheeded.join(", ")
            );
        }
        Ok(address)
    }

    fn parse_hosts(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| invalid(FORMS))?;
        let hosts = || rest.strip_prefix("//").ok_or_else(|| invalid(FORMS));
        match scheme {
            "redis" | "rediss" | "redis+unix" => info(url).map(Self::Server),
            "redis+cluster" => Ok(Self::Cluster(each_host("redis", hosts()?)?)),
            "rediss+cluster" => Ok(Self::Cluster(each_host("rediss", hosts()?)?)),
            "redis+sentinel" => Self::sentinel(hosts()?),
            _ => Err(invalid(FORMS)),
        }
    }

    /// Parses `USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/DB`: the credentials are the servers', not the
    /// sentinels'.
    fn sentinel(rest: &str) -> Result<Self, StoreError> {
        let (credentials, rest) = credentials(rest);
        let (hosts, rest) = rest.split_once('/').ok_or_else(|| invalid(FORMS))?;
        let (name, database) = rest.split_once('/').unwrap_or((rest, "0"));
        if name.is_empty() {
            return Err(invalid(FORMS));
        }
        Ok(Self::Sentinel {
            sentinels: each_host("redis", hosts)?,
            name: name.to_owned(),
            // The sentinels supply its host.
            server: info(&format!("redis://{credentials}sentinel/{database}"))?,
        })
    }

    pub(crate) fn uses_tls(&self) -> bool {
        let infos = match self {
            Self::Server(info) => std::slice::from_ref(info),
            Self::Cluster(nodes) => nodes,
            Self::Sentinel { .. } => &[],
        };
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        infos.iter().any(is_tls)
    }

    /// Warns if sessions go to another machine as plain text.
    pub(crate) fn warn_of_plaintext(&self) {
        let infos: Vec<&ConnectionInfo> = match self {
            Self::Server(info) => vec![info],
            Self::Cluster(nodes) => nodes.iter().collect(),
            Self::Sentinel { sentinels, .. } => sentinels.iter().collect(),
        };
        let hosts = infos.iter().filter_map(|info| match info.addr() {
            ConnectionAddr::Tcp(host, _) => Some(host.as_str()),
            _ => None,
        });
        plaintext::warn("redis", hosts, "write rediss:// into the URL of Redis");
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// Splits off `wait_replicas=…`, and returns its value.
///
/// # Errors
///
/// `Invalid` if the value is no number, and if it occurs twice.
pub(crate) fn split_wait(url: &str) -> Result<(Cow<'_, str>, Option<u32>), StoreError> {
    // A password may contain any character.
    let host = url.rfind('@').unwrap_or(0);
    let Some(at) = url[host..].find('?') else {
        return Ok((url.into(), None));
    };
    let (front, query) = url.split_at(host + at);
    let named = |parameter: &&str| parameter.split('=').next() == Some("wait_replicas");
    let (waits, rest): (Vec<&str>, Vec<&str>) = query[1..].split('&').partition(named);
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = match waits[..] {
        [] => return Ok((url.into(), None)),
        [one] => one.split_once('=').map(|(_, number)| number).filter(digits),
        _ => None,
    };
    let number = number.and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| invalid("wait_replicas takes a number of replicas, once"))?;
    let rest = if rest.is_empty() {
        front.to_owned()
    } else {
        format!("{front}?{}", rest.join("&"))
    };
    Ok((rest.into(), Some(number)))
}

/// Returns the names of a URL's parameters that are ignored.
///
/// # Errors
///
/// `Invalid` for those that would move sessions elsewhere, or send them unencrypted.
fn unheeded(url: &str) -> Result<Vec<&str>, StoreError> {
    let heeded: &[&str] = match url.split(':').next() {
        Some("redis+unix") => &["protocol", "db", "user", "pass"],
        _ => &["protocol"],
    };
    let begin = url.rfind('@').unwrap_or(0);
    let Some((_, query)) = url[begin..].split_once('?') else {
        return Ok(Vec::new());
    };
    let query = query.split('#').next().unwrap_or_default();
    let names = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    let names: Vec<&str> = names.filter(|name| !heeded.contains(name)).collect();
    for name in &names {
        match *name {
            "tls" | "ssl" => {
                return Err(invalid("for TLS write rediss://, no parameter tls or ssl"));
            }
            "db" | "database" => {
                return Err(invalid(
                    "write the database as the URL's path: redis://HOST:PORT/DB",
                ));
            }
            _ => {}
        }
    }
    let is_name = |name: &&str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    Ok(names
        .into_iter()
        .filter(is_name)
        .filter(|name| !name.is_empty())
        .collect())
}

/// Splits a text after its `@`.
fn credentials(rest: &str) -> (&str, &str) {
    let end = rest.rfind('@').map_or(0, |at| at + 1);
    rest.split_at(end)
}

fn each_host(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, StoreError> {
    let (credentials, hosts) = credentials(rest);
    hosts
        .trim_end_matches('/')
        .split(',')
        .map(|host| info(&format!("{scheme}://{credentials}{host}")))
        .collect()
}

fn info(url: &str) -> Result<ConnectionInfo, StoreError> {
    // The error of the parser may quote a part of the URL, which holds a password.
    url.into_connection_info().map_err(|_| invalid(FORMS))
}

#[cfg(test)]
mod tests {
    use super::{Address, split_wait, unheeded};

    #[test]
    fn urls_name_servers() {
        let table = [
            ("redis://localhost", "server"),
            ("redis://:secret@127.0.0.1:6380/3", "server"),
            ("rediss://user:secret@host", "server"),
            ("redis+unix:///run/redis.sock?db=2", "server"),
            ("redis+cluster://a:1,b:2,c:3", "cluster of 3"),
            ("rediss+cluster://u:p@a:1,b:2/", "cluster of 2"),
            (
                "redis+sentinel://a:1,b:2/mymaster",
                "mymaster by 2, database 0",
            ),
            (
                "redis+sentinel://:p@a:1/mymaster/5",
                "mymaster by 1, database 5",
            ),
        ];
        for (url, expected) in table {
            let found = match Address::parse(url).unwrap() {
                Address::Server(_) => "server".to_owned(),
                Address::Cluster(nodes) => format!("cluster of {}", nodes.len()),
                Address::Sentinel {
                    sentinels,
                    name,
                    server,
                } => {
                    let database = server.redis_settings().db();
                    format!("{name} by {}, database {database}", sentinels.len())
                }
            };
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn x12_a_parameter_is_heeded_named_or_refused() {
        #[rustfmt::skip]
        let table: [(&str, Option<&[&str]>); 9] = [
            ("redis://h",                                  Some(&[])),
            ("redis://h/1?protocol=resp3",                 Some(&[])),
            ("redis+unix:///run/r.sock?db=2&user=a&pass=b", Some(&[])),
            ("redis://:p?x=1@h/0",                         Some(&[])),
            ("redis://h?family=6&keyPrefix=a",             Some(&["family", "keyPrefix"])),
            ("rediss://h?ssl_cert_reqs=none#insecure",     Some(&["ssl_cert_reqs"])),
            ("redis://h?db=3",                             None),
            ("redis://h?tls=true",                         None),
            ("redis://h?protocol=resp3&ssl=true",          None),
        ];
        for (url, expected) in table {
            assert_eq!(unheeded(url).ok().as_deref(), expected, "{url}");
        }
    }

    /// The URL without the parameter, and its value.
    type Split<'a> = (&'a str, Option<u32>);

    #[test]
    fn r3_url_sets_the_number_of_replicas() {
        #[rustfmt::skip]
        let table: [(&str, Option<Split<'_>>); 10] = [
            ("redis://h",                                   Some(("redis://h", None))),
            ("redis://h?wait_replicas=1",                   Some(("redis://h", Some(1)))),
            ("redis://h/2?protocol=resp3&wait_replicas=2",  Some(("redis://h/2?protocol=resp3", Some(2)))),
            ("redis+sentinel://a:1,b:2/n/5?wait_replicas=1&x=y", Some(("redis+sentinel://a:1,b:2/n/5?x=y", Some(1)))),
            ("redis://:p?wait_replicas=9@h/0",              Some(("redis://:p?wait_replicas=9@h/0", None))),
            ("redis://h?wait_replicas",                     None),
            ("redis://h?wait_replicas=",                    None),
            ("redis://h?wait_replicas=one",                 None),
            ("redis://h?wait_replicas=-1",                  None),
            ("redis://h?wait_replicas=1&wait_replicas=2",   None),
        ];
        for (url, expected) in table {
            let found = split_wait(url).ok();
            let expected = expected.map(|(url, number)| (url.into(), number));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn invalid_url_is_refused_without_being_repeated() {
        for url in [
            "redis",
            "redis:",
            "redis://:hunter2@host:port",
            "redis+sentinel://:hunter2@a:1",
            "redis+sentinel://a:1/",
            "redis+cluster:hunter2",
            "http://hunter2",
            "redis://host/hunter2",
        ] {
            let error = Address::parse(url).err().expect(url);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.starts_with("write redis://"), "{url}: {source}");
            assert!(!source.contains("hunter2"), "{url}");
        }
    }
}
