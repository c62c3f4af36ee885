//! Cross-site request forgery over HTTP.

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use cloakroom::web::Csrf;
use cloakroom::{Manager, MemoryStore, Session, SessionError, SessionLayer};

use super::{policy, routes};
use crate::support::{Answer, Client, send};

const FORM: &str = "application/x-www-form-urlencoded";

async fn token(session: Session) -> Result<String, SessionError> {
    session.csrf_token()
}

fn app() -> Client {
    let manager = Manager::new(policy().build().unwrap(), MemoryStore::new());
    let router = routes()
        .route("/csrf", get(token))
        .route(
            "/change",
            post(async |body: String| body).get(async || "read"),
        )
        .layer(Csrf::new().allow_origin("https://pay.example").unwrap())
        .layer(SessionLayer::new(manager));
    Client::new(router)
}

/// A POST with the client's cookies and these fields of the head.
async fn submit(client: &Client, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::post("/change").header(HOST, "shop.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    if let Some(cookie) = client.cookies.get("connect.sid") {
        request = request.header(COOKIE, format!("connect.sid={cookie}"));
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    send(client.router(), request).await
}

#[tokio::test]
async fn fetch_metadata_and_origin_decide() {
    let mut client = app();
    client.get("/login/ada").await;
    let own = "http://shop.example";
    #[rustfmt::skip]
    let table: &[(StatusCode, &[(&str, &str)])] = &[
        (StatusCode::OK,        &[("sec-fetch-site", "same-origin")]),
        (StatusCode::OK,        &[("sec-fetch-site", "none")]),
        (StatusCode::OK,        &[("origin", own)]),
        (StatusCode::OK,        &[("origin", "https://pay.example"), ("sec-fetch-site", "cross-site")]),
        (StatusCode::FORBIDDEN, &[("sec-fetch-site", "cross-site"), ("origin", own)]),
        (StatusCode::FORBIDDEN, &[("sec-fetch-site", "same-site")]),
        (StatusCode::FORBIDDEN, &[("origin", "null")]),
        (StatusCode::FORBIDDEN, &[("origin", "https://evil.example")]),
        (StatusCode::FORBIDDEN, &[("origin", "https://shop.example")]),
        (StatusCode::FORBIDDEN, &[]),
    ];
    for (status, fields) in table {
        let answer = submit(&client, fields, "x=1").await;
        assert_eq!(answer.status, *status, "{fields:?}: {}", answer.body);
    }
    // Another site's token is not asked for: a thief has no way to bring one.
    let token = client.get("/csrf").await.body;
    let crossing = [("sec-fetch-site", "cross-site"), ("x-csrf-token", &token)];
    assert_eq!(
        submit(&client, &crossing, "").await.status,
        StatusCode::FORBIDDEN
    );
    let reading = Request::get("/change").header(ORIGIN, "https://evil.example");
    assert_eq!(client.send(reading).await.body, "read");
}

#[tokio::test]
async fn a_token_decides_without_fetch_metadata_and_origin() {
    let (mut client, mut other) = (app(), app());
    client.get("/login/ada").await;
    let (one_tab, other_tab) = (
        client.get("/csrf").await.body,
        client.get("/csrf").await.body,
    );
    assert_ne!(one_tab, other_tab, "each is masked again");
    for token in [&one_tab, &other_tab] {
        let answer = submit(&client, &[("x-csrf-token", token)], "a=1").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "a=1"));
        let form = format!("a=%C3%A9&_csrf={token}&b=2");
        let answer = submit(&client, &[(CONTENT_TYPE.as_str(), FORM)], &form).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, &*form),
            "it is read whole"
        );
    }
    other.get("/login/ada").await;
    let of_other = other.get("/csrf").await.body;
    let (flipped, short) = (format!("A{}", &one_tab[1..]), &one_tab[..40]);
    let zeros = "A".repeat(86);
    for wrong in [&*of_other, &*flipped, short, &*zeros, "", "ä", "undefined"] {
        if wrong == one_tab {
            continue;
        }
        for (fields, body) in [
            (vec![("x-csrf-token", wrong)], String::new()),
            (
                vec![(CONTENT_TYPE.as_str(), FORM)],
                format!("_csrf={wrong}"),
            ),
        ] {
            let answer = submit(&client, &fields, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wrong:?}");
        }
    }
    // A form of another kind is not searched for one.
    let body = format!("_csrf={one_tab}");
    let plain = [(CONTENT_TYPE.as_str(), "text/plain")];
    let answer = submit(&client, &plain, &body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let huge = format!("_csrf={one_tab}&a={}", "x".repeat(2 << 20));
    let answer = submit(&client, &[(CONTENT_TYPE.as_str(), FORM)], &huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_login_invalidates_older_tokens_and_login_forms_are_protected() {
    let mut client = app();
    // The page with the login form gives its visitor a session.
    let before = client.get("/csrf").await.body;
    assert_eq!(
        submit(&client, &[("x-csrf-token", &before)], "")
            .await
            .status,
        StatusCode::OK
    );
    let stranger = app();
    assert_eq!(
        submit(&stranger, &[("x-csrf-token", &before)], "")
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        submit(&stranger, &[], "").await.status,
        StatusCode::FORBIDDEN
    );
    client.get("/login/ada").await;
    assert_eq!(
        submit(&client, &[("x-csrf-token", &before)], "")
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let after = client.get("/csrf").await.body;
    assert_eq!(
        submit(&client, &[("x-csrf-token", &after)], "")
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn without_a_session_layer_no_write_passes() {
    let router = Router::new()
        .route("/change", post(async || "changed"))
        .layer(Csrf::new());
    let client = Client::new(router);
    let answer = submit(&client, &[], "").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = submit(&client, &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}
