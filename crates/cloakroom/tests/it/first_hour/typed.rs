//! Y14: several views of one session in one request, and a list right after a login.

use cloakroom::{Session, SessionError};
use serde::{Deserialize, Serialize};

use super::visitor::{Visitor, somebody};
use crate::support::servers::on_every_store;

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Visit {
    views: u32,
    theme: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Cart {
    views: u32,
    items: Vec<String>,
}

async fn y14_several_typed_extractors_keep_each_others_changes(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    let session = visitor.open().await;
    let mut visit = session.typed::<Visit>().unwrap();
    let mut cart = session.typed::<Cart>().unwrap();
    visit.theme = "dark".into();
    cart.items.push("a hat".into());
    cart.views = 1;
    drop(visit);
    drop(cart);
    visitor.close(&session).await;

    let session = visitor.open().await;
    let mut visit = session.typed::<Visit>().unwrap();
    let mut cart = session.typed::<Cart>().unwrap();
    assert_eq!((visit.views, &*visit.theme), (1, "dark"));
    assert_eq!(cart.items, ["a hat"]);
    // One field, by both: the first stays, and the second gets an error.
    visit.views = 10;
    cart.views = 20;
    cart.items.push("a coat".into());
    visit.commit().unwrap();
    assert!(matches!(cart.commit(), Err(SessionError::Conflict)));
    assert_eq!(session.get("views").unwrap(), Some(10));
    assert_eq!(session.get("items").unwrap(), Some(["a hat".to_owned()]));
    // Both to the same value is no contradiction.
    cart.views = 10;
    cart.commit().unwrap();
    assert_eq!(
        session.get::<Vec<String>>("items").unwrap().unwrap().len(),
        2
    );
}

async fn y14_a_typed_does_not_undo_an_update(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    visitor
        .visit(async |session| session.insert("views", 1))
        .await;
    let session = visitor.open().await;
    let mut visit = session.typed::<Visit>().unwrap();
    let next = |n: Option<u32>| n.unwrap_or(0) + 1;
    session.update("views", next).await.unwrap();
    visit.theme = "dark".into();
    visit.commit().unwrap();
    assert_eq!(session.get("views").unwrap(), Some(2));
    session.update("views", next).await.unwrap();
    visit.views += 1;
    assert!(matches!(visit.commit(), Err(SessionError::Conflict)));
    drop(visit);
    assert_eq!(session.get("views").unwrap(), Some(3));
    // Its own steps, one after the other, are its own.
    let mut visit = session.typed::<Visit>().unwrap();
    for _ in 0..3 {
        visit.views += 1;
        visit.commit().unwrap();
    }
    assert_eq!(session.get("views").unwrap(), Some(6));
}

async fn y14_the_list_after_a_login_has_this_session(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    let user = somebody();
    for round in 1..=2 {
        let devices = visitor
            .visit(async |session| {
                session.login(&user).await?;
                session.devices().await
            })
            .await;
        assert_eq!(devices.len(), 1, "{round}");
        assert!(devices[0].is_current, "{round}");
    }
    let session = visitor.open().await;
    assert_eq!(session.user(), Some(user));
}

on_every_store!(
    y14_several_typed_extractors_keep_each_others_changes
    y14_a_typed_does_not_undo_an_update
    y14_the_list_after_a_login_has_this_session
);

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Account {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    name: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Renamed {
    #[serde(rename = "accountId")]
    id: Option<u32>,
}

#[derive(Serialize, Deserialize, Default)]
struct Flattened {
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Inner {
    cookie: u32,
}

#[tokio::test]
async fn y14_a_field_with_a_reserved_name_is_refused_by_the_extractor() {
    fn refused<T>(typed: Result<T, SessionError>) -> String {
        match typed {
            Err(SessionError::ReservedKey(key)) => key,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it is taken"),
        }
    }
    let visitor = Visitor::new("memory:", |policy| policy).await;
    let session: Session = visitor.open().await;
    assert_eq!(refused(session.typed::<Account>()), "id");
    assert_eq!(refused(session.typed::<Flattened>()), "cookie");
    let mut renamed = session.typed::<Renamed>().unwrap();
    renamed.id = Some(7);
    renamed.commit().unwrap();
    assert_eq!(session.get("accountId").unwrap(), Some(7));
}
