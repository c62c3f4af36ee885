//! The method and the target of a request: what no rule could decide is refused before.

use http::header::HOST;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::path::{JudgedPath, PathFault};

/// Longest method in bytes; `VERSION-CONTROL` of RFC 3253 has 15.
const LONGEST_METHOD: usize = 32;

/// The reason for which a request is refused whatever the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetFault {
    #[error("this method is never forwarded")]
    Method,
    #[error("the path cannot be judged: {0}")]
    Path(#[from] PathFault),
    #[error("the request names no host, two, or one that is none")]
    Host,
    #[error("a field of the gate's is there in another spelling")]
    Field,
}

impl TargetFault {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path(_) | Self::Host | Self::Field => StatusCode::BAD_REQUEST,
        }
    }
}

/// Returns `true` for methods that may be forwarded: words of capital letters. `CONNECT` opens a tunnel
/// (RFC 9110 §9.3.6), `TRACE` returns the fields that the gate has set.
pub(crate) fn is_method(method: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    (1..=LONGEST_METHOD).contains(&method.len())
        && method.bytes().all(is_byte)
        && !matches!(method, "CONNECT" | "TRACE" | "TRACK" | "PRI")
}

/// Judges a request's method, target and host; returns the path.
pub(crate) fn judge(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<JudgedPath, TargetFault> {
    if !is_method(method.as_str()) {
        return Err(TargetFault::Method);
    }
    let host = host(headers).ok_or(TargetFault::Host)?;
    // RFC 9112 §3.2.2: a client sends the same host twice, in an absolute target.
    let is_same = uri
        .authority()
        .is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
    if !is_same {
        return Err(TargetFault::Host);
    }
    Ok(JudgedPath::judge(uri.path())?)
}

/// Returns the host that a request names, once and in a form that every server reads alike.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(HOST).iter();
    let host = fields.next()?.to_str().ok()?;
    (fields.next().is_none() && is_host(host)).then_some(host)
}

pub(crate) fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_number =
        |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
    port.is_none_or(is_number) && (is_name(name) || is_v6(name))
}

fn is_name(name: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_byte))
}

fn is_v6(name: &str) -> bool {
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::{TargetFault, is_method, judge};
    use crate::path::PathFault;

    #[test]
    fn g02_g04_what_no_rule_could_decide_is_refused() {
        use TargetFault::{Host, Method as NoMethod, Path};
        #[rustfmt::skip]
        let table: [(&str, &str, &[&str], Option<TargetFault>); 37] = [
            ("GET",     "/a",                     &["gate.example"],                 None),
            ("GET",     "/a?b=//c/../d;e%2f%zz",  &["gate.example"],                 None),
            ("GET",     "/a",                     &["gate.example:8080"],            None),
            ("GET",     "/a",                     &["GATE.example"],                 None),
            ("GET",     "/a",                     &["[::1]:80"],                     None),
            ("GET",     "/a",                     &["127.0.0.1"],                    None),
            ("PURGE",   "/a",                     &["gate.example"],                 None),
            ("GET",     "http://gate.example/a",  &["gate.example"],                 None),
            ("GET",     "http://GATE.example/a",  &["gate.example"],                 None),
            ("GET",     "http://other/a",         &["gate.example"],                 Some(Host)),
            ("GET",     "http://gate.example:1/a", &["gate.example"],                Some(Host)),
            ("GET",     "http://u@gate.example/a", &["gate.example"],                Some(Host)),
            ("GET",     "/a",                     &[],                               Some(Host)),
            ("GET",     "/a",                     &["gate.example", "gate.example"], Some(Host)),
            ("GET",     "/a",                     &["gate.example", "other"],        Some(Host)),
            ("GET",     "/a",                     &[""],                             Some(Host)),
            ("GET",     "/a",                     &["gate.example."],                Some(Host)),
            ("GET",     "/a",                     &["gate.example:"],                Some(Host)),
            ("GET",     "/a",                     &["gate.example:+80"],             Some(Host)),
            ("GET",     "/a",                     &["gate.example:99999"],           Some(Host)),
            ("GET",     "/a",                     &["gate.example:80:80"],           Some(Host)),
            ("GET",     "/a",                     &["gate.example, other"],          Some(Host)),
            ("GET",     "/a",                     &["u@gate.example"],               Some(Host)),
            ("GET",     "/a",                     &["gate.example/public"],          Some(Host)),
            ("GET",     "/a",                     &["gate.example\t"],               Some(Host)),
            ("GET",     "/a",                     &["b\u{fc}cher.example"],          Some(Host)),
            ("GET",     "/a",                     &["[::1"],                         Some(Host)),
            ("GET",     "/a",                     &["..example"],                    Some(Host)),
            ("OPTIONS", "*",                      &["gate.example"],                 Some(Path(PathFault::NoPath))),
            ("GET",     "//a",                    &["gate.example"],                 Some(Path(PathFault::EmptyPart))),
            ("CONNECT", "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("TRACE",   "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("TRACK",   "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("get",     "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("Post",    "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("G3T",     "/a",                     &["gate.example"],                 Some(NoMethod)),
            ("PRI",     "/a",                     &["gate.example"],                 Some(NoMethod)),
        ];
        for (method, target, hosts, fault) in table {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(
                    "host",
                    http::HeaderValue::from_bytes(host.as_bytes()).unwrap(),
                );
            }
            let (method, uri) = (
                method.parse::<Method>().unwrap(),
                target.parse::<Uri>().unwrap(),
            );
            assert_eq!(
                judge(&method, &uri, &headers).err(),
                fault,
                "{method} {target} {hosts:?}"
            );
        }
        assert!(!is_method("") && !is_method(&"A".repeat(33)));
    }
}
