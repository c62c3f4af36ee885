//! Origins that may send requests besides the site's own, checked when they are configured.

use std::net::Ipv6Addr;

/// An origin as browsers spell it in `Origin` (RFC 6454 §6.2): `https://pay.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Box<str>);

/// The reason for which a text is no origin that a browser could send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// `null`, which every sandboxed frame and every file sends.
    #[error("any sandboxed page has the origin `null`: no list can allow it")]
    Null,
    /// `*`: origins are named one by one.
    #[error("an origin has no `*`: name each one")]
    Wildcard,
    /// Any other invalid origin.
    #[error(
        "an origin is `scheme://host` or `scheme://host:port` in lower case, without a path and without the scheme's own port"
    )]
    Form,
}

impl Origin {
    /// Parses `text`, if a browser could send it.
    ///
    /// # Errors
    ///
    /// [`OriginError`], whose text says what to write.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text.eq_ignore_ascii_case("null") {
            return Err(OriginError::Null);
        }
        if text.contains('*') {
            return Err(OriginError::Wildcard);
        }
        is_origin(text)
            .then(|| Self(text.into()))
            .ok_or(OriginError::Form)
    }

    /// Returns the origin as it is written in the field.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = split_port(authority);
    is_scheme(scheme) && is_host(host) && port.is_none_or(|port| is_port(scheme, port))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Checks a scheme by RFC 3986 §3.1, in lower case.
fn is_scheme(scheme: &str) -> bool {
    let is_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(is_byte)
}

/// Checks a host: a name of ASCII labels, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']');
        let parsed = address.and_then(|address| address.parse::<Ipv6Addr>().ok());
        return parsed.is_some_and(|parsed| address == Some(&*parsed.to_string()));
    }
    let is_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_byte);
    host.split('.').all(is_label)
}

fn is_port(scheme: &str, port: &str) -> bool {
    let is_default = matches!(
        (scheme, port),
        ("http" | "ws", "80") | ("https" | "wss", "443")
    );
    let number = port.parse::<u16>().ok();
    !is_default && number.is_some_and(|number| number > 0 && number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::{Origin, OriginError};

    #[test]
    fn x5_only_origins_that_browsers_send_are_accepted() {
        use OriginError::{Form, Null, Wildcard};
        #[rustfmt::skip]
        let table = [
            ("https://pay.example",            None),
            ("http://localhost:3000",          None),
            ("https://127.0.0.1:8443",         None),
            ("https://[2001:db8::1]",          None),
            ("http://[::1]:3000",              None),
            ("https://xn--bcher-kva.example",  None),
            ("capacitor://localhost",          None),
            ("chrome-extension://abcdefghij",  None),
            ("null",                           Some(Null)),
            ("NULL",                           Some(Null)),
            ("*",                              Some(Wildcard)),
            ("https://*.example",              Some(Wildcard)),
            ("",                               Some(Form)),
            ("https://",                       Some(Form)),
            ("pay.example",                    Some(Form)),
            ("//pay.example",                  Some(Form)),
            ("https://pay.example/",           Some(Form)),
            ("https://pay.example/path",       Some(Form)),
            ("https://pay.example?x",          Some(Form)),
            ("https://pay.example#x",          Some(Form)),
            ("https://user@pay.example",       Some(Form)),
            ("https://Pay.example",            Some(Form)),
            ("HTTPS://pay.example",            Some(Form)),
            ("https://b\u{fc}cher.example",     Some(Form)),
            ("https://pay.example:443",        Some(Form)),
            ("http://pay.example:80",          Some(Form)),
            ("https://pay.example:0443",       Some(Form)),
            ("https://pay.example:",           Some(Form)),
            ("https://pay.example:0",          Some(Form)),
            ("https://pay.example:65536",      Some(Form)),
            ("https://pay..example",           Some(Form)),
            ("https://pay.example.",           Some(Form)),
            ("https://[::1",                   Some(Form)),
            ("https://[0:0::1]",               Some(Form)),
            (" https://pay.example",           Some(Form)),
            ("https://pay.example, https://b", Some(Form)),
            ("https:pay.example",              Some(Form)),
        ];
        for (text, error) in table {
            assert_eq!(Origin::parse(text).err(), error, "{text}");
        }
    }
}
