//! Conformance under concurrency.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Subject;
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId};

const TASKS: usize = 64;
const ROUNDS: usize = 20;

/// Of many concurrent creations of one session, one succeeds.
pub async fn of_many_creators_one_wins(subject: &Subject) {
    let id = SessionId::random();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (subject, id) = (subject.clone(), id.clone());
        let entry = subject.entry(&format!(r#","task":{task}"#));
        tasks.spawn(async move { subject.store.create(&id, &entry).await.is_ok() });
    }
    assert_eq!(wins(tasks).await, 1);
}

/// Of many updates that all read the same text, one succeeds.
pub async fn of_many_updates_of_one_text_one_wins(subject: &Subject) {
    let base = Arc::new(subject.entry(""));
    let id = subject.stored(&base).await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (subject, id, base) = (subject.clone(), id.clone(), Arc::clone(&base));
        let entry = subject.entry(&format!(r#","task":{task}"#));
        tasks.spawn(async move {
            subject.store.update(&id, &base.text, &entry).await.unwrap() == CasOutcome::Stored
        });
    }
    assert_eq!(wins(tasks).await, 1);
}

/// Saves under way while a session is destroyed do not resurrect it.
pub async fn no_save_revives_a_destroyed_session(subject: &Subject) {
    for _ in 0..ROUNDS {
        let id = subject.stored(&subject.entry(r#","a":0"#)).await;
        let mut savers = savers(subject, &id);
        let destroying = subject.clone();
        let destroyed = id.clone();
        savers.spawn(async move { destroying.store.destroy(&destroyed).await.unwrap() });
        wins(savers).await;
        assert_eq!(subject.text_of(&id).await, None);
    }
}

/// Saves under way while a session changes its id reach neither id.
pub async fn no_save_reaches_a_replaced_session(subject: &Subject) {
    for _ in 0..ROUNDS {
        let (old, new) = (
            subject.stored(&subject.entry(r#","a":0"#)).await,
            SessionId::random(),
        );
        let mut savers = savers(subject, &old);
        let entry = subject.entry(r#","login":true"#);
        let (replacing, from, to, stored) =
            (subject.clone(), old.clone(), new.clone(), entry.clone());
        savers.spawn(async move {
            replacing
                .store
                .replace(&from, None, &to, &stored, &RetiredId::Closed)
                .await
                .unwrap()
                == CasOutcome::Stored
        });
        wins(savers).await;
        assert_eq!(subject.text_of(&old).await, None);
        subject.holds(&new, &entry.text).await;
    }
}

/// A login that races a logout everywhere is either ended or still found by the next one.
pub async fn logins_racing_a_logout_everywhere_stay_in_the_index(subject: &Subject) {
    for _ in 0..ROUNDS {
        let user = format!("racer-{}", SessionId::random().expose());
        let mut tasks: JoinSet<Vec<SessionId>> = JoinSet::new();
        for _ in 0..8 {
            let (subject, entry) = (subject.clone(), subject.entry_of(&user));
            tasks.spawn(async move { vec![subject.stored(&entry).await] });
        }
        let (ending, of) = (subject.clone(), user.clone());
        tasks.spawn(async move {
            ending.store.destroy_by_user(&of, None).await.unwrap();
            Vec::new()
        });
        let ids: Vec<SessionId> = tasks.join_all().await.into_iter().flatten().collect();
        let indexed = subject.store.list_by_user(&user).await.unwrap();
        for id in ids {
            let live = subject.text_of(&id).await.is_some();
            assert_eq!(live, indexed.contains(&id));
        }
        subject.store.destroy_by_user(&user, None).await.unwrap();
        assert_eq!(subject.store.list_by_user(&user).await.unwrap(), []);
    }
}

/// Spawns tasks that each read the session and save it, as requests under way do.
fn savers(subject: &Subject, id: &SessionId) -> JoinSet<bool> {
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let (subject, id) = (subject.clone(), id.clone());
        tasks.spawn(async move {
            let Some(read) = subject.text_of(&id).await else {
                return false;
            };
            tokio::task::yield_now().await;
            let entry = subject.entry(&format!(r#","a":{task}"#));
            subject.store.update(&id, &read, &entry).await.unwrap() == CasOutcome::Stored
        });
    }
    tasks
}

async fn wins(tasks: JoinSet<bool>) -> usize {
    tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count()
}
