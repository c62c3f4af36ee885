//! Hosts, sites and origins, as browsers compare them (RFC 6265bis §5.2).

use std::net::IpAddr;

use url::{Host, Url};

/// `true` if this build has the list of public suffixes.
pub(super) const HAS_SUFFIXES: bool = cfg!(feature = "suffixes");

/// Returns the scheme of a URL, with those of WebSockets as the ones of their handshakes.
pub(super) fn scheme(url: &Url) -> &str {
    match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        scheme => scheme,
    }
}

/// Returns `true` if a request goes over TLS.
pub(super) fn is_encrypted(url: &Url) -> bool {
    scheme(url) == "https"
}

/// Returns `true` if browsers treat a URL as secure: TLS, or this machine.
pub(super) fn is_trustworthy(url: &Url) -> bool {
    is_encrypted(url) || is_loopback(url)
}

/// Returns `true` if a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Returns the host of a URL, as cookies name it.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Returns `true` if a host is an address.
pub(super) fn is_address(host: &str) -> bool {
    !matches!(Host::parse(host), Ok(Host::Domain(_)))
}

/// Returns `true` if a cookie's domain covers a host (§5.1.3).
pub(super) fn domain_match(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    host == domain || (rest.is_some_and(|rest| rest.ends_with('.')) && !is_address(host))
}

/// Returns `true` if a cookie's path covers that of a request (§5.1.4).
pub(super) fn path_match(request: &str, cookie: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Returns the path of a cookie without `Path`: the directory of the request (§5.1.4).
pub(super) fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

/// Returns `true` if strangers have their sites under a domain.
#[cfg(feature = "suffixes")]
pub(super) fn is_public_suffix(domain: &str) -> bool {
    psl::suffix_str(domain) == Some(domain)
}

/// Returns `true` for a domain of one label: this build does not have the list.
#[cfg(not(feature = "suffixes"))]
pub(super) fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.')
}

/// Returns the domain that somebody registered; the host itself where there is none.
#[cfg(feature = "suffixes")]
fn registrable(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

/// Returns the last two labels: this build does not have the list.
#[cfg(not(feature = "suffixes"))]
fn registrable(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.');
    dots.nth(1).map_or(host, |(at, _)| &host[at + 1..])
}

fn site_host(url: &Url) -> &str {
    let host = host(url);
    if is_address(host) {
        host
    } else {
        registrable(host)
    }
}

/// Returns the site of a URL, as people write it.
pub(super) fn site(url: &Url) -> String {
    format!("{}://{}", scheme(url), site_host(url))
}

/// Returns `true` if two URLs are of one site; with `schemeful` http and https differ.
pub(super) fn is_same_site(one: &Url, other: &Url, schemeful: bool) -> bool {
    site_host(one) == site_host(other) && (!schemeful || scheme(one) == scheme(other))
}

/// Returns `true` if two URLs are of one origin.
pub(super) fn is_same_origin(one: &Url, other: &Url) -> bool {
    scheme(one) == scheme(other)
        && host(one) == host(other)
        && one.port_or_known_default() == other.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn sites_are_compared_as_browsers_do() {
        #[rustfmt::skip]
        let table = [ // schemeful, schemeless
            ("https://a.shop.example/", "https://b.shop.example:8443/", true,  true),
            ("https://a.shop.example/", "http://b.shop.example/",       false, true),
            ("https://shop.example/",   "https://other.example/",       false, false),
            ("wss://shop.example/",     "https://shop.example/",        true,  true),
            ("http://127.0.0.1:1/",     "http://127.0.0.1:2/",          true,  true),
            ("http://127.0.0.1/",       "http://localhost/",            false, false),
            ("http://10.0.0.1/",        "http://9.0.0.1/",              false, false),
            ("http://localhost:3000/",  "http://localhost:4000/",       true,  true),
        ];
        for (one, other, schemeful, schemeless) in table {
            assert_eq!(
                is_same_site(&url(one), &url(other), true),
                schemeful,
                "{one} {other}"
            );
            assert_eq!(
                is_same_site(&url(one), &url(other), false),
                schemeless,
                "{one} {other}"
            );
        }
    }

    #[cfg(feature = "suffixes")]
    #[test]
    fn public_suffixes_divide_sites() {
        for (domain, is) in [
            ("com", true),
            ("co.uk", true),
            ("github.io", true),
            ("shop.co.uk", false),
            ("ada.github.io", false),
            ("localhost", true),
        ] {
            assert_eq!(is_public_suffix(domain), is, "{domain}");
        }
        let (ada, grace) = (
            url("https://ada.github.io/"),
            url("https://grace.github.io/"),
        );
        assert!(!is_same_site(&ada, &grace, true));
        assert_eq!(site(&url("https://www.shop.co.uk/x")), "https://shop.co.uk");
    }

    #[test]
    fn this_machine_is_trustworthy() {
        for (text, trusted) in [
            ("http://localhost:3000/", true),
            ("http://a.localhost/", true),
            ("http://127.1.2.3/", true),
            ("http://[::1]/", true),
            ("http://10.0.0.1/", false),
            ("https://shop.example/", true),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_trustworthy(&url(text)), trusted, "{text}");
        }
    }

    #[test]
    fn paths_and_domains_match_as_in_the_tests_browser() {
        let paths = ["/", "/shop", "/shop/", "/shop/a", "/shopping", "/Shop"];
        for request in paths {
            for cookie in paths {
                let expected = testbed::browser::path_match(request, cookie);
                assert_eq!(path_match(request, cookie), expected, "{request} {cookie}");
            }
            assert_eq!(
                default_path(request),
                testbed::browser::default_path(request)
            );
        }
        for (host, domain) in [
            ("a.shop.example", "shop.example"),
            ("myshop.example", "shop.example"),
            ("1.127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "0.0.1"),
        ] {
            let expected = testbed::browser::domain_match(host, domain);
            assert_eq!(domain_match(host, domain), expected, "{host} {domain}");
        }
    }
}
