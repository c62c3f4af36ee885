//! The JSON that other programs rely on, and what pages answer in its place.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use cloakroom::store::memory::MemoryLimit;
use cloakroom::{KeyRing, Manager, ManualClock, MemoryStore, Policy, Secure, Timestamp};
use serde_json::{Value, json};
use testbed::browser::{Ask, Browser, Jar, Wire};

use super::{Shop, router};
use crate::demo::accounts::Accounts;

/// A shop whose time a test moves.
struct Open {
    router: Router,
    clock: ManualClock,
    manager: Manager,
}

/// A browser that says nothing but what a test has it say; a copy has a jar of its own.
#[derive(Clone)]
struct Client {
    router: Router,
    jar: Jar,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Open {
    async fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
        let keys = KeyRing::new("the secret of these tests, long enough").unwrap();
        let policy = Policy::builder(keys).secure(Secure::Never).build().unwrap();
        let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
        let manager = Manager::with_clock(policy, std::sync::Arc::new(store), clock.clone());
        let router = router(Shop::new(manager.clone(), Accounts::seed().await));
        Self {
            router,
            clock,
            manager,
        }
    }

    /// Returns the number of stored sessions.
    async fn sessions(&self) -> u64 {
        self.manager.store().count().await.unwrap()
    }

    fn client(&self) -> Client {
        let clock = self.clock.clone();
        Client {
            router: self.router.clone(),
            jar: Jar::by(move || SystemTime::from(clock.now())),
        }
    }

    async fn signed_in(&self, name: &str, password: &str) -> Client {
        let mut client = self.client();
        let answer = client.sign_in(name, password).await;
        assert_eq!(answer.status, StatusCode::OK);
        client
    }

    async fn ada(&self) -> Client {
        self.signed_in("ada", "analytical-engine").await
    }
}

impl Client {
    async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let body = json!({"username": name, "password": password});
        self.post("/login", &body).await
    }

    async fn send(&mut self, request: Builder, body: String) -> Answer {
        let request = request.body(Bytes::from(body)).unwrap();
        let wire = Wire::service(self.router.clone());
        let browser = Browser::new("http://shop.example", wire, self.jar.clone());
        let answer = browser.tab().ask(Ask::bare(request)).await;
        self.jar = browser.jar().clone();
        Answer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        }
    }

    /// Puts a session cookie into the jar that no answer has set.
    fn plant(&mut self, value: &str) {
        let wire = Wire::service(self.router.clone());
        let browser = Browser::new("http://shop.example", wire, self.jar.clone());
        browser.plant("connect.sid", value);
        self.jar = browser.jar().clone();
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    async fn page(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header("accept", "text/html");
        self.send(request, String::new()).await
    }

    /// Sends a request as a script of the shop's own pages does.
    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.header("sec-fetch-site", "same-origin");
        self.send(request, body.to_string()).await
    }

    /// Sends a form as no current browser does.
    async fn submit(&mut self, path: &str, body: &str) -> Answer {
        let request = Request::post(path);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.send(request, body.to_owned()).await
    }

    async fn delete(&mut self, path: &str) -> Answer {
        let request = Request::delete(path).header("sec-fetch-site", "same-origin");
        self.send(request, String::new()).await
    }

    async fn devices(&mut self) -> Vec<Value> {
        let answer = self.get("/devices").await;
        assert_eq!(answer.status, StatusCode::OK);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The token in a page's first form.
    fn token(&self) -> String {
        let (_, rest) = self.body.split_once(r#"name="_csrf" value=""#).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn devices_are_listed_and_ended() {
    let shop = Open::new().await;
    let (mut desk, mut phone, mut tablet) = (shop.ada().await, shop.ada().await, shop.ada().await);
    let devices = desk.devices().await;
    assert_eq!(devices.len(), 3);
    let current: Vec<&Value> = devices
        .iter()
        .filter(|one| one["current"] == true)
        .collect();
    assert_eq!(current.len(), 1);
    let of_phone = phone.devices().await;
    let of_phone = of_phone.iter().find(|one| one["current"] == true).unwrap();
    let handle = of_phone["handle"].as_str().unwrap();
    assert_eq!(
        desk.delete(&format!("/devices/{handle}")).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        desk.delete(&format!("/devices/{handle}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(phone.get("/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        desk.post("/logout-others", &json!({})).await.json(),
        json!({"ended": 1})
    );
    assert_eq!(
        tablet.get("/devices").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        desk.get("/me").await.json(),
        json!({"userId": "ada", "roles": ["user"]})
    );
    shop.ada().await;
    assert_eq!(
        desk.post("/logout-all", &json!({})).await.json(),
        json!({"ended": 2})
    );
    assert_eq!(desk.get("/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        desk.post("/logout-others", &json!({})).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_page_of_devices_is_for_people() {
    let shop = Open::new().await;
    let mut client = shop.client();
    assert_eq!(
        client.page("/devices").await.location(),
        "/login?next=/devices"
    );
    let mut other = shop.ada().await;
    let mut client = shop.ada().await;
    let page = client.page("/devices").await;
    assert!(page.body.contains("this browser"));
    let token = page.token();
    let mine = other.devices().await;
    let mine = mine.iter().find(|one| one["current"] == true).unwrap();
    let path = format!("/devices/{}", mine["handle"].as_str().unwrap());
    assert_eq!(client.submit(&path, "").await.status, StatusCode::FORBIDDEN);
    let answer = client.submit(&path, &format!("_csrf={token}")).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/devices")
    );
    assert_eq!(other.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cross_site_forms_are_refused() {
    let shop = Open::new().await;
    let mut client = shop.ada().await;
    let token = client.get("/csrf").await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let json = "application/json";
    let item = json!({"sku": "wool-scarf"}).to_string();
    #[rustfmt::skip]
    let table: [(StatusCode, &[(&str, &str)]); 7] = [
        (StatusCode::OK,        &[("sec-fetch-site", "same-origin")]),
        (StatusCode::OK,        &[("x-csrf-token", &token)]),
        (StatusCode::OK,        &[("origin", "http://shop.example")]),
        (StatusCode::FORBIDDEN, &[("sec-fetch-site", "cross-site"), ("x-csrf-token", &token)]),
        (StatusCode::FORBIDDEN, &[("origin", "https://evil.example")]),
        (StatusCode::FORBIDDEN, &[("x-csrf-token", "forged")]),
        (StatusCode::FORBIDDEN, &[]),
    ];
    for (status, fields) in table {
        let mut request = Request::post("/cart").header("content-type", json);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        assert_eq!(
            client.send(request, item.clone()).await.status,
            status,
            "{fields:?}"
        );
    }
    // Nobody is signed in to another's account.
    let login = r#"{"username":"grace","password":"nanoseconds"}"#;
    let request = Request::post("/login").header("content-type", json);
    let request = request.header("sec-fetch-site", "cross-site");
    let mut visitor = shop.client();
    let answer = visitor.send(request, login.to_owned()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(visitor.jar.live().count(), 0);
}

#[tokio::test]
async fn a_visitor_who_only_looks_costs_nothing() {
    let shop = Open::new().await;
    let mut client = shop.client();
    for path in ["/", "/cart", "/login", "/how"] {
        let page = client.page(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("_csrf"), "{path}");
        assert_eq!(client.jar.live().count(), 0, "{path}");
    }
}

#[tokio::test]
async fn x10_no_safe_request_without_a_session_stores_one() {
    let shop = Open::new().await;
    let asset = crate::demo::assets::STYLES.path.clone();
    let forged = "s%3AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.forged";
    for path in [
        "/",
        "/how",
        "/cart",
        "/cart/wool-scarf",
        "/login",
        "/login?again=1",
        "/logout",
        "/me",
        "/csrf",
        "/profile",
        "/devices",
        "/devices/x",
        "/logout-others",
        "/logout-all",
        "/experiment",
        "/password",
        "/admin",
        "/admin/users/ada/end",
        "/ws",
        "/nowhere",
        "/socket.io/?EIO=4&transport=polling",
        &asset,
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for accept in ["text/html", "application/json"] {
                for site in ["none", "same-origin", "cross-site"] {
                    let mut client = shop.client();
                    client.plant(forged);
                    let request = Request::builder().method(method).uri(path);
                    let request = request.header("accept", accept);
                    let request = request.header("sec-fetch-site", site);
                    let answer = client.send(request, String::new()).await;
                    let said = answer.headers.get("set-cookie");
                    assert_eq!(said, None, "{method} {path} {accept} {site}");
                }
            }
        }
    }
    assert_eq!(shop.sessions().await, 0);
    let mut client = shop.client();
    assert_eq!(client.get("/csrf").await.json(), json!({"token": null}));
    assert_eq!(
        client.get("/experiment").await.json(),
        json!({"group": null})
    );
    let drawn = client.post("/experiment", &json!({})).await.json();
    assert_eq!(client.get("/experiment").await.json(), drawn);
    assert!(client.get("/csrf").await.json()["token"].is_string());
    assert_eq!(shop.sessions().await, 1);
}

#[tokio::test]
async fn guessing_is_slowed_down_whether_or_not_the_account_exists() {
    let shop = Open::new().await;
    for name in ["ada", "nobody"] {
        let mut client = shop.client();
        for _ in 0..10 {
            let answer = client.sign_in(name, "guess").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(answer.json(), json!({"error": "wrong name or password"}));
        }
        let answer = client.sign_in(name, "analytical-engine").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        let fields = format!("username={name}&password=x");
        let request = Request::post("/login").header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let page = client.send(request, fields).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(
            page.body.contains("Too many attempts. Try again in"),
            "{}",
            page.body
        );
    }
    shop.signed_in("grace", "nanoseconds").await;
}

#[tokio::test]
async fn successful_logins_are_not_slowed_down() {
    let shop = Open::new().await;
    for _ in 0..15 {
        shop.ada().await;
    }
}

#[tokio::test]
async fn a_password_change_needs_a_recent_login() {
    let shop = Open::new().await;
    let (mut client, mut thief) = (shop.ada().await, shop.ada().await);
    shop.clock.advance(Duration::from_secs(301));
    let new = json!({"current": "analytical-engine", "password": "difference-engine"});
    assert_eq!(
        client.post("/password", &new).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        client.page("/password").await.location(),
        "/login?next=/password&again=1"
    );
    let form = client.page("/login?next=/password&again=1").await;
    assert!(form.body.contains("Is it still you?"));
    client.sign_in("ada", "analytical-engine").await;
    let short = json!({"current": "analytical-engine", "password": "short"});
    let answer = client.post("/password", &short).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        client.post("/password", &new).await.json(),
        json!({"ended": 1})
    );
    assert_eq!(thief.get("/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.get("/me").await.status, StatusCode::OK);
    let answer = thief.sign_in("ada", "analytical-engine").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    shop.signed_in("ada", "difference-engine").await;
}

#[tokio::test]
async fn x10_a_password_change_asks_for_the_current_one() {
    let shop = Open::new().await;
    let mut client = shop.ada().await;
    for wrong in [
        json!({"password": "difference-engine"}),
        json!({"current": "", "password": "difference-engine"}),
        json!({"current": "nanoseconds", "password": "difference-engine"}),
    ] {
        let answer = client.post("/password", &wrong).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(
            answer.json(),
            json!({"error": "that is not the current password"})
        );
    }
    let token = client.page("/password").await.token();
    let form = format!("_csrf={token}&current=x&password=difference-engine");
    let page = client.submit("/password", &form).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("That is not your current password"));
    assert!(page.body.contains(r#"name="current""#));
    // Guesses count here as they do at the login.
    let wrong = json!({"current": "x", "password": "difference-engine"});
    for _ in 0..6 {
        client.post("/password", &wrong).await;
    }
    let answer = client.post("/password", &wrong).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers.contains_key("retry-after"));
    let page = client.submit("/password", &form).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.body.contains("Too many attempts. Try again in"));
    assert_eq!(client.get("/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_profile_says_when_the_session_ends() {
    let shop = Open::new().await;
    let mut client = shop.ada().await;
    shop.clock.advance(Duration::from_mins(10));
    let page = client.page("/profile").await;
    // The tests' clock stands in January 2026, ten minutes after the login.
    for part in [
        "Ends if you do nothing more",
        r#"<time datetime="2026-01-02T03:44:05.678Z">2 January 2026, 03:44:05 UTC</time>"#,
        "Ends at the latest",
        r#"<time datetime="2026-01-03T03:04:05.678Z">3 January 2026, 03:04:05 UTC</time>"#,
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    // The page's time is exact, however recently the expiry was moved.
    shop.clock.advance(Duration::from_secs(1));
    assert!(client.page("/profile").await.body.contains("03:44:06.678Z"));
    shop.clock.advance(Duration::from_millis(30 * 60_000 - 1));
    assert_eq!(client.get("/me").await.status, StatusCode::OK);
    client.page("/profile").await;
    shop.clock.advance(Duration::from_mins(30));
    assert_eq!(client.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_back_office_is_for_the_role_admin() {
    let shop = Open::new().await;
    let mut nobody = shop.client();
    assert_eq!(nobody.get("/admin").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.page("/admin").await.location(), "/login?next=/admin");
    let mut ada = shop.ada().await;
    assert_eq!(ada.page("/admin").await.status, StatusCode::FORBIDDEN);
    let path = "/admin/users/ada/end";
    assert_eq!(
        ada.post(path, &json!({})).await.status,
        StatusCode::FORBIDDEN
    );
    let mut grace = shop.signed_in("grace", "nanoseconds").await;
    assert!(
        grace
            .page("/admin")
            .await
            .body
            .contains("End every session")
    );
    assert_eq!(grace.get("/admin").await.json(), json!({"sessions": 2}));
    assert_eq!(
        grace.post(path, &json!({})).await.json(),
        json!({"ended": 1})
    );
    assert_eq!(ada.get("/me").await.status, StatusCode::UNAUTHORIZED);
    let nobody = "/admin/users/nobody/end";
    assert_eq!(
        grace.post(nobody, &json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    shop.clock.advance(Duration::from_secs(301));
    assert_eq!(
        grace.post(path, &json!({})).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(grace.get("/admin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn z5_the_back_office_asks_for_the_password_before_it_offers_to_end_sessions() {
    let shop = Open::new().await;
    let _ada = shop.ada().await;
    let mut grace = shop.signed_in("grace", "nanoseconds").await;
    let page = grace.page("/admin").await.body;
    assert!(page.contains("End 1 session"), "{page}");
    assert!(!page.contains("Confirm your password"), "{page}");
    shop.clock.advance(Duration::from_secs(301));
    let page = grace.page("/admin").await.body;
    assert!(!page.contains("End 1 session"), "{page}");
    assert!(page.contains("/login?again=1&amp;next=/admin"), "{page}");
}

#[tokio::test]
async fn z10_error_pages_show_the_visitor_and_say_what_happened() {
    let shop = Open::new().await;
    let mut ada = shop.ada().await;
    let missing = ada.page("/nowhere").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    for part in ["Page not found", r#"href="/profile""#, "</span>ada"] {
        assert!(missing.body.contains(part), "{part}: {}", missing.body);
    }
    assert!(ada.page("/admin").await.body.contains(r#"href="/profile""#));
    let stranger = shop.client().page("/nowhere").await;
    assert!(
        stranger.body.contains(r#"href="/login""#),
        "{}",
        stranger.body
    );
    assert_eq!(stranger.headers.get("set-cookie"), None);
}

#[tokio::test]
async fn z10_a_page_carries_the_state_that_connections_send() {
    let shop = Open::new().await;
    assert!(!shop.client().page("/").await.body.contains("data-state"));
    let mut ada = shop.ada().await;
    ada.post("/cart", &json!({"sku": "wool-scarf", "qty": 2}))
        .await;
    let page = ada.page("/cart").await.body;
    let state = r#"{"cart":{"wool-scarf":2},"count":2,"userId":"ada"}"#;
    assert!(page.contains(&state.replace('"', "&quot;")), "{page}");
}

#[tokio::test]
async fn a_login_redirects_within_the_shop_only() {
    let shop = Open::new().await;
    for (next, to) in [
        ("/cart", "/cart"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ] {
        let fields = format!("username=ada&password=analytical-engine&next={next}");
        let request = Request::post("/login").header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = shop.client().send(request, fields).await;
        assert_eq!(answer.location(), to, "{next}");
    }
}
