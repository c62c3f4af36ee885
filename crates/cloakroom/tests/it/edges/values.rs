//! V12: `null` is no value, and an error names the key and the type.

use cloakroom::{Session, SessionError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Log, Visitor};

const SECRET: &str = "what only the visitor should know";

async fn session() -> Session {
    let visitor = Visitor::by_default();
    let session = visitor.open().await;
    session.insert_raw("user", "null").unwrap();
    session.insert("note", SECRET).unwrap();
    session.insert("views", 7).unwrap();
    session
}

#[tokio::test]
async fn v12_null_reads_as_missing() {
    let session = session().await;
    assert_eq!(session.get::<String>("user").unwrap(), None);
    assert_eq!(session.get::<u32>("user").unwrap(), None);
    assert_eq!(session.get::<Value>("user").unwrap(), None);
    assert_eq!(session.get::<Option<String>>("user").unwrap(), None);
    assert_eq!(session.get::<Option<u32>>("views").unwrap(), Some(Some(7)));
    assert_eq!(session.get_raw("user").unwrap().as_deref(), Some("null"));
    assert!(session.keys().contains(&"user".to_owned()));
    assert_eq!(session.user(), None);
    let seen = session.update("user", |user: Option<String>| {
        user.unwrap_or_else(|| "nobody".into())
    });
    assert_eq!(seen.await.unwrap(), "nobody");
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(default)]
struct Visit {
    user: String,
    theme: String,
    views: u32,
    gone: Option<u32>,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            user: "a stranger".into(),
            theme: "light".into(),
            views: 1,
            gone: None,
        }
    }
}

#[tokio::test]
async fn v12_a_typed_session_reads_null_as_missing() {
    let session = session().await;
    session.insert_raw("gone", "null").unwrap();
    let mut visit = session.typed::<Visit>().unwrap();
    assert_eq!(
        (visit.user.as_str(), visit.theme.as_str(), visit.views),
        ("a stranger", "light", 7)
    );
    visit.views += 1;
    drop(visit);
    assert_eq!(session.get::<u32>("views").unwrap(), Some(8));
    assert_eq!(
        session.get_raw("user").unwrap().as_deref(),
        Some("null"),
        "left as it was"
    );
    assert_eq!(session.keys(), ["user", "note", "views", "gone"]);
}

#[derive(Debug, Serialize, Deserialize)]
struct Strict {
    views: u32,
    note: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lacking {
    views: u32,
    nothing_of_the_kind: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    views: u32,
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, Value>,
}

#[tokio::test]
async fn v12_an_error_names_key_and_type_and_no_data() {
    let session = session().await;
    let of_type: [(SessionError, &str, &str); 5] = [
        (session.get::<u32>("note").unwrap_err(), "`note`", "u32"),
        (
            session
                .update("note", |n: Option<u32>| n.unwrap_or(0))
                .await
                .unwrap_err(),
            "`note`",
            "u32",
        ),
        (session.typed::<Strict>().unwrap_err(), "`note`", "Strict"),
        (
            session.typed::<Lacking>().unwrap_err(),
            "`nothing_of_the_kind`",
            "Lacking",
        ),
        (session.insert("odd", Odd).unwrap_err(), "`odd`", "Odd"),
    ];
    for (error, key, of_type) in of_type {
        let printed = format!("{error} {error:?} {error:#?}");
        assert!(matches!(error, SessionError::Value(_)), "{printed}");
        assert!(error.to_string().contains(key), "{printed}");
        assert!(error.to_string().contains(of_type), "{printed}");
        assert!(!printed.contains(SECRET), "{printed}");
    }
    let hostile = session.insert("a\nb", Odd).unwrap_err();
    assert!(!hostile.to_string().contains('\n'), "{hostile}");
    let nobody = session.login(()).await.unwrap_err().to_string();
    assert!(nobody.starts_with("a user is a text"), "{nobody}");
    let flat = session.typed::<Flat>().unwrap();
    assert_eq!((flat.views, flat.rest["note"].as_str()), (7, Some(SECRET)));
}

/// A value that JSON cannot represent.
struct Odd;

impl Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(SECRET))
    }
}

#[tokio::test]
async fn v12_half_a_surrogate_pair_is_read_in_a_typed_session() {
    let session = session().await;
    session.insert_raw("theme", r#""\ud83d""#).unwrap();
    assert_eq!(session.typed::<Visit>().unwrap().theme, "\u{fffd}");
}

#[tokio::test]
async fn v12_a_handlers_error_is_logged_with_key_and_type() {
    use axum::Router;
    use axum::routing::get;
    use cloakroom::{Policy, Typed};

    use crate::support::{App, keys};

    async fn bad(session: Session) -> Result<String, SessionError> {
        session.insert("note", SECRET)?;
        Ok(session.get::<u32>("note")?.unwrap_or(0).to_string())
    }
    async fn typed(visit: Typed<Lacking>) -> String {
        visit.views.to_string()
    }
    let (log, _guard) = Log::listen();
    let routes = Router::new()
        .route("/", get(bad))
        .route("/typed", get(typed));
    let app = App::new(Policy::builder(keys()).build().unwrap(), routes);
    let mut client = app.client();
    for path in ["/", "/typed"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status.as_u16(), 500);
        assert!(
            !answer.body.is_empty() && !answer.body.contains(SECRET),
            "{}",
            answer.body
        );
    }
    let text = log.text();
    assert!(text.contains("`note`") && text.contains("u32"), "{text}");
    assert!(
        text.contains("`views`") && text.contains("Lacking"),
        "{text}"
    );
    assert!(!text.contains(SECRET), "{text}");
}
