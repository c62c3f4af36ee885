//! The request facts that the policy's functions see, and the requests that have a session at all.

use std::sync::{Arc, Mutex};

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpMessage as _, web};
use cloakroom::policy::{RequestInfo, TrustedProxy};
use cloakroom::web::actix::{Csrf, SessionMiddleware, Tls};
use cloakroom::{Policy, SessionId};

use super::{all, count, manager, policy};
use crate::support::keys;

#[actix_web::test]
async fn scopes_see_the_path_that_the_client_asked_for() {
    let (manager, store) = manager(policy().path("/shop").match_path("/shop"));
    let scope = |path| {
        let session = SessionMiddleware::new(manager.clone());
        web::scope(path)
            .wrap(session)
            .route("/count", web::get().to(count))
    };
    let app = App::new().service(scope("/shop")).service(scope("/other"));
    let app = init_service(app).await;
    let inside = TestRequest::with_uri("/shop/count?a=b").to_request();
    let inside = call_service(&app, inside).await;
    assert!(all(inside.headers(), "set-cookie")[0].contains("; Path=/shop;"));
    let outside = TestRequest::with_uri("/other/count").to_request();
    assert_eq!(call_service(&app, outside).await.status(), 500);
    assert_eq!(store.take_calls(), ["create"]);
}

#[actix_web::test]
async fn a_secure_cookie_goes_over_tls_only() {
    let policy = || Policy::builder(keys());
    let trusting = || policy().trusted_proxy(TrustedProxy::networks(["10.0.0.0/8"]).unwrap());
    let from = |address: &str| {
        let request =
            TestRequest::with_uri("/count").peer_addr(format!("{address}:4711").parse().unwrap());
        request.insert_header(("x-forwarded-proto", "http, https"))
    };
    // X4: what the client wrote stands left of what the proxy says.
    let claimed = from("10.1.1.1").insert_header(("x-forwarded-proto", "https, http"));
    let (plain, marked) = (
        TestRequest::with_uri("/count"),
        TestRequest::with_uri("/count"),
    );
    let marked = marked.to_request();
    marked.extensions_mut().insert(Tls);
    let table = [
        (policy(), false, plain.to_request(), false),
        (policy(), false, marked, true),
        (
            policy(),
            true,
            TestRequest::with_uri("/count").to_request(),
            true,
        ),
        (policy(), false, from("10.1.1.1").to_request(), false),
        (trusting(), false, from("10.1.1.1").to_request(), true),
        (trusting(), false, from("192.0.2.1").to_request(), false),
        (trusting(), false, claimed.to_request(), false),
    ];
    for (index, (policy, tls, request, sent)) in table.into_iter().enumerate() {
        let (manager, store) = manager(policy);
        let session = SessionMiddleware::new(manager);
        let session = if tls { session.tls() } else { session };
        let app = App::new().route("/count", web::get().to(count));
        let app = init_service(app.wrap(session)).await;
        let response = app.call(request).await.unwrap();
        let cookies = all(response.headers(), "set-cookie");
        let is_secure = cookies.iter().any(|field| field.contains("; Secure"));
        assert_eq!((is_secure, cookies.is_empty()), (sent, !sent), "{index}");
        // Nobody could ever come back to one whose cookie is withheld.
        let calls: &[&str] = if sent { &["create"] } else { &[] };
        assert_eq!(store.take_calls(), calls, "{index}");
    }
}

#[actix_web::test]
async fn policy_functions_see_client_and_request() {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let policy = policy()
        .trusted_proxy(TrustedProxy::networks(["10.0.0.0/8"]).unwrap())
        .id_generator(move |info| {
            *note.lock().unwrap() = Some(info.clone());
            SessionId::random().expose().to_owned()
        });
    let (manager, _) = manager(policy);
    let scope = web::scope("/shop").route("/count", web::get().to(count));
    let app = App::new().service(scope);
    let app = init_service(app.wrap(SessionMiddleware::new(manager))).await;
    let request = TestRequest::with_uri("/shop/count?x=1")
        .peer_addr("10.0.0.7:4711".parse().unwrap())
        .insert_header(("host", "shop.example"))
        .insert_header(("user-agent", "a browser"))
        .insert_header(("x-forwarded-proto", "https"))
        .append_header(("x-forwarded-for", &b"6.6.6.6\xff"[..]))
        .append_header(("x-forwarded-for", &b"\x80, 192.0.2.9, 10.0.0.8"[..]));
    call_service(&app, request.to_request()).await;
    let mut expected = RequestInfo::default();
    expected.path = "/shop/count".to_owned();
    expected.host = Some("shop.example".to_owned());
    expected.is_secure = true;
    expected.address = Some("192.0.2.9".parse().unwrap());
    expected.set_user_agent(b"a browser");
    assert_eq!(seen.lock().unwrap().take(), Some(expected));
}

#[actix_web::test]
async fn a_form_that_is_too_long_to_be_read_is_refused() {
    let (manager, _) = manager(policy());
    let app = App::new().route("/", web::post().to(async || "read"));
    let app = app.wrap(Csrf::new()).wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    for (size, status) in [(1 << 20, 403), ((1 << 20) + 1, 413)] {
        let request = TestRequest::post()
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload("x".repeat(size));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status, "{size}");
    }
}
