//! The console inside an application, behind the application's own roles.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use cloakroom::{Manager, MemoryStore, Policy, Require, Secure, Session, SessionLayer};
use cloakroom_console::{Console, SessionEvents, SessionRoles};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

struct App(Router);

struct Page {
    status: StatusCode,
    text: String,
    cookie: Option<String>,
}

async fn login(session: Session, Path((user, role)): Path<(String, String)>) {
    session.login(&user).await.unwrap();
    session.insert("roles", [role]).unwrap();
}

impl App {
    fn new() -> Self {
        let policy =
            Policy::builder(cloakroom::KeyRing::new(crate::SECRET).unwrap()).secure(Secure::Never);
        let events = SessionEvents::default();
        let manager =
            Manager::new(policy.build().unwrap(), MemoryStore::new()).observer(events.clone());
        let operators =
            SessionRoles::new(Require::any_role(["support", "admin"])).end(Require::role("admin"));
        let console = Console::of(&manager, operators)
            .at("/console")
            .events(events)
            .build();
        let app = Router::new()
            .route("/login/{user}/{role}", post(login))
            .nest("/console", cloakroom_console::router(console))
            .layer(SessionLayer::new(manager));
        Self(app)
    }

    async fn send(&self, method: &str, path: &str, cookie: Option<&str>, body: &str) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shop.example")
            .header("origin", "https://shop.example");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = self
            .0
            .clone()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap();
        let cookie = response.headers().get("set-cookie").map(|field| {
            field
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned()
        });
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        Page {
            status,
            text: String::from_utf8(text.to_vec()).unwrap(),
            cookie,
        }
    }

    async fn login(&self, user: &str, role: &str) -> String {
        self.send("POST", &format!("/login/{user}/{role}"), None, "")
            .await
            .cookie
            .unwrap()
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        self.send("GET", path, Some(cookie), "").await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &str) -> Page {
        let page = self.get("/console/user?name=ada", cookie).await;
        let token = between(&page.text, r#"name="_csrf" value=""#)
            .replace('+', "%2B")
            .replace('/', "%2F");
        self.send(
            "POST",
            path,
            Some(cookie),
            &format!("{fields}&_csrf={token}"),
        )
        .await
    }
}

fn between(text: &str, begin: &str) -> String {
    let at = text
        .find(begin)
        .unwrap_or_else(|| panic!("{begin} is not in {text}"));
    text[at + begin.len()..]
        .split(['"', '&'])
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn the_application_s_roles_decide() {
    let app = App::new();
    let (visitor, support, admin) = (
        app.login("eve", "customer").await,
        app.login("bob", "support").await,
        app.login("ada", "admin").await,
    );
    assert_eq!(
        app.send("GET", "/console", None, "").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        app.get("/console", &visitor).await.status,
        StatusCode::FORBIDDEN
    );
    let page = app.get("/console", &support).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("may look") && !page.text.contains("Sign out"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("href=\"/console/sessions\"")
            && page.text.contains("href=\"/console/assets/")
    );
    let page = app.get("/console/user?name=eve", &support).await;
    assert!(
        page.text.contains("1 session") && !page.text.contains("/user/end"),
        "{}",
        page.text
    );
    assert!(
        app.get("/console/user?name=eve", &admin)
            .await
            .text
            .contains("/console/user/end")
    );
}

#[tokio::test]
async fn logins_and_endings_of_the_process_are_exact() {
    let app = App::new();
    let admin = app.login("ada", "admin").await;
    app.login("eve", "customer").await;
    let page = app.get("/console", &admin).await;
    assert!(
        page.text
            .contains("Logins by the minute in the last hour: 2 in all"),
        "{}",
        page.text
    );
    assert!(page.text.contains("Logins of this process"));
}

#[tokio::test]
async fn one_s_own_session_is_marked_and_asked_for_once_more() {
    let app = App::new();
    let (other, admin) = (
        app.login("ada", "admin").await,
        app.login("ada", "admin").await,
    );
    let page = app.get("/console/user?name=ada", &admin).await;
    assert_eq!(page.text.matches(">yours<").count(), 1, "{}", page.text);
    let row = page
        .text
        .split("<tr>")
        .find(|row| row.contains(">yours<"))
        .unwrap();
    let handle = between(row, "handle=");
    let named = format!("handle={handle}&user=ada");
    let asked = app.post("/console/session/end", &admin, &named).await;
    assert!(
        asked.status == StatusCode::OK && asked.text.contains("End your own session?"),
        "{}",
        asked.text
    );
    assert_eq!(app.get("/console", &admin).await.status, StatusCode::OK);

    // Endings of many keep it, unless they are asked not to.
    assert_eq!(
        app.post("/console/user/end", &admin, "user=ada")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        app.get("/console", &other).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(app.get("/console", &admin).await.status, StatusCode::OK);
    app.login("eve", "customer").await;
    let page = app.get("/console/end?expires-before=100d", &admin).await;
    assert!(
        page.text.contains("End 1 session?") && page.text.contains("My own session as well"),
        "{}",
        page.text
    );
    let ended = app
        .post("/console/end", &admin, "expires-before=100d&expected=1")
        .await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
    assert_eq!(app.get("/console", &admin).await.status, StatusCode::OK);

    let ended = app
        .post("/console/session/end", &admin, &format!("{named}&own=1"))
        .await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    assert_eq!(
        app.get("/console", &admin).await.status,
        StatusCode::FORBIDDEN
    );
}
