//! Who gets in, and from where.

use axum::body::Body;
use axum::http::StatusCode;
use cloakroom_console::Rights;

use crate::{Desk, form, request};

const PAGES: [&str; 7] = [
    "/",
    "/sessions",
    "/search?q=ada",
    "/user?name=ada",
    "/session?handle=x",
    "/ended",
    "/live",
];

#[tokio::test]
async fn without_a_token_nothing_is_shown() {
    let desk = Desk::memory(Rights::all()).await;
    for path in PAGES {
        let said = desk
            .send(request("GET", path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(
            said.has("paste its token") && !said.has("ada"),
            "{path}: {}",
            said.text
        );
    }
    for cookie in [
        "cloakroom_console_7000=",
        "cloakroom_console_7000=x",
        "connect.sid=s%3Ax.y",
    ] {
        let request = request("GET", "/").header("cookie", cookie);
        assert_eq!(
            desk.send(request.body(Body::empty()).unwrap()).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let said = desk.send(form("/session/end", "handle=x&user=ada")).await;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_opens_one_browser_and_no_second() {
    let desk = Desk::memory(Rights::all()).await;
    let first = desk.tokens.lock().unwrap()[0].clone();
    let again = desk.send(form("/enter", &format!("token={first}"))).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.field("set-cookie").is_empty());
    assert!(again.has("role=\"alert\""));
    let events = ["authn_login_success:grace", "authn_login_fail:grace"];
    assert_eq!(desk.others(), events);
    // The next one was announced, and opens another.
    assert_eq!(desk.tokens.lock().unwrap().len(), 2);
    let other = desk.enter().await;
    assert_ne!(other, desk.cookie);
    assert_eq!(desk.get("/").await.status, StatusCode::OK);
    let out = desk.post("/leave", "").await;
    assert!(
        out.field("set-cookie").contains("Max-Age=0"),
        "{:?}",
        out.fields
    );
    assert_eq!(desk.get("/").await.status, StatusCode::UNAUTHORIZED);
}

/// The method, the path, header fields, and the status.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], StatusCode);

#[tokio::test]
async fn requests_of_other_places_are_refused_whatever_cookie_they_have() {
    let desk = Desk::memory(Rights::all()).await;
    #[rustfmt::skip]
    let table: [Row<'_>; 8] = [
        ("GET", "/", &[("host", "evil.example:7000")],                                               StatusCode::FORBIDDEN),
        ("GET", "/", &[("host", "localhost:7000")],                                                  StatusCode::FORBIDDEN),
        ("GET", "/", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],              StatusCode::FORBIDDEN),
        ("GET", "/", &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")],             StatusCode::FORBIDDEN),
        ("GET", "/live", &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:3000")],    StatusCode::FORBIDDEN),
        ("POST", "/enter", &[("origin", "http://127.0.0.1:3000"), ("sec-fetch-site", "same-site")],  StatusCode::FORBIDDEN),
        ("POST", "/user/end", &[("origin", "https://evil.example")],                                 StatusCode::FORBIDDEN),
        ("GET", "/", &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],                  StatusCode::OK),
    ];
    for (method, path, fields, expected) in table {
        let mut request = request(method, path)
            .header("cookie", &desk.cookie)
            .body(Body::empty())
            .unwrap();
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        assert_eq!(
            desk.send(request).await.status,
            expected,
            "{method} {path} {fields:?}"
        );
    }
    assert_eq!(desk.live().await.len(), 5);
}

/// HTTP/2 has the name of the host in `:authority`, which is part of the request's address.
#[tokio::test]
async fn a_request_over_http_2_is_judged_by_its_authority() {
    let desk = Desk::memory(Rights::all()).await;
    for (authority, expected) in [
        (crate::HOST, StatusCode::OK),
        ("evil.example:7000", StatusCode::FORBIDDEN),
    ] {
        let request =
            axum::http::Request::get(format!("http://{authority}/")).header("cookie", &desk.cookie);
        let said = desk.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(said.status, expected, "{authority}");
    }
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let desk = Desk::memory(Rights::all()).await;
    let handle = desk.handle("where=role%3Dadmin").await;
    for token in [
        "",
        "&_csrf=",
        "&_csrf=x",
        "&_csrf=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        for (path, fields) in [
            ("/session/end", format!("handle={handle}&user=ada")),
            (
                "/session/reveal",
                format!("handle={handle}&user=ada&key=cart"),
            ),
            ("/user/end", "user=ada".to_owned()),
            ("/end", "user=ada&expected=2".to_owned()),
            ("/leave", String::new()),
        ] {
            let mut request = form(path, &format!("{fields}{token}"));
            request
                .headers_mut()
                .insert("cookie", desk.cookie.parse().unwrap());
            assert_eq!(
                desk.send(request).await.status,
                StatusCode::FORBIDDEN,
                "{path} {token}"
            );
        }
    }
    // Of another login.
    let other = desk.enter().await;
    let mut of_other = desk.get("/").await.after(r#"name="_csrf" value=""#);
    of_other = of_other.replace('+', "%2B").replace('/', "%2F");
    let mut request = form("/user/end", &format!("user=ada&_csrf={of_other}"));
    request
        .headers_mut()
        .insert("cookie", other.parse().unwrap());
    assert_eq!(desk.send(request).await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.live().await.len(), 5);
    assert!(desk.audit().is_empty());
    // Of many in a second one is recorded.
    let refusals = desk
        .others()
        .into_iter()
        .filter(|event| event == "authz_fail:grace,form")
        .count();
    assert!((1..15).contains(&refusals), "{refusals}");
}

#[tokio::test]
async fn rights_hold_on_the_server_and_not_only_on_the_page() {
    for (rights, ends, reveals) in [
        (Rights::look(), StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        (
            Rights::look().end(true),
            StatusCode::SEE_OTHER,
            StatusCode::FORBIDDEN,
        ),
        (
            Rights::look().reveal(true),
            StatusCode::FORBIDDEN,
            StatusCode::OK,
        ),
    ] {
        let desk = Desk::memory(rights).await;
        let handle = desk.handle("where=role%3Dadmin").await;
        let page = desk.get(&format!("/session?handle={handle}")).await;
        assert_eq!(page.has("/session/end"), ends == StatusCode::SEE_OTHER);
        assert_eq!(page.has("/session/reveal"), reveals == StatusCode::OK);
        let named = format!("handle={handle}&user=ada");
        assert_eq!(
            desk.post("/session/reveal", &format!("{named}&key=cart"))
                .await
                .status,
            reveals
        );
        assert_eq!(
            desk.get("/end?anonymous=1").await.status == StatusCode::OK,
            ends == StatusCode::SEE_OTHER
        );
        assert_eq!(
            desk.post("/end", "anonymous=1&expected=1").await.status,
            ends
        );
        assert_eq!(desk.post("/session/end", &named).await.status, ends);
        assert_eq!(desk.post("/user/end", "user=ada").await.status, ends);
        let refusal = format!(
            "authz_fail:grace,{}",
            if reveals == StatusCode::OK {
                "end"
            } else {
                "reveal"
            }
        );
        assert!(desk.others().contains(&refusal), "{:?}", desk.others());
    }
}

#[tokio::test]
async fn every_response_carries_the_fields_of_a_page_that_nobody_may_frame_or_keep() {
    let desk = Desk::memory(Rights::all()).await;
    let style = desk.get("/").await.after(r#"rel="stylesheet" href=""#);
    for path in PAGES[..6].iter().copied().chain(["/nowhere", &style]) {
        let said = desk.get(path).await;
        let policy = said.field("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(said.field("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(
            said.field("cache-control") == "no-store",
            path != style,
            "{path}"
        );
    }
}
