//! The endings: who, how many, read back, and recorded.

use axum::http::StatusCode;
use cloakroom::SessionId;
use cloakroom_console::Rights;
use testbed::Redis;

use crate::{Desk, express};

#[tokio::test]
async fn one_session_ends_by_its_handle_and_its_user_together() {
    for desk in Desk::each("console_one", Rights::all()).await {
        let handle = desk.handle("where=role%3Dadmin").await;
        for wrong in ["user=bob", "user=", "user=ad"] {
            let said = desk
                .post("/session/end", &format!("handle={handle}&{wrong}"))
                .await;
            assert_eq!(said.status, StatusCode::NOT_FOUND, "{wrong}");
        }
        assert_eq!(desk.live().await.len(), 5);
        let said = desk
            .post(
                "/session/end",
                &format!("handle={handle}&user=ada&reason=stolen+laptop"),
            )
            .await;
        assert_eq!(
            (said.status, said.field("location")),
            (StatusCode::SEE_OTHER, "/ended?done=1")
        );
        assert_eq!(
            desk.live().await,
            ["id-ada-two", "id-bob-one", "id-nobody", "id-odd"]
        );
        let page = desk.get("/ended?done=1").await;
        assert!(
            page.has("1 session ended.") && page.has("stolen laptop") && page.has("grace"),
            "{}",
            page.text
        );
        let audit = desk.audit();
        assert_eq!(audit[0]["event"], "authz_admin:grace,sessions_ended");
        assert_eq!(
            (&audit[0]["count"], &audit[0]["handles"][0]),
            (&1.into(), &handle.as_str().into())
        );
        assert!(!audit[0].to_string().contains("id-ada"));
        // Once more: it is gone, and nothing is recorded.
        let again = desk
            .post("/session/end", &format!("handle={handle}&user=ada"))
            .await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
        assert_eq!(desk.audit().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_read_can_be_ended() {
    for desk in Desk::each("console_odd", Rights::all()).await {
        let handle = desk.handle("unreadable=1").await;
        let said = desk
            .post("/session/end", &format!("handle={handle}&user="))
            .await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
        assert!(!desk.has("id-odd").await);
    }
}

#[tokio::test]
async fn all_of_a_user_end_and_nobody_else_s() {
    for desk in Desk::each("console_user", Rights::all()).await {
        let said = desk.post("/user/end", "user=ada&reason=").await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
        assert_eq!(desk.live().await, ["id-bob-one", "id-nobody", "id-odd"]);
        assert_eq!(desk.audit()[0]["count"], 2);
        assert_eq!(
            desk.post("/user/end", "user=").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(desk.live().await.len(), 3);
    }
}

#[tokio::test]
async fn all_that_match_end_once_their_number_was_agreed_to() {
    for desk in Desk::each("console_filter", Rights::all()).await {
        for number in 0..20 {
            desk.put(
                &format!("many-{number}"),
                &express(r#","userId":"eve","plan":"free""#),
            )
            .await;
        }
        let page = desk.get("/end?where=plan%3Dfree").await;
        assert!(
            page.has("End 20 sessions?") && page.has("--where plan=free"),
            "{}",
            page.text
        );
        let conditions = "where=plan%3Dfree&reason=leak";
        for agreed in ["17", "23", "0", "18446744073709551615"] {
            let said = desk
                .post("/end", &format!("{conditions}&expected={agreed}"))
                .await;
            assert_eq!(said.status, StatusCode::CONFLICT, "{agreed}");
            assert!(
                said.has("Nothing was ended") && said.has("20 match now"),
                "{}",
                said.text
            );
        }
        for missing in ["", "&expected=", "&expected=many"] {
            assert_ne!(
                desk.post("/end", &format!("{conditions}{missing}"))
                    .await
                    .status,
                StatusCode::SEE_OTHER
            );
        }
        assert!(desk.audit().is_empty());
        let said = desk
            .post("/end", &format!("{conditions}&expected=21"))
            .await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
        assert!(!desk.has("many-0").await && !desk.has("many-19").await);
        assert_eq!(desk.live().await.len(), 5);
        let audit = desk.audit();
        assert_eq!(
            (&audit[0]["count"], &audit[0]["filter"]),
            (&20.into(), &"--where plan=…".into())
        );
        assert_eq!(audit[0]["reason"], "leak");
    }
}

#[tokio::test]
async fn without_a_condition_nothing_ends() {
    let desk = Desk::memory(Rights::all()).await;
    assert_eq!(desk.get("/end").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        desk.post("/end", "expected=5").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        desk.post("/end", "user=+&expected=5").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(desk.live().await.len(), 5);
}

/// connect-redis enters its sessions in no index: the inventory finds them.
#[tokio::test]
async fn sessions_of_express_that_no_index_has_are_listed_and_ended_with_their_user() {
    let redis = Redis::start();
    let store = cloakroom::AnyStore::connect(&redis.url()).await.unwrap();
    let text = express(r#","userId":"hedy""#);
    redis.command(&["SET", "sess:of-express", &text, "EX", "3600"]);
    let desk = Desk::over(std::sync::Arc::new(store), Some(redis), Rights::all()).await;
    crate::looks::inventory(&desk).await;
    assert!(
        desk.get("/sessions?user=hedy")
            .await
            .has("/session?handle=")
    );
    assert!(desk.get("/end?user=hedy").await.has("End 1 session?"));
    assert_eq!(
        desk.get("/search?q=hedy").await.field("location"),
        "/user?name=hedy"
    );
    let said = desk.post("/user/end", "user=hedy").await;
    assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
    assert_eq!(desk.audit()[0]["count"], 1);
    assert!(!desk.has("of-express").await);
}

/// Express writes what it has read, whatever happened meanwhile.
#[tokio::test]
async fn a_session_that_is_written_back_is_not_said_to_have_ended() {
    let redis = Redis::start();
    let (writes, text) = (redis.url(), express(r#","userId":"ada""#));
    let back = cloakroom::AnyStore::connect(&writes).await.unwrap();
    let desk = Desk::over(
        std::sync::Arc::new(WritesBack { store: back, text }),
        Some(redis),
        Rights::all(),
    )
    .await;
    let handle = desk.handle("user=bob").await;
    let said = desk
        .post("/session/end", &format!("handle={handle}&user=bob"))
        .await;
    assert_eq!(said.status, StatusCode::CONFLICT);
    assert!(
        said.has("there again") && said.has("mixed_fleet"),
        "{}",
        said.text
    );
}

/// A store in which another program writes back whatever ends.
struct WritesBack {
    store: cloakroom::AnyStore,
    text: String,
}

impl cloakroom::store::StoreWrapper for WritesBack {
    type Inner = cloakroom::AnyStore;

    fn inner(&self) -> &cloakroom::AnyStore {
        &self.store
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> cloakroom::store::StoreFuture<'a, bool> {
        Box::pin(async move {
            let was_there = self.store.destroy(id).await?;
            let expires = std::time::SystemTime::now() + std::time::Duration::from_hours(1);
            let entry = cloakroom::store::NewRecord {
                text: self.text.as_str().into(),
                expires: expires.into(),
                users: Vec::new(),
            };
            self.store.create(id, &entry).await?;
            Ok(was_there)
        })
    }
}

#[tokio::test]
async fn the_list_of_acts_survives_the_console() {
    let desk = Desk::memory(Rights::all()).await;
    desk.post("/user/end", "user=ada&reason=left+the+company")
        .await;
    let log = cloakroom_console::ActLog::file(&desk.acts).unwrap();
    let entry = cloakroom_console::Entry::new("hedy", Rights::look(), 7000, {
        let tokens = std::sync::Arc::clone(&desk.tokens);
        move |token: &str| tokens.lock().unwrap().push(token.to_owned())
    });
    let keys = cloakroom::KeyRing::new(crate::SECRET).unwrap();
    let console =
        cloakroom_console::Console::over(std::sync::Arc::clone(&desk.store), keys, entry.unwrap())
            .acts(log)
            .build();
    let mut later = Desk {
        router: cloakroom_console::router(console),
        ..desk
    };
    later.cookie = later.enter().await;
    let page = later.get("/ended?done=1").await;
    assert!(
        page.has("left the company") && page.has("user sessions ended") && page.has("grace"),
        "{}",
        page.text
    );
    assert!(
        !page.has("role=\"status\"><strong>"),
        "another operator's act is not this one's"
    );
}
