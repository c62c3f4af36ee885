//! Y1: sessions outside a request.

use cloakroom::{SessionError, SessionId};

use super::visitor::{Visitor, somebody};
use crate::support::servers::on_every_store;

async fn y1_a_session_is_found_by_its_id_and_by_its_user(url: &str) {
    found(url, false).await;
}

async fn y1_a_session_is_found_where_ids_are_hashed_at_rest(url: &str) {
    found(url, true).await;
}

async fn found(url: &str, hashed: bool) {
    let mut visitor = Visitor::new(url, |policy| policy.hash_ids_at_rest(hashed)).await;
    let manager = visitor.manager.clone();
    let user = somebody();
    let id = visitor
        .visit(async |session| {
            session.insert("cart", "a hat")?;
            session.login(&user).await?;
            Ok(session.id())
        })
        .await;
    let listed = manager.sessions_of(&user).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0] == id, !hashed);

    for (name, by) in [("by its own id", &id), ("by the store's", &listed[0])] {
        let session = manager.find_session(by).await.unwrap().expect(name);
        assert_eq!(session.user().as_deref(), Some(&*user), "{name}");
        session.insert("paid", name).unwrap();
        session.save().await.unwrap();
        let steps = session.update("steps", |n: Option<u32>| n.unwrap_or(0) + 1);
        steps.await.unwrap();
        let (paid, cart): (Option<String>, Option<String>) = visitor
            .visit(async |session| {
                assert_eq!(session.id(), id, "{name}");
                Ok((session.get("paid")?, session.get("cart")?))
            })
            .await;
        assert_eq!(paid.as_deref(), Some(name));
        assert_eq!(cart.as_deref(), Some("a hat"), "{name}");
    }
    let mine = manager.find_sessions_of(&user).await.unwrap();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].get("steps").unwrap(), Some(2));

    // Whatever would need a cookie is refused, and leaves all as it was.
    let session = &mine[0];
    let refused = [
        session.login("eve").await,
        session.regenerate(),
        session.reset(),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(SessionError::HeadersSent)));
    }
    let other_layer = visitor.with(|policy| policy.hash_ids_at_rest(hashed).realm("staff"));
    assert!(other_layer.find_session(&id).await.unwrap().is_none());
    assert!(!other_layer.end_session(&id).await.unwrap());
    let unknown = SessionId::random();
    assert!(manager.find_session(&unknown).await.unwrap().is_none());

    assert!(manager.end_session(&listed[0]).await.unwrap());
    assert!(!manager.end_session(&listed[0]).await.unwrap());
    assert!(visitor.open().await.is_new());
    assert!(manager.find_sessions_of(&user).await.unwrap().is_empty());
    assert!(matches!(mine[0].save().await, Err(SessionError::Gone)));
}

/// A job that began before the visitor's id was renewed.
async fn y1_a_renewed_id_leads_to_its_session(url: &str) {
    for hashed in [false, true] {
        let mut visitor = Visitor::new(url, |policy| policy.hash_ids_at_rest(hashed)).await;
        let user = somebody();
        let id = visitor
            .visit(async |session| {
                session.login(&user).await?;
                Ok(session.id())
            })
            .await;
        visitor.visit(async |session| session.regenerate()).await;
        let session = visitor.manager.find_session(&id).await.unwrap().unwrap();
        session.insert("paid", 1).unwrap();
        session.save().await.unwrap();
        let paid = visitor.visit(async |session| session.get("paid")).await;
        assert_eq!(paid, Some(1), "hashed: {hashed}");
    }
}

on_every_store!(
    y1_a_session_is_found_by_its_id_and_by_its_user
    y1_a_session_is_found_where_ids_are_hashed_at_rest
    y1_a_renewed_id_leads_to_its_session
);
