//! Whose word counts on whether a request came over TLS.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The peers whose `X-Forwarded-Proto` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Nobody's: the field is ignored.
    #[default]
    None,
    /// That of peers in these networks.
    Networks(Vec<IpNet>),
    /// Everybody's, as with Express's `proxy: true`.
    ///
    /// # Security
    ///
    /// A client that reaches this server directly can then claim TLS; with `secure: Always` that
    /// gets it a cookie over a plain connection, its own.
    Any,
}

impl TrustedProxy {
    /// Trusts the peers of some networks, such as `10.0.0.0/8` or `::1`.
    ///
    /// # Errors
    ///
    /// The text that is neither an address nor a network.
    pub fn networks<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let parse = |text: &'a str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>()
                .or_else(|_| address())
                .map_err(|_| text.to_owned())
        };
        networks
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self::Networks)
    }

    /// Whether `peer` is believed.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Networks(networks) => peer.is_some_and(|peer| {
                networks
                    .iter()
                    .any(|network| network.contains(&peer.to_canonical()))
            }),
        }
    }

    /// The client's address: the peer's, or where the peer is believed, the last one in
    /// `X-Forwarded-For` that a proxy of ours did not have itself.
    ///
    /// Whatever stands to the left of it, the client may have written; what is no address ends the
    /// search. With [`Any`](Self::Any) it is the first of all, as in Express.
    pub fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl IntoIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let fields: Vec<&str> = forwarded_for.into_iter().collect();
        let mut hops = fields.iter().rev().flat_map(|field| field.rsplit(','));
        let mut client = peer;
        while self.trusts(client) {
            match hops.next().and_then(address) {
                Some(hop) => client = Some(hop),
                None => break,
            }
        }
        client.map(|client| client.to_canonical())
    }

    /// Whether a request is secure: it came over TLS, or a trusted proxy says that the first hop
    /// did (the first entry of `X-Forwarded-Proto`).
    pub fn is_secure(
        &self,
        tls: bool,
        peer: Option<IpAddr>,
        forwarded_proto: Option<&str>,
    ) -> bool {
        tls || self.says_secure(peer, || forwarded_proto)
    }

    /// Whether a believed peer says so; the field is only looked at where it counts.
    pub(crate) fn says_secure<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_proto: impl FnOnce() -> Option<&'a str>,
    ) -> bool {
        let says_https = |field: &str| {
            let first = field.split(',').next().unwrap_or_default();
            first.trim().eq_ignore_ascii_case("https")
        };
        self.trusts(peer) && forwarded_proto().is_some_and(says_https)
    }
}

/// An address as proxies write it, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = || text.trim_matches(['[', ']']).parse().ok();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip()).ok();
    alone().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::TrustedProxy;

    #[test]
    fn a_client_cannot_say_that_it_is_another() {
        let ours = TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
        #[rustfmt::skip]
        let table: [(&TrustedProxy, &str, &[&str], &str); 12] = [
            (&TrustedProxy::None, "10.0.0.1",  &["6.6.6.6"],                      "10.0.0.1"),
            (&ours,               "9.9.9.9",   &["6.6.6.6"],                      "9.9.9.9"),
            (&ours,               "10.0.0.1",  &[],                               "10.0.0.1"),
            (&ours,               "10.0.0.1",  &["9.9.9.9"],                      "9.9.9.9"),
            (&ours,               "10.0.0.1",  &["6.6.6.6, 9.9.9.9"],             "9.9.9.9"),
            (&ours,               "10.0.0.1",  &["6.6.6.6", "9.9.9.9, 10.0.0.2"], "9.9.9.9"),
            (&ours,               "10.0.0.1",  &["9.9.9.9:1234"],                 "9.9.9.9"),
            (&ours,               "10.0.0.1",  &["[2001:db8::1]:1234"],           "2001:db8::1"),
            (&ours,               "10.0.0.1",  &["2001:db8::1"],                  "2001:db8::1"),
            (&ours,               "10.0.0.1",  &["6.6.6.6, unknown, 10.0.0.2"],   "10.0.0.2"),
            (&ours,               "::ffff:10.0.0.1", &["::ffff:9.9.9.9"],         "9.9.9.9"),
            (&TrustedProxy::Any,  "10.0.0.1",  &["6.6.6.6, 9.9.9.9"],             "6.6.6.6"),
        ];
        for (proxy, peer, fields, client) in table {
            let found = proxy.client(Some(peer.parse().unwrap()), fields.iter().copied());
            assert_eq!(found, Some(client.parse().unwrap()), "{peer} {fields:?}");
        }
        assert_eq!(ours.client(None, ["6.6.6.6"]), None);
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let trusted = TrustedProxy::networks(["10.0.0.0/8", "::1"]).unwrap();
        #[rustfmt::skip]
        let table = [
            (Some("10.1.2.3"),        true),
            (Some("::ffff:10.1.2.3"), true),
            (Some("::1"),             true),
            (Some("192.168.0.1"),     false),
            (None,                    false),
        ];
        for (peer, believed) in table {
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(
                trusted.is_secure(false, peer, Some("https")),
                believed,
                "{peer:?}"
            );
            assert!(trusted.is_secure(true, peer, Some("http")));
        }
        assert_eq!(
            TrustedProxy::networks(["10.0.0.0/33"]),
            Err("10.0.0.0/33".into())
        );
    }
}
