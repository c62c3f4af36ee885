//! Trusted proxies: their fields decide whether a request came over TLS.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The peers whose `X-Forwarded-Proto` and `X-Forwarded-For` are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustedProxy {
    /// No peer: the fields are ignored.
    #[default]
    None,
    /// The peers in these networks.
    Networks(Vec<IpNet>),
    /// Every peer, as with Express's `proxy: true`.
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

    /// Returns `true` if `peer` is trusted.
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

    /// Returns the client's address: the peer's, or where the peer is trusted, the last one in
    /// `X-Forwarded-For` that is not a trusted proxy's.
    ///
    /// The entries are read one by one from the right. Anything to the left of the client's own entry may be
    /// the client's; an entry that is no address ends the search. With [`Any`](Self::Any) it is the first of
    /// all, as in Express.
    pub fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl IntoIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let fields: Vec<&str> = forwarded_for.into_iter().collect();
        let (client, _) = self.walk(peer, &fields);
        client.map(|client| client.to_canonical())
    }

    /// Returns `true` if a request is secure: it came over TLS, or a trusted peer says so in
    /// `X-Forwarded-Proto`: in its last entry, or its first with [`Any`](Self::Any), as in Express.
    pub fn is_secure(
        &self,
        tls: bool,
        peer: Option<IpAddr>,
        forwarded_proto: Option<&str>,
    ) -> bool {
        let proto = || forwarded_proto.into_iter().collect();
        tls || self.insecurity(peer, Vec::new, proto).is_none()
    }

    /// Returns the reason for which a request that did not come over TLS to this server is not secure, `None`
    /// where a trusted proxy says that it is. The fields are only read where they count.
    ///
    /// Each proxy appends its entry to the right, so that the entry of the first trusted one counts: as many
    /// from the right as `X-Forwarded-For` names trusted proxies. A chain that keeps one entry only is
    /// trusted for that one.
    pub(crate) fn insecurity<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl FnOnce() -> Vec<&'a str>,
        forwarded_proto: impl FnOnce() -> Vec<&'a str>,
    ) -> Option<Insecurity> {
        match (self, peer) {
            (Self::None, _) => return Some(Insecurity::NoTrustedProxy),
            (Self::Networks(_), None) => return Some(Insecurity::PeerUnknown),
            (Self::Networks(_), peer) if !self.trusts(peer) => {
                return Some(Insecurity::PeerNotTrusted);
            }
            _ => {}
        }
        let protos = forwarded_proto();
        if protos.is_empty() {
            return Some(Insecurity::NothingForwarded);
        }
        let said = if *self == Self::Any {
            protos[0].split(',').next()
        } else {
            let (_, ours) = self.walk(peer, &forwarded_for());
            entries(&protos).take(ours).last()
        };
        let is_https = said.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
        (!is_https).then_some(Insecurity::PlainAtProxy)
    }

    /// Walks `X-Forwarded-For` from the right as far as its addresses are those of trusted proxies; returns
    /// the client's address, and the number of proxies before it.
    fn walk(&self, peer: Option<IpAddr>, fields: &[&str]) -> (Option<IpAddr>, usize) {
        let mut hops = entries(fields);
        let (mut client, mut proxies) = (peer, 0);
        while self.trusts(client) {
            proxies += 1;
            match hops.next().and_then(address) {
                Some(hop) => client = Some(hop),
                None => break,
            }
        }
        (client, proxies)
    }
}

/// Returns the entries of a field's values, from the right.
fn entries<'a>(fields: &[&'a str]) -> impl Iterator<Item = &'a str> {
    fields.iter().rev().flat_map(|field| field.rsplit(','))
}

/// The reason for which a request counts as one over plain HTTP, although it may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insecurity {
    /// No peer's `X-Forwarded-Proto` is trusted.
    NoTrustedProxy,
    /// Networks are trusted, and the adapter does not know the peer's address.
    PeerUnknown,
    /// The peer is in none of the trusted networks.
    PeerNotTrusted,
    /// The trusted peer sent no `X-Forwarded-Proto`.
    NothingForwarded,
    /// The trusted peer says that the request reached it over plain HTTP.
    PlainAtProxy,
}

impl Insecurity {
    /// Returns an operator's remedy.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::NoTrustedProxy => {
                "behind a proxy set `trusted_proxy`, on a developer's machine `secure(Secure::Auto)`"
            }
            Self::PeerUnknown => {
                "`trusted_proxy` is set, but the peer's address is not known: serve with \
                 `into_make_service_with_connect_info::<SocketAddr>()` (axum), or put the peer's \
                 `SocketAddr` into the request's extensions"
            }
            Self::PeerNotTrusted => {
                "`trusted_proxy` is set, but the peer is in none of its networks: add the proxy's \
                 own address"
            }
            Self::NothingForwarded => {
                "the trusted proxy sends no `X-Forwarded-Proto`: let it set the field (nginx: \
                 `proxy_set_header X-Forwarded-Proto $scheme`)"
            }
            Self::PlainAtProxy => {
                "the trusted proxy says in `X-Forwarded-Proto` that the request reached it over \
                 plain HTTP: let it redirect to https, or let the first proxy's word through"
            }
        }
    }
}

/// Parses an address as proxies write it, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = || text.trim_matches(['[', ']']).parse().ok();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip()).ok();
    alone().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::{Insecurity, TrustedProxy};

    type SchemeRow<'a> = (
        &'a TrustedProxy,
        &'a [&'a str],
        &'a [&'a str],
        Option<Insecurity>,
    );

    type CauseRow<'a> = (
        &'a TrustedProxy,
        Option<&'a str>,
        &'a [&'a str],
        Option<Insecurity>,
    );

    #[test]
    fn a_client_cannot_spoof_its_address() {
        let ours = TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
        #[rustfmt::skip]
        let table: [(&TrustedProxy, &str, &[&str], &str); 14] = [
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
            // X4: a byte that is no ASCII, in an entry that the client may have written.
            (&ours,               "10.0.0.1",  &["\u{fffd}, 9.9.9.9"],            "9.9.9.9"),
            (&ours,               "10.0.0.1",  &["9.9.9.9, \u{fffd}, 10.0.0.2"],  "10.0.0.2"),
            (&TrustedProxy::Any,  "10.0.0.1",  &["6.6.6.6, 9.9.9.9"],             "6.6.6.6"),
        ];
        for (proxy, peer, fields, client) in table {
            let found = proxy.client(Some(peer.parse().unwrap()), fields.iter().copied());
            assert_eq!(found, Some(client.parse().unwrap()), "{peer} {fields:?}");
        }
        assert_eq!(ours.client(None, ["6.6.6.6"]), None);
    }

    #[test]
    fn x4_the_scheme_is_read_from_the_right_up_to_the_last_trusted_proxy() {
        let ours = TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
        let none: &[&str] = &[];
        #[rustfmt::skip]
        let table: [SchemeRow<'_>; 16] = [
            (&ours, none,                     &["https"],               None),
            (&ours, none,                     &["HTTPS "],              None),
            (&ours, none,                     &["http"],                Some(Insecurity::PlainAtProxy)),
            // The client wrote the left one.
            (&ours, none,                     &["https, http"],         Some(Insecurity::PlainAtProxy)),
            (&ours, none,                     &["https", "http"],       Some(Insecurity::PlainAtProxy)),
            (&ours, none,                     &["http, https"],         None),
            (&ours, none,                     &["http", "https"],       None),
            (&ours, none,                     &["\u{fffd}, https"],     None),
            (&ours, none,                     &["https, \u{fffd}"],     Some(Insecurity::PlainAtProxy)),
            (&ours, none,                     &[""],                    Some(Insecurity::PlainAtProxy)),
            // Two trusted proxies: the first one's entry counts, which is the second from the right.
            (&ours, &["9.9.9.9, 10.0.0.2"],   &["https, http"],         None),
            (&ours, &["9.9.9.9", "10.0.0.2"], &["http, https"],         Some(Insecurity::PlainAtProxy)),
            (&ours, &["9.9.9.9, 10.0.0.2"],   &["https"],               None),
            (&ours, &["10.0.0.2, 9.9.9.9"],   &["https, http"],         Some(Insecurity::PlainAtProxy)),
            (&TrustedProxy::Any, none,        &["https, http", "http"], None),
            (&TrustedProxy::Any, none,        &["http, https"],         Some(Insecurity::PlainAtProxy)),
        ];
        for (proxy, forwarded_for, proto, expected) in table {
            let peer = Some("10.0.0.1".parse().unwrap());
            let found = proxy.insecurity(peer, || forwarded_for.to_vec(), || proto.to_vec());
            assert_eq!(found, expected, "{forwarded_for:?} {proto:?}");
        }
    }

    #[test]
    fn v18_the_reason_for_an_insecure_request_is_found() {
        let ours = TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
        let (proxy, stranger) = (Some("10.0.0.1"), Some("192.0.2.1"));
        #[rustfmt::skip]
        let table: [CauseRow<'_>; 9] = [
            (&TrustedProxy::None, proxy,    &["https"], Some(Insecurity::NoTrustedProxy)),
            (&TrustedProxy::None, None,     &[],        Some(Insecurity::NoTrustedProxy)),
            (&ours,               None,     &["https"], Some(Insecurity::PeerUnknown)),
            (&ours,               stranger, &["https"], Some(Insecurity::PeerNotTrusted)),
            (&ours,               proxy,    &[],        Some(Insecurity::NothingForwarded)),
            (&ours,               proxy,    &["http"],  Some(Insecurity::PlainAtProxy)),
            (&ours,               proxy,    &["https"], None),
            (&TrustedProxy::Any,  None,     &[],        Some(Insecurity::NothingForwarded)),
            (&TrustedProxy::Any,  None,     &["https"], None),
        ];
        for (trusted, peer, proto, expected) in table {
            let peer = peer.map(|peer| peer.parse().unwrap());
            let found = trusted.insecurity(peer, Vec::new, || proto.to_vec());
            assert_eq!(found, expected, "{trusted:?} {peer:?} {proto:?}");
        }
    }

    #[test]
    fn only_a_trusted_peer_can_forward_the_scheme() {
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
