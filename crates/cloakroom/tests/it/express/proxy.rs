//! The option `proxy`: statements 48 to 54, the proxies trusted on whether a request is secure.

use axum::http::Request;
use axum::http::request::Builder;
use cloakroom::Secure;
use cloakroom::policy::{PolicyBuilder, TrustedProxy};
use cloakroom::web::Tls;

use super::server::{attributes_of, express};

const SENT: &str = "Path=/; HttpOnly; Secure";

/// `cookie: { secure: true }`.
fn secure(proxy: TrustedProxy) -> PolicyBuilder {
    express().secure(Secure::Always).trusted_proxy(proxy)
}

fn forwarded(proto: &str) -> Builder {
    Request::get("/").header("x-forwarded-proto", proto)
}

#[tokio::test]
async fn s048_a_trusted_proxy_says_https() {
    let sent = attributes_of(secure(TrustedProxy::Any), forwarded("https")).await;
    assert_eq!(sent.as_deref(), Some(SENT));
}

#[tokio::test]
async fn s049_the_first_of_a_list_decides() {
    #[rustfmt::skip]
    let table = [
        ("https,http",    Some(SENT)),
        ("https , http",  Some(SENT)),
        ("HTTPS,http",    Some(SENT)),
        ("http,https",    None),
        (",https",        None),
    ];
    for (proto, expected) in table {
        let sent = attributes_of(secure(TrustedProxy::Any), forwarded(proto)).await;
        assert_eq!(sent.as_deref(), expected, "{proto}");
    }
}

#[tokio::test]
async fn s050_a_proxy_that_says_nothing_is_not_secure() {
    let sent = attributes_of(secure(TrustedProxy::Any), Request::get("/")).await;
    assert_eq!(sent, None);
}

#[tokio::test]
async fn s051_an_untrusted_proxy_is_ignored() {
    let sent = attributes_of(secure(TrustedProxy::None), forwarded("https")).await;
    assert_eq!(sent, None);
}

#[tokio::test]
async fn s052_only_tls_counts_without_a_proxy() {
    let claims = || {
        Request::get("https://example.com/")
            .header("forwarded", "proto=https")
            .header("x-forwarded-ssl", "on")
            .header("front-end-https", "on")
    };
    let policy = || secure(TrustedProxy::None);
    assert_eq!(attributes_of(policy(), claims()).await, None);
    let sent = attributes_of(policy(), claims().extension(Tls)).await;
    assert_eq!(sent.as_deref(), Some(SENT));
}

#[tokio::test]
async fn s053_the_header_alone_is_not_trusted_by_default() {
    let policy = express().secure(Secure::Always);
    assert_eq!(attributes_of(policy, forwarded("https")).await, None);
}

// Express's setting of its framework, `trust proxy`, is `TrustedProxy::networks` here, and a
// server's own verdict is the extension `Tls`.
#[tokio::test]
async fn s054_the_servers_own_verdict_counts_by_default() {
    let policy = || express().secure(Secure::Always);
    let sent = attributes_of(policy(), Request::get("/").extension(Tls)).await;
    assert_eq!(sent.as_deref(), Some(SENT));
    let networks = || TrustedProxy::networks(["10.0.0.0/8"]).unwrap();
    for (peer, expected) in [("10.1.2.3:80", Some(SENT)), ("192.0.2.1:80", None)] {
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let request = forwarded("https").extension(peer);
        let sent = attributes_of(policy().trusted_proxy(networks()), request).await;
        assert_eq!(sent.as_deref(), expected, "{peer}");
    }
}
