//! Instants, counts and pages: where one too many or one too few is not noticed by anybody else.

use std::collections::HashSet;
use std::time::Duration;

use super::{LONGER, SHORT, Subject};
use crate::clock::Clock;
use crate::id::SessionId;
use crate::store::StoreErrorKind;

/// A page is asked for with this limit, which is about how many it has.
pub(super) const LIMIT: usize = 7;
/// A page with more than that ignores it, however a store counts.
pub(super) const MOST: usize = 8 * LIMIT;

/// A session whose expiry is this very instant is over: for whoever reads, lists, counts, saves. Only a store
/// that goes by the test's clock can be asked.
pub async fn a_session_is_over_at_the_instant_of_its_expiry(subject: &Subject) {
    if !matches!(subject.clock, Clock::Manual(_)) {
        return;
    }
    let user = SessionId::random().expose().to_owned();
    let mut entry = subject.entry_of(&user);
    entry.expires = subject.now().after(SHORT);
    let id = subject.stored(&entry).await;
    subject
        .wait(SHORT.saturating_sub(Duration::from_millis(1)))
        .await;
    assert!(subject.text_of(&id).await.is_some(), "a moment before");
    let rest = if subject.in_seconds { 2_000 } else { 0 };
    subject.wait(Duration::from_millis(1 + rest)).await;
    assert!(
        subject.text_of(&id).await.is_none(),
        "`get` at that instant"
    );
    let of_user = subject.store.list_by_user(&user).await.unwrap();
    assert!(of_user.is_empty(), "`of_user` at that instant");
    let living = subject.store.expiries(std::slice::from_ref(&id)).await;
    assert_eq!(living.unwrap(), [None], "`living` at that instant");
    let ids = pages(subject).await.concat();
    assert!(!ids.contains(&id), "`scan` at that instant");
    let ended = subject.store.destroy_by_user(&user, None).await.unwrap();
    assert_eq!(ended, 0, "`destroy_by_user` counts what is live");
    let created = subject.store.create(&id, &subject.entry("")).await;
    created.expect("the id is free again at that instant");
}

/// A touch moves the expiry on although another request has changed the text since.
pub async fn touch_moves_the_expiry_after_a_change_of_another(subject: &Subject) {
    let entry = subject.entry(r#","a":1"#);
    let id = subject.stored(&entry).await;
    let changed = subject.entry(r#","a":2"#);
    let saved = subject.store.update(&id, &entry.text, &changed).await;
    saved.unwrap();
    let later = subject.entry_for(r#","a":1"#, Duration::from_mins(30));
    assert!(subject.store.touch(&id, &entry.text, &later).await.unwrap());
    let stored = subject.store.get(&id).await.unwrap().unwrap();
    let (said, meant) = (stored.expires.as_millis(), later.expires.as_millis());
    assert!((said - meant).abs() <= 1_500, "it says {said}, not {meant}");
    subject.same(&stored.text, &changed.text);
}

/// A count has each live session once, and none that is over. Only a store of one's own can be counted.
pub async fn count_is_of_live_sessions(subject: &Subject) {
    let before = subject.store.count().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(subject.stored(&subject.entry("")).await);
    }
    if !matches!(subject.clock, Clock::Manual(_)) {
        let now = subject.store.count().await.unwrap();
        assert!(now > 0, "there are live sessions");
        return;
    }
    assert_eq!(subject.store.count().await.unwrap(), before + 5);
    subject.store.destroy(&ids[0]).await.unwrap();
    assert_eq!(subject.store.count().await.unwrap(), before + 4);
    subject.stored(&subject.entry_for("", SHORT)).await;
    assert_eq!(subject.store.count().await.unwrap(), before + 5);
    subject.wait(LONGER).await;
    let now = subject.store.count().await.unwrap();
    assert_eq!(now, before + 4, "what is over is counted no more");
}

/// Pruning tells how many records went. Only a store that goes by the test's clock is sure not to have let go
/// of them by itself.
pub async fn prune_tells_how_many_went(subject: &Subject) {
    if !matches!(subject.clock, Clock::Manual(_)) {
        return;
    }
    subject.store.prune().await.unwrap();
    subject.stored(&subject.entry("")).await;
    for _ in 0..10 {
        subject.stored(&subject.entry_for("", SHORT)).await;
    }
    subject.wait(LONGER).await;
    assert_eq!(subject.store.prune().await.unwrap(), 10);
}

/// A page of a scan has about as many sessions as it was asked for, and over all pages each is there about
/// once.
pub async fn scan_keeps_to_its_limit_and_repeats_no_page(subject: &Subject) {
    let mut stored = HashSet::new();
    for _ in 0..150 {
        stored.insert(subject.stored(&subject.entry("")).await);
    }
    let pages = pages(subject).await;
    let longest = pages.iter().map(Vec::len).max().unwrap_or(0);
    assert!(
        longest <= MOST,
        "a page of {longest}, asked for with a limit of {LIMIT}"
    );
    let given: Vec<_> = pages.concat();
    let own = given.iter().filter(|id| stored.contains(id)).count();
    let most = stored.len() + stored.len() / 4;
    assert!(
        own <= most,
        "{own} times an id, of {} sessions",
        stored.len()
    );
    let given: HashSet<_> = given.into_iter().collect();
    assert!(given.is_superset(&stored), "each session is there");
}

/// A cursor that no scan gave is refused as invalid, or is the end, or a place to begin: it ends nothing, and
/// brings nothing that is not live.
pub async fn a_foreign_cursor_changes_nothing(subject: &Subject) {
    let live = subject.stored(&subject.entry(r#","a":1"#)).await;
    let gone = subject.stored(&subject.entry("")).await;
    subject.store.destroy(&gone).await.unwrap();
    for cursor in [
        "'; DROP TABLE sessions; --",
        "",
        "\u{1f}",
        "*",
        "99999999999999999999",
    ] {
        match subject.store.scan(Some(cursor), LIMIT).await {
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Invalid, "{cursor:?}"),
            Ok(page) => {
                assert!(!page.ids.contains(&gone), "{cursor:?} brings what is over");
                assert!(page.ids.len() <= MOST, "{cursor:?} brings everything");
            }
        }
        match subject.store.scan_records(Some(cursor), LIMIT).await {
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Invalid, "{cursor:?}"),
            Ok(page) => {
                let is_over = page.records.iter().any(|(id, _)| *id == gone);
                assert!(!is_over, "{cursor:?} brings what is over");
                assert!(page.records.len() <= MOST, "{cursor:?} brings everything");
            }
        }
        subject.holds(&live, &super::text(r#","a":1"#)).await;
    }
}

/// All pages of a scan.
async fn pages(subject: &Subject) -> Vec<Vec<SessionId>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = subject.store.scan(cursor.as_deref(), LIMIT).await.unwrap();
        pages.push(page.ids);
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
        assert!(pages.len() < 100_000, "a scan is done at some time");
    }
}
