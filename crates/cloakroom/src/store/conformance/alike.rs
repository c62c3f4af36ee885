//! Names and ids that look alike are different ones.

use super::Subject;
use crate::id::SessionId;
use crate::record::stringify;
use crate::store::NewRecord;

/// A name, and others that a careless comparison takes for it: by its beginning, without case, with blanks
/// cut off, without accents.
fn alike() -> Vec<String> {
    let base = format!("Zoé-{}x", SessionId::random().expose());
    let shorter = base[..base.len() - 1].to_owned();
    vec![
        shorter,
        format!("{base}x"),
        base.to_uppercase(),
        base.to_lowercase(),
        format!("{base} "),
        format!(" {base}"),
        base.replace('é', "e"),
        // The same letter, in two characters.
        base.replace('é', "e\u{301}"),
        base.replace('-', "_"),
        base.replace('-', "%"),
        base,
    ]
}

impl Subject {
    fn entry_by_name(&self, user: &str) -> NewRecord {
        let name = stringify(user).expect("a text is JSON");
        NewRecord {
            users: vec![user.to_owned()],
            ..self.entry(&format!(r#","userId":{name}"#))
        }
    }
}

/// A user's sessions are found, and ended, by the very name: neither by its beginning, nor regardless of case,
/// accents or blanks, nor as a pattern.
pub async fn users_who_look_alike_are_others(subject: &Subject) {
    let users = alike();
    let mut sessions = Vec::new();
    for user in &users {
        sessions.push(subject.stored(&subject.entry_by_name(user)).await);
    }
    for (user, id) in users.iter().zip(&sessions) {
        let found = subject.store.list_by_user(user).await.unwrap();
        assert_eq!(found, std::slice::from_ref(id), "the sessions of {user:?}");
    }
    // What no user is called finds nobody, whether or not the store can be asked for it.
    let last = users.last().expect("there are some");
    for name in [format!("{last}\0"), String::new(), "%".into(), "*".into()] {
        let found = subject.store.list_by_user(&name).await.unwrap_or_default();
        let found = sessions.iter().any(|id| found.contains(id));
        assert!(!found, "the name {name:?} finds sessions of others");
    }
    for (at, user) in users.iter().enumerate() {
        let ended = subject.store.destroy_by_user(user, None).await.unwrap();
        assert_eq!(ended, 1, "ending the sessions of {user:?} ends one");
        for (other, id) in sessions.iter().enumerate() {
            let is_there = subject.text_of(id).await.is_some();
            assert_eq!(is_there, other > at, "{:?} after {user:?}", users[other]);
        }
    }
}

/// A session is found, changed and ended by the very id: neither by its beginning nor regardless of case.
pub async fn ids_that_look_alike_are_others(subject: &Subject) {
    let base = format!("Aa{}x", SessionId::random().expose());
    let ids = [
        base[..base.len() - 1].to_owned(),
        format!("{base}x"),
        base.to_lowercase(),
        base.to_uppercase(),
        base,
    ];
    let ids = ids.map(|id| SessionId::from_store(&id));
    for (n, id) in ids.iter().enumerate() {
        let entry = subject.entry(&format!(r#","n":{n}"#));
        let created = subject.store.create(id, &entry).await;
        created.expect("an id that looks like another is free");
    }
    for (n, id) in ids.iter().enumerate() {
        subject
            .holds(id, &super::text(&format!(r#","n":{n}"#)))
            .await;
    }
    for (at, id) in ids.iter().enumerate() {
        assert!(subject.store.destroy(id).await.unwrap());
        for (other, id) in ids.iter().enumerate() {
            let is_there = subject.text_of(id).await.is_some();
            assert_eq!(is_there, other > at, "id {other} after id {at} was ended");
        }
    }
}
