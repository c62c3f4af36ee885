//! Conformance of the index of users.

use std::collections::HashSet;
use std::time::Duration;

use super::Subject;
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId};

fn user() -> String {
    format!("user-{}", SessionId::random().expose())
}

async fn found(subject: &Subject, user: &str) -> HashSet<SessionId> {
    subject
        .store
        .list_by_user(user)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

/// The live sessions of a user are found, and no others.
pub async fn sessions_of_a_user_are_found(subject: &Subject) {
    let (ada, grace) = (user(), user());
    let first = subject.stored(&subject.entry_of(&ada)).await;
    let second = subject.stored(&subject.entry_of(&ada)).await;
    let other = subject.stored(&subject.entry_of(&grace)).await;
    subject.stored(&subject.entry("")).await;
    assert_eq!(
        found(subject, &ada).await,
        HashSet::from([first.clone(), second.clone()])
    );
    assert_eq!(found(subject, &grace).await, HashSet::from([other]));
    assert_eq!(found(subject, "nobody").await, HashSet::new());
    subject.store.destroy(&first).await.unwrap();
    assert_eq!(found(subject, &ada).await, HashSet::from([second]));
}

/// A session belongs to its latest user, and stays in the index when its id changes.
pub async fn sessions_follow_their_user(subject: &Subject) {
    let (ada, grace) = (user(), user());
    let anonymous = subject.entry("");
    let (id, new) = (subject.stored(&anonymous).await, SessionId::random());
    let of_ada = subject.entry_of(&ada);
    let replaced = subject
        .store
        .replace(
            &id,
            Some(&anonymous.text),
            &new,
            &of_ada,
            &RetiredId::Closed,
        )
        .await
        .unwrap();
    assert_eq!(replaced, CasOutcome::Stored);
    assert_eq!(found(subject, &ada).await, HashSet::from([new.clone()]));
    let of_grace = subject.entry_of(&grace);
    subject
        .store
        .update(&new, &of_ada.text, &of_grace)
        .await
        .unwrap();
    assert_eq!(found(subject, &ada).await, HashSet::new());
    assert_eq!(found(subject, &grace).await, HashSet::from([new.clone()]));
    subject
        .store
        .update(&new, &of_grace.text, &anonymous)
        .await
        .unwrap();
    assert_eq!(found(subject, &grace).await, HashSet::new());
}

/// A session whose keys contradict each other signs no user in: it is listed for both users, and ended with
/// the sessions of either.
pub async fn a_session_that_names_two_users_is_found_for_both(subject: &Subject) {
    let (ada, grace) = (user(), user());
    let both = format!(r#","userId":"{grace}","passport":{{"user":"{ada}"}}"#);
    let both = subject.entry_naming(&both);
    assert_eq!(both.users, [grace.clone(), ada.clone()]);
    let of_ada = subject.entry_of(&ada);
    let id = subject.stored(&of_ada).await;
    let updated = subject.store.update(&id, &of_ada.text, &both).await;
    assert_eq!(updated.unwrap(), CasOutcome::Stored);
    assert_eq!(found(subject, &ada).await, HashSet::from([id.clone()]));
    assert_eq!(found(subject, &grace).await, HashSet::from([id.clone()]));
    let new = SessionId::random();
    let read = subject.text_of(&id).await.unwrap();
    let replaced = subject
        .store
        .replace(&id, Some(&read), &new, &both, &RetiredId::Closed)
        .await;
    assert_eq!(replaced.unwrap(), CasOutcome::Stored);
    assert_eq!(found(subject, &ada).await, HashSet::from([new.clone()]));
    assert_eq!(found(subject, &grace).await, HashSet::from([new.clone()]));
    // Once the keys agree, it belongs to one user.
    let read = subject.text_of(&new).await.unwrap();
    let of_grace = subject.entry_of(&grace);
    let updated = subject.store.update(&new, &read, &of_grace).await;
    assert_eq!(updated.unwrap(), CasOutcome::Stored);
    assert_eq!(found(subject, &ada).await, HashSet::new());
    assert_eq!(found(subject, &grace).await, HashSet::from([new.clone()]));
    // A new session that names both ends with the sessions of either.
    for (ends, other) in [(&ada, &grace), (&grace, &ada)] {
        let id = subject.stored(&both).await;
        assert!(subject.store.destroy_by_user(ends, None).await.unwrap() > 0);
        assert_eq!(subject.text_of(&id).await, None);
        assert!(!found(subject, other).await.contains(&id));
    }
}

/// Users of one name in two realms are two users.
pub async fn realms_keep_their_users_apart(subject: &Subject) {
    let name = user();
    let of_staff = format!(r#","userId":"{name}","_ck":{{"created":1,"realm":"staff"}}"#);
    let of_staff = subject.entry_naming(&of_staff);
    let in_staff = of_staff.users[0].clone();
    assert_ne!(in_staff, name);
    let staff = subject.stored(&of_staff).await;
    let customer = subject.stored(&subject.entry_of(&name)).await;
    assert_eq!(
        found(subject, &in_staff).await,
        HashSet::from([staff.clone()])
    );
    assert_eq!(
        found(subject, &name).await,
        HashSet::from([customer.clone()])
    );
    let ended = subject.store.destroy_by_user(&in_staff, None).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(subject.text_of(&staff).await, None);
    assert!(subject.text_of(&customer).await.is_some());
}

/// Ending a user's sessions ends and counts all but the one to keep.
pub async fn destroy_by_user_ends_all_but_one(subject: &Subject) {
    let (ada, grace) = (user(), user());
    let keep = subject.stored(&subject.entry_of(&ada)).await;
    let mut ended = Vec::new();
    for _ in 0..20 {
        ended.push(subject.stored(&subject.entry_of(&ada)).await);
    }
    let other = subject.stored(&subject.entry_of(&grace)).await;
    assert_eq!(
        subject
            .store
            .destroy_by_user(&ada, Some(&keep))
            .await
            .unwrap(),
        20
    );
    for id in &ended {
        assert_eq!(subject.text_of(id).await, None);
    }
    assert!(subject.text_of(&keep).await.is_some());
    assert!(subject.text_of(&other).await.is_some());
    assert_eq!(subject.store.destroy_by_user(&ada, None).await.unwrap(), 1);
    assert_eq!(subject.text_of(&keep).await, None);
    assert_eq!(subject.store.destroy_by_user(&ada, None).await.unwrap(), 0);
}

/// A session that changes its id meanwhile, as at a login, is neither missed nor left.
pub async fn a_session_on_the_move_does_not_escape(subject: &Subject) {
    for _ in 0..5 {
        let ada = user();
        let entry = subject.entry_of(&ada);
        let mut id = subject.stored(&entry).await;
        let (moving, of) = (subject.clone(), entry.clone());
        let moves = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let new = SessionId::random();
                let moved = moving
                    .store
                    .replace(&id, Some(&of.text), &new, &of, &RetiredId::Closed)
                    .await;
                match moved.unwrap() {
                    CasOutcome::Stored => id = new,
                    CasOutcome::NotFound => return,
                    CasOutcome::Conflict(_) => panic!("nobody else writes"),
                }
            }
        });
        for _ in 0..20 {
            // A failed listing is better than one that lacks a session.
            if let Ok(found) = subject.store.list_by_user(&ada).await {
                assert!(!found.is_empty());
            }
        }
        assert!(subject.store.destroy_by_user(&ada, None).await.unwrap() > 0);
        moves.await.unwrap();
        assert_eq!(found(subject, &ada).await, HashSet::new());
    }
}
