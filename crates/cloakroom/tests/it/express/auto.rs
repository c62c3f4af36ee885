//! `secure: 'auto'`, `sameSite: 'auto'` and cookie options by function: statements 61 to 77.

use axum::http::Request;
use axum::http::request::Builder;
use cloakroom::policy::{PolicyBuilder, PolicyError, TrustedProxy};
use cloakroom::web::Tls;
use cloakroom::{SameSite, Secure, Session};

use super::server::{MINUTE, Server, attributes, attributes_of, express};

fn secure_auto() -> PolicyBuilder {
    express().secure(Secure::Auto)
}

fn both_auto() -> PolicyBuilder {
    secure_auto().same_site(SameSite::Auto)
}

fn plain() -> Builder {
    Request::get("/")
}

fn tls() -> Builder {
    Request::get("/").extension(Tls)
}

fn forwarded(proto: &str) -> Builder {
    Request::get("/").header("x-forwarded-proto", proto)
}

async fn sent(policy: PolicyBuilder, request: Builder) -> String {
    attributes_of(policy, request)
        .await
        .expect("a cookie is sent")
}

#[tokio::test]
async fn s061_auto_is_secure_where_a_trusted_proxy_says_https() {
    let policy = secure_auto().trusted_proxy(TrustedProxy::Any);
    assert_eq!(
        sent(policy, forwarded("https")).await,
        "Path=/; HttpOnly; Secure"
    );
}

#[tokio::test]
async fn s062_auto_is_not_secure_where_an_untrusted_client_says_https() {
    let policy = secure_auto().trusted_proxy(TrustedProxy::None);
    assert_eq!(sent(policy, forwarded("https")).await, "Path=/; HttpOnly");
}

#[tokio::test]
async fn s063_auto_is_secure_where_the_server_says_so() {
    assert_eq!(sent(secure_auto(), tls()).await, "Path=/; HttpOnly; Secure");
}

#[tokio::test]
async fn s064_auto_is_not_secure_elsewhere_and_the_cookie_is_sent() {
    assert_eq!(sent(secure_auto(), plain()).await, "Path=/; HttpOnly");
}

#[tokio::test]
async fn s065_a_function_sets_the_cookies_options() {
    let policy = express().cookie_with(|_, cookie| {
        cookie.max_age(Some(MINUTE));
        cookie.http_only(false);
        cookie.path("/app");
    });
    assert_eq!(
        sent(policy, plain()).await,
        "Path=/app; Expires=Fri, 02 Jan 2026 03:05:05 GMT"
    );
}

// deviation: function_cookies_resolve_auto. Where a function says `auto`, Express sends no cookie
// at all for `sameSite` and takes `secure` for true.
#[tokio::test]
async fn s066_the_function_is_given_the_request() {
    let policy = || {
        express().cookie_with(|request, cookie| {
            assert_eq!(request.host.as_deref(), Some("shop.example"));
            if request.path == "/admin" {
                cookie.same_site(SameSite::Strict);
            } else {
                cookie.same_site(SameSite::Auto);
                cookie.assign_json("secure", "\"auto\"").unwrap();
            }
        })
    };
    let to = |path: &str| Request::get(path).header("host", "shop.example");
    let strict = "Path=/; HttpOnly; SameSite=Strict";
    assert_eq!(sent(policy(), to("/admin?x=1")).await, strict);
    assert_eq!(
        sent(policy(), to("/")).await,
        "Path=/; HttpOnly; SameSite=Lax"
    );
    let over_tls = to("/").extension(Tls);
    let none = "Path=/; HttpOnly; Secure; SameSite=None";
    assert_eq!(sent(policy(), over_tls).await, none);
}

/// Returns the value of `SameSite`, if it is present.
fn same_site(attributes: &str) -> Option<&str> {
    let mut attributes = attributes.split("; ");
    attributes.find_map(|attribute| attribute.strip_prefix("SameSite="))
}

#[tokio::test]
async fn s067_same_site_auto_is_none_over_tls() {
    assert_eq!(same_site(&sent(both_auto(), tls()).await), Some("None"));
}

#[tokio::test]
async fn s068_same_site_auto_is_lax_elsewhere() {
    assert_eq!(same_site(&sent(both_auto(), plain()).await), Some("Lax"));
}

#[tokio::test]
async fn s069_same_site_auto_is_none_where_a_trusted_proxy_says_https() {
    let policy = both_auto().trusted_proxy(TrustedProxy::Any);
    assert_eq!(
        same_site(&sent(policy, forwarded("https")).await),
        Some("None")
    );
}

#[tokio::test]
async fn s070_same_site_auto_is_lax_where_a_trusted_proxy_says_http() {
    let policy = both_auto().trusted_proxy(TrustedProxy::Any);
    assert_eq!(
        same_site(&sent(policy, forwarded("http")).await),
        Some("Lax")
    );
}

#[tokio::test]
async fn s071_same_site_auto_is_lax_where_an_untrusted_client_says_https() {
    let policy = both_auto().trusted_proxy(TrustedProxy::None);
    assert_eq!(
        same_site(&sent(policy, forwarded("https")).await),
        Some("Lax")
    );
}

#[tokio::test]
async fn s072_both_auto_over_tls_are_secure_and_none() {
    assert_eq!(
        sent(both_auto(), tls()).await,
        "Path=/; HttpOnly; Secure; SameSite=None"
    );
}

#[tokio::test]
async fn s073_both_auto_elsewhere_are_neither() {
    assert_eq!(
        sent(both_auto(), plain()).await,
        "Path=/; HttpOnly; SameSite=Lax"
    );
}

// deviation: bad_settings_do_not_build. User agents drop `SameSite=None` without `Secure`, so that
// a policy of it does not build; a function of the policy can still say it.
#[tokio::test]
async fn s074_same_site_auto_without_secure_does_not_build() {
    let never = express().secure(Secure::Never);
    let error = never.clone().same_site(SameSite::Auto).build().unwrap_err();
    assert_eq!(error, PolicyError::SameSiteNoneWithoutSecure);
    let by_function = never.cookie_with(|_, cookie| cookie.same_site(SameSite::Auto));
    assert_eq!(
        sent(by_function, tls()).await,
        "Path=/; HttpOnly; SameSite=None"
    );
}

// deviation: bad_settings_do_not_build. The same, and a session of its own choice.
#[tokio::test]
async fn s075_a_session_may_still_choose_lax_or_none_without_secure() {
    let never = express().secure(Secure::Never);
    let by_function = never.cookie_with(|_, cookie| cookie.same_site(SameSite::Auto));
    assert_eq!(
        sent(by_function, plain()).await,
        "Path=/; HttpOnly; SameSite=Lax"
    );
    let server = Server::new(express(), |session: Session| async move {
        session.insert("a", 1).unwrap();
        session.cookie_mut(|cookie| cookie.same_site(SameSite::None));
    });
    let answer = server.client().get("/").await;
    assert_eq!(
        attributes(&answer).unwrap(),
        "Path=/; HttpOnly; SameSite=None"
    );
}

#[tokio::test]
async fn s076_same_site_auto_with_secure_is_none_over_tls() {
    let policy = express().secure(Secure::Always).same_site(SameSite::Auto);
    assert_eq!(
        sent(policy, tls()).await,
        "Path=/; HttpOnly; Secure; SameSite=None"
    );
}

#[tokio::test]
async fn s077_same_site_auto_with_secure_is_not_sent_elsewhere() {
    let policy = express().secure(Secure::Always).same_site(SameSite::Auto);
    assert_eq!(attributes_of(policy, plain()).await, None);
}
