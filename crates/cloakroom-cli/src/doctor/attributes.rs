//! The attributes of a cookie, and the contradictions for which browsers drop it (RFC 6265bis §5.7).

use std::net::IpAddr;

/// The attributes that decide if a cookie is stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) path: Option<String>,
    pub(super) expires: Option<String>,
}

/// Returns the name, the value and the attributes of a Set-Cookie field.
pub(super) fn parse(field: &str) -> Option<(&str, &str, Attributes)> {
    let mut parts = field.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let mut attributes = Attributes::default();
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match &*key.trim().to_lowercase() {
            "secure" => attributes.secure = true,
            "httponly" => attributes.http_only = true,
            "samesite" => attributes.same_site = Some(value.to_lowercase()),
            "domain" => attributes.domain = Some(value.trim_start_matches('.').to_lowercase()),
            "path" => attributes.path = Some(value.to_owned()),
            "expires" => attributes.expires = Some(value.to_owned()),
            _ => {}
        }
    }
    Some((name.trim(), value.trim(), attributes))
}

/// Returns why browsers drop a cookie of this name and these attributes; `host` is that of the URL, if there is
/// one.
pub(super) fn fault(name: &str, attributes: &Attributes, host: Option<&str>) -> Option<String> {
    let prefix = name.to_lowercase();
    let domain = attributes
        .domain
        .as_deref()
        .filter(|domain| !domain.is_empty());
    if prefix.starts_with("__host-") {
        if let Some(domain) = domain {
            return Some(format!("`{name}` with Domain={domain}"));
        }
        if !attributes.secure {
            return Some(format!("`{name}` without Secure"));
        }
        if attributes.path.as_deref() != Some("/") {
            return Some(format!("`{name}` without Path=/"));
        }
    }
    if prefix.starts_with("__secure-") && !attributes.secure {
        return Some(format!("`{name}` without Secure"));
    }
    if attributes.same_site.as_deref() == Some("none") && !attributes.secure {
        return Some("SameSite=None without Secure".to_owned());
    }
    let (domain, host) = (domain?, host.unwrap_or(domain?));
    let is_name = domain.contains('.') && domain.parse::<IpAddr>().is_err();
    if domain == host {
        return None;
    }
    let covers = is_name && host.ends_with(&format!(".{domain}"));
    (!covers).then(|| format!("Domain={domain} at the host {host}"))
}

#[cfg(test)]
mod tests {
    use super::{fault, parse};

    #[test]
    fn contradictions_are_found() {
        #[rustfmt::skip]
        let table = [
            ("sid=1; Path=/; HttpOnly; SameSite=Lax",               None),
            ("__Host-sid=1; Path=/; Secure",                        None),
            ("__Host-sid=1; Path=/; Secure; Domain=example.com",    Some("`__Host-sid` with Domain=example.com")),
            ("__host-sid=1; Path=/app; Secure",                     Some("`__host-sid` without Path=/")),
            ("__Host-sid=1; Path=/",                                Some("`__Host-sid` without Secure")),
            ("__Secure-sid=1",                                      Some("`__Secure-sid` without Secure")),
            ("sid=1; SameSite=None",                                Some("SameSite=None without Secure")),
            ("sid=1; SameSite=None; Secure",                        None),
            ("sid=1; Domain=.example.com",                          None),
            ("sid=1; Domain=www.example.com",                       None),
            ("sid=1; Domain=other.example",                         Some("Domain=other.example at the host www.example.com")),
            ("sid=1; Domain=com",                                   Some("Domain=com at the host www.example.com")),
            ("sid=1; Domain=10.0.0.1",                              Some("Domain=10.0.0.1 at the host www.example.com")),
        ];
        for (field, expected) in table {
            let (name, _, attributes) = parse(field).unwrap();
            let said = fault(name, &attributes, Some("www.example.com"));
            assert_eq!(said.as_deref(), expected, "{field}");
        }
    }
}
