//! The sender of a request: its address and scheme, as proxies report them that the gate believes.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use cloakroom::policy::TrustedProxy;
use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap};

use crate::gate::Client;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Returns the address of the connection's other end.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

impl Client {
    pub(crate) fn of(trusted: &TrustedProxy, peer: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let values = |name: HeaderName| -> Vec<String> {
            let fields = headers.get_all(name).iter();
            fields
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        let addresses = values(FOR);
        let protos = values(PROTO).join(",");
        let proto = Some(&*protos).filter(|protos| !protos.is_empty());
        Self {
            address: trusted.client(peer, addresses.iter().map(String::as_str)),
            is_secure: trusted.is_secure(false, peer, proto),
        }
    }

    /// Writes what the gate knows of it, for the upstream.
    pub(crate) fn tell(self, headers: &mut HeaderMap, host: &str) {
        let proto = if self.is_secure { "https" } else { "http" };
        headers.insert(PROTO, HeaderValue::from_static(proto));
        if let Some(Ok(address)) = self.address.map(|address| address.to_string().try_into()) {
            headers.insert(FOR, address);
        }
        if let Ok(host) = HeaderValue::from_str(host) {
            headers.insert(HOST, host);
        }
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::policy::TrustedProxy;
    use http::{HeaderMap, HeaderValue};

    use crate::gate::Client;

    #[test]
    fn only_a_trusted_peer_says_where_a_request_comes_from() {
        // Who is trusted, who asks, X-Forwarded-For, X-Forwarded-Proto; the address, and if it is https.
        type Row = (
            &'static str,
            &'static str,
            &'static [&'static str],
            &'static str,
            &'static str,
            bool,
        );
        const CLIENT: &str = "203.0.113.7";
        #[rustfmt::skip]
        let table: [Row; 9] = [
            ("127.0.0.1",   "127.0.0.1", &[CLIENT],                       "https",      CLIENT,      true),
            ("127.0.0.1",   "127.0.0.2", &[CLIENT],                       "https",      "127.0.0.2", false),
            ("10.0.0.0/8",  "127.0.0.1", &["10.0.0.1"],                   "https",      "127.0.0.1", false),
            ("::1",         "::1",       &[CLIENT],                       "https",      CLIENT,      true),
            ("::1",         "127.0.0.1", &[CLIENT],                       "https",      "127.0.0.1", false),
            // A client's own words come before its proxy's.
            ("127.0.0.1",   "127.0.0.1", &["10.0.0.1, 203.0.113.7"],      "http",       CLIENT,      false),
            ("127.0.0.1",   "127.0.0.1", &["127.0.0.1", CLIENT],          "http",       CLIENT,      false),
            ("127.0.0.0/8", "127.0.0.1", &[CLIENT, "127.0.0.2"],          "http",       CLIENT,      false),
            ("127.0.0.1",   "127.0.0.1", &[],                             "",           "127.0.0.1", false),
        ];
        for (trusted, peer, forwarded, proto, address, is_secure) in table {
            let networks = TrustedProxy::networks([trusted]).unwrap();
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            if !proto.is_empty() {
                headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
            }
            let client = Client::of(&networks, Some(peer.parse().unwrap()), &headers);
            let expected = (Some(address.parse().unwrap()), is_secure);
            assert_eq!(
                (client.address, client.is_secure),
                expected,
                "{trusted} {peer} {forwarded:?}"
            );
        }
    }
}
