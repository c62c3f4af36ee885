//! Races with a statement that waits for a row which another one changes.

use tokio_postgres::{Client, Transaction};

use super::super::PostgresStore;
use super::{entry, open, options, raw, stored, unique, until_blocked};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, Store as _};

struct Scene {
    table: String,
    store: PostgresStore,
    watching: Client,
}

async fn scene(what: &str) -> Scene {
    let table = unique(what);
    Scene {
        store: open(options(&table)).await,
        table,
        watching: raw().await,
    }
}

impl Scene {
    async fn rewrite(&self, by: &Transaction<'_>, id: &SessionId, text: &str) {
        let sql = format!(
            r#"UPDATE "{}" SET sess = $1::text::json WHERE sid = $2"#,
            self.table
        );
        let changed = by.execute(&sql, &[&text, &id.expose()]).await.unwrap();
        assert_eq!(changed, 1);
    }

    async fn delete(&self, by: &Transaction<'_>, id: &SessionId) {
        let sql = format!(r#"DELETE FROM "{}" WHERE sid = $1"#, self.table);
        assert_eq!(by.execute(&sql, &[&id.expose()]).await.unwrap(), 1);
    }

    async fn blocked(&self) {
        until_blocked(&self.watching, &self.table).await;
    }
}

#[tokio::test]
async fn an_update_that_waited_sees_what_was_written_meanwhile() {
    let scene = scene("late").await;
    let mut other = raw().await;
    let id = stored(&scene.store, "").await;
    let read = entry("");
    let writing = other.transaction().await.unwrap();
    scene.rewrite(&writing, &id, r#"{"other":1}"#).await;
    let (store, by) = (scene.store.clone(), id.clone());
    let update = tokio::spawn(async move { store.update(&by, &read.text, &entry("")).await });
    scene.blocked().await;
    writing.commit().await.unwrap();
    let CasOutcome::Conflict(stands) = update.await.unwrap().unwrap() else {
        panic!("it was changed")
    };
    assert_eq!(&*stands.text, r#"{"other":1}"#);
}

#[tokio::test]
async fn update_that_waited_for_a_logout_resurrects_nothing() {
    let scene = scene("logout").await;
    let mut other = raw().await;
    let id = stored(&scene.store, "").await;
    let ending = other.transaction().await.unwrap();
    scene.delete(&ending, &id).await;
    let (store, by) = (scene.store.clone(), id.clone());
    let update = tokio::spawn(async move {
        store
            .update(&by, &entry("").text, &entry(""))
            .await
            .unwrap()
    });
    scene.blocked().await;
    ending.commit().await.unwrap();
    assert_eq!(update.await.unwrap(), CasOutcome::NotFound);
    assert_eq!(scene.store.get(&id).await.unwrap(), None);
}

#[tokio::test]
async fn a_replace_that_waited_for_a_logout_makes_no_session() {
    let scene = scene("login").await;
    let mut other = raw().await;
    let (id, new) = (stored(&scene.store, "").await, SessionId::random());
    let ending = other.transaction().await.unwrap();
    scene.delete(&ending, &id).await;
    let (store, from, to) = (scene.store.clone(), id.clone(), new.clone());
    let replace = tokio::spawn(async move {
        let entry = entry("");
        store
            .replace(&from, Some(&entry.text), &to, &entry, &RetiredId::Closed)
            .await
    });
    scene.blocked().await;
    ending.commit().await.unwrap();
    assert_eq!(replace.await.unwrap().unwrap(), CasOutcome::NotFound);
    assert_eq!(scene.store.get(&new).await.unwrap(), None);
}

/// Plays the three ways out of a logout everywhere that has begun.
#[tokio::test]
async fn no_session_slips_through_a_logout_everywhere() {
    let ada = r#"{"userId":"ada"}"#;
    let hidden = r#"{"userId":"ada","nul":"\u0000"}"#;
    for (was, becomes, renewed) in [
        (ada, ada, true),
        (ada, hidden, false),
        (hidden, ada, false),
        (hidden, hidden, true),
    ] {
        let scene = scene("slips").await;
        let mut other = raw().await;
        let mut record = entry("");
        record.text = was.into();
        let (id, new) = (SessionId::random(), SessionId::random());
        scene.store.create(&id, &record).await.unwrap();
        let writing = other.transaction().await.unwrap();
        if renewed {
            scene.delete(&writing, &id).await;
            let sql = format!(
                r#"INSERT INTO "{}" SELECT $1, $2::text::json, now() + interval '1 h'"#,
                scene.table
            );
            let inserted = writing.execute(&sql, &[&new.expose(), &becomes]).await;
            assert_eq!(inserted.unwrap(), 1);
        } else {
            scene.rewrite(&writing, &id, becomes).await;
        }
        let store = scene.store.clone();
        let ending = tokio::spawn(async move { store.destroy_by_user("ada", None).await.unwrap() });
        scene.blocked().await;
        writing.commit().await.unwrap();
        assert_eq!(ending.await.unwrap(), 1, "{was} {becomes}");
        assert_eq!(scene.store.count().await.unwrap(), 0, "{was} {becomes}");
    }
}

#[tokio::test]
async fn a_session_that_became_another_users_outlives_the_logout() {
    let scene = scene("became").await;
    let mut other = raw().await;
    let id = stored(&scene.store, r#","userId":"ada""#).await;
    let writing = other.transaction().await.unwrap();
    scene.rewrite(&writing, &id, r#"{"userId":"grace"}"#).await;
    let store = scene.store.clone();
    let ending = tokio::spawn(async move { store.destroy_by_user("ada", None).await.unwrap() });
    scene.blocked().await;
    writing.commit().await.unwrap();
    assert_eq!(ending.await.unwrap(), 0);
    assert!(scene.store.get(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn v8_a_logout_everywhere_that_was_dropped_is_finished_and_leaves_no_transaction() {
    let scene = scene("dropped").await;
    let mut other = raw().await;
    let id = stored(&scene.store, r#","userId":"ada","nul":"\u0000""#).await;
    let writing = other.transaction().await.unwrap();
    let text = r#"{"userId":"ada","nul":"\u0000","n":1}"#;
    scene.rewrite(&writing, &id, text).await;
    let store = scene.store.clone();
    let ending = tokio::spawn(async move { store.destroy_by_user("ada", None).await });
    scene.blocked().await;
    ending.abort();
    writing.commit().await.unwrap();
    let open = format!(
        "SELECT FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%{}%' \
         AND pid <> pg_backend_pid()",
        scene.table
    );
    super::eventually("no transaction is left open", async || {
        scene.watching.query(&open, &[]).await.unwrap().is_empty()
    })
    .await;
    super::eventually("the logout is finished", async || {
        scene.store.get(&id).await.unwrap().is_none()
    })
    .await;
    assert_eq!(scene.store.destroy_by_user("ada", None).await.unwrap(), 0);
}

#[tokio::test]
async fn a_touch_that_waited_leaves_the_new_text_alone() {
    let scene = scene("touch").await;
    let mut other = raw().await;
    let id = stored(&scene.store, "").await;
    let writing = other.transaction().await.unwrap();
    scene.rewrite(&writing, &id, r#"{"other":1}"#).await;
    let (store, by) = (scene.store.clone(), id.clone());
    let mut record = entry("");
    record.expires = record.expires.after(std::time::Duration::from_hours(1));
    let touched = record.clone();
    let touch = tokio::spawn(async move { store.touch(&by, &record.text, &record).await });
    scene.blocked().await;
    writing.commit().await.unwrap();
    assert!(touch.await.unwrap().unwrap());
    let found = scene.store.get(&id).await.unwrap().unwrap();
    assert_eq!(&*found.text, r#"{"other":1}"#);
    assert!(found.expires >= touched.expires);
}
