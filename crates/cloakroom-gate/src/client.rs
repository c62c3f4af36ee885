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
