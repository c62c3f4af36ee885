//! Conformance of pages of whole records, and of conditional writes.

use std::collections::HashMap;
use std::time::Duration;

use super::counts::{LIMIT, MOST};
use super::{LONGER, SHORT, Subject, text};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{NewRecord, PutIf, PutOutcome, RETIRED_FOR, RetiredId, StoredRecord};

/// Tolerance between two readings of one session's expiry: a store may count in seconds, or by the time that
/// is left.
const ROUNDED: i64 = 1_500;

fn assert_about(said: Timestamp, meant: Timestamp) {
    let off = said.as_millis() - meant.as_millis();
    assert!(off.abs() <= ROUNDED, "off by {off} ms");
}

async fn put(
    subject: &Subject,
    id: &SessionId,
    entry: &NewRecord,
    condition: &PutIf,
) -> PutOutcome {
    let putting = subject.store.put(id, entry, condition);
    putting.await.expect("the store takes it")
}

async fn record_of(subject: &Subject, id: &SessionId) -> StoredRecord {
    let stored = subject.store.get(id).await.unwrap();
    stored.expect("the session is there")
}

/// Fails unless a put was refused because of the record that is stored.
fn assert_conflict(subject: &Subject, put: PutOutcome, stored: &StoredRecord) {
    let PutOutcome::Conflict(found) = put else {
        panic!("{put:?}")
    };
    subject.same(&found.text, &stored.text);
    assert_about(found.expires, stored.expires);
}

/// Returns all pages of a scan of records.
async fn pages(subject: &Subject, limit: usize) -> Vec<HashMap<SessionId, StoredRecord>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let scanning = subject.store.scan_records(cursor.as_deref(), limit);
        let page = scanning.await.unwrap();
        let read = page.records.into_iter();
        pages.push(
            read.filter_map(|(id, read)| Some((id, read.ok()?)))
                .collect(),
        );
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
        assert!(pages.len() < 100_000, "a scan is done at some time");
    }
}

/// A scan of records returns each live session with its text and its expiry, in pages of about the limit, and
/// none that ended.
pub async fn scan_records_gives_each_live_record(subject: &Subject) {
    let mut stored = HashMap::new();
    for n in 0_u64..120 {
        let life = Duration::from_secs(60 + n);
        let entry = subject.entry_for(&format!(r#","n":{n}"#), life);
        stored.insert(subject.stored(&entry).await, entry);
    }
    let gone = subject.stored(&subject.entry("")).await;
    subject.store.destroy(&gone).await.unwrap();
    let over = subject.stored(&subject.entry_for("", SHORT)).await;
    subject.wait(LONGER).await;
    let pages = pages(subject, LIMIT).await;
    let longest = pages.iter().map(HashMap::len).max().unwrap_or(0);
    assert!(
        longest <= MOST,
        "a page of {longest}, asked for with a limit of {LIMIT}"
    );
    let found: HashMap<_, _> = pages.into_iter().flatten().collect();
    assert!(!found.contains_key(&gone), "what ended is in no page");
    assert!(!found.contains_key(&over), "what expired is in no page");
    for (id, entry) in stored {
        let record = found.get(&id).expect("each session is there");
        subject.same(&record.text, &entry.text);
        assert_about(record.expires, entry.expires);
    }
}

/// A scan of records changes nothing: neither an expiry nor what is live.
pub async fn scan_records_changes_nothing(subject: &Subject) {
    let entry = subject.entry_of("scanned");
    let id = subject.stored(&entry).await;
    let before = record_of(subject, &id).await;
    let found: HashMap<_, _> = pages(subject, 1000).await.into_iter().flatten().collect();
    let after = record_of(subject, &id).await;
    let record = found.get(&id).expect("it is in a page");
    for record in [record, &after] {
        subject.same(&record.text, &before.text);
        assert_about(record.expires, before.expires);
    }
}

/// `put` on `Absent` stores under an id without a live record, also of one that expired, and never over one.
pub async fn put_if_absent_never_overwrites(subject: &Subject) {
    let (id, entry) = (SessionId::random(), subject.entry(r#","a":1"#));
    assert_eq!(
        put(subject, &id, &entry, &PutIf::Absent).await,
        PutOutcome::Stored
    );
    let stored = record_of(subject, &id).await;
    subject.same(&stored.text, &entry.text);
    assert_about(stored.expires, entry.expires);
    let other = subject.entry_for(r#","a":2"#, Duration::from_mins(10));
    let refused = put(subject, &id, &other, &PutIf::Absent).await;
    assert_conflict(subject, refused, &stored);
    assert_eq!(record_of(subject, &id).await.text, stored.text);
    let short = subject.stored(&subject.entry_for("", SHORT)).await;
    subject.wait(LONGER).await;
    let entry = subject.entry(r#","a":3"#);
    assert_eq!(
        put(subject, &short, &entry, &PutIf::Absent).await,
        PutOutcome::Stored
    );
    subject.holds(&short, &entry.text).await;
}

/// `put` on `Absent` undoes no ending: an id that is retired, with or without a session before, stays so.
pub async fn put_undoes_no_ending(subject: &Subject) {
    let entry = subject.entry("");
    let (ended, unknown) = (subject.stored(&entry).await, SessionId::random());
    let (replaced, new) = (subject.stored(&entry).await, SessionId::random());
    subject.store.retire(&ended).await.unwrap();
    subject.store.retire(&unknown).await.unwrap();
    let renewed = RetiredId::Renewed("successor".to_owned());
    let replacing = subject
        .store
        .replace(&replaced, None, &new, &entry, &renewed);
    replacing.await.unwrap();
    for id in [&ended, &unknown, &replaced] {
        assert_eq!(
            put(subject, id, &entry, &PutIf::Absent).await,
            PutOutcome::Retired
        );
        let over = PutIf::Text(entry.text.clone());
        assert_eq!(put(subject, id, &entry, &over).await, PutOutcome::NotFound);
        assert_eq!(subject.text_of(id).await, None);
    }
    if matches!(subject.clock, crate::clock::Clock::Manual(_)) {
        subject.wait(RETIRED_FOR + LONGER).await;
        let entry = subject.entry("");
        assert_eq!(
            put(subject, &unknown, &entry, &PutIf::Absent).await,
            PutOutcome::Stored
        );
    }
}

/// `put` on a text stores over exactly that text, with exactly the expiry that comes with it, and creates
/// nothing.
pub async fn put_over_a_text_compares_and_sets(subject: &Subject) {
    let first = subject.entry_for(r#","a":1"#, Duration::from_mins(10));
    let id = subject.stored(&first).await;
    let stored = record_of(subject, &id).await;
    let second = subject.entry_for(r#","a":2"#, Duration::from_mins(5));
    let other = PutIf::Text(text(r#","a":7"#));
    let refused = put(subject, &id, &second, &other).await;
    assert_conflict(subject, refused, &stored);
    subject.holds(&id, &first.text).await;
    let over = PutIf::Text(stored.text.clone());
    assert_eq!(put(subject, &id, &second, &over).await, PutOutcome::Stored);
    let stored = record_of(subject, &id).await;
    subject.same(&stored.text, &second.text);
    assert_about(stored.expires, second.expires);
    // Later and sooner, with the same text as well.
    for life in [Duration::from_mins(30), Duration::from_mins(1)] {
        let moved = subject.entry_for(r#","a":2"#, life);
        let over = PutIf::Text(record_of(subject, &id).await.text);
        assert_eq!(put(subject, &id, &moved, &over).await, PutOutcome::Stored);
        assert_about(record_of(subject, &id).await.expires, moved.expires);
    }
    let absent = SessionId::random();
    let over = PutIf::Text(first.text.clone());
    assert_eq!(
        put(subject, &absent, &first, &over).await,
        PutOutcome::NotFound
    );
    assert_eq!(subject.text_of(&absent).await, None);
}

/// `put` on `Unchanged` also refuses a record that was touched since it was read.
pub async fn put_over_a_touched_record_is_refused(subject: &Subject) {
    let entry = subject.entry(r#","a":1"#);
    let id = subject.stored(&entry).await;
    let read = record_of(subject, &id).await;
    let longer = subject.entry_for(r#","a":1"#, Duration::from_mins(10));
    assert!(subject.store.touch(&id, &read.text, &longer).await.unwrap());
    let touched = record_of(subject, &id).await;
    let changed = subject.entry(r#","a":2"#);
    let stale = PutIf::Unchanged(StoredRecord {
        text: touched.text.clone(),
        ..read
    });
    let refused = put(subject, &id, &changed, &stale).await;
    assert_conflict(subject, refused, &touched);
    subject.holds(&id, &touched.text).await;
    let current = PutIf::Unchanged(touched);
    assert_eq!(
        put(subject, &id, &changed, &current).await,
        PutOutcome::Stored
    );
    let stored = record_of(subject, &id).await;
    subject.same(&stored.text, &changed.text);
    assert_about(stored.expires, changed.expires);
    let other = PutIf::Unchanged(StoredRecord {
        text: text(r#","a":7"#),
        expires: stored.expires,
    });
    let refused = put(subject, &id, &entry, &other).await;
    assert_conflict(subject, refused, &stored);
}

/// A record that has expired when it is put is no error, and leaves nothing.
pub async fn a_put_in_the_past_leaves_nothing(subject: &Subject) {
    let mut past = subject.entry("");
    past.expires = Timestamp::from_millis(subject.now().as_millis() - 60_000);
    let absent = SessionId::random();
    assert_eq!(
        put(subject, &absent, &past, &PutIf::Absent).await,
        PutOutcome::Stored
    );
    let live = subject.stored(&subject.entry("")).await;
    let over = PutIf::Text(record_of(subject, &live).await.text);
    assert_eq!(put(subject, &live, &past, &over).await, PutOutcome::Stored);
    for id in [absent, live] {
        assert_eq!(subject.text_of(&id).await, None);
    }
}

/// An expiry beyond every calendar is kept as one without end.
pub async fn a_put_without_end_stays(subject: &Subject) {
    let endless = NewRecord {
        expires: Timestamp::from_millis(i64::MAX),
        ..subject.entry("")
    };
    let id = SessionId::random();
    assert_eq!(
        put(subject, &id, &endless, &PutIf::Absent).await,
        PutOutcome::Stored
    );
    let year = Duration::from_hours(24 * 365);
    let stored = record_of(subject, &id).await;
    assert!(stored.expires > subject.now().after(year * 1000));
    let unchanged = PutIf::Unchanged(stored);
    let entry = subject.entry(r#","a":2"#);
    assert_eq!(
        put(subject, &id, &entry, &unchanged).await,
        PutOutcome::Stored
    );
    assert_about(record_of(subject, &id).await.expires, entry.expires);
}

/// A record that was put is found by its user, and no longer by a former one.
pub async fn put_keeps_the_index_of_users(subject: &Subject) {
    let name = || format!("user-{}", SessionId::random().expose());
    let (ada, grace) = (name(), name());
    let id = SessionId::random();
    let (first, second) = (subject.entry_of(&ada), subject.entry_of(&grace));
    assert_eq!(
        put(subject, &id, &first, &PutIf::Absent).await,
        PutOutcome::Stored
    );
    let found = subject.store.list_by_user(&ada).await.unwrap();
    assert_eq!(found, [id.clone()]);
    let over = PutIf::Text(record_of(subject, &id).await.text);
    assert_eq!(put(subject, &id, &second, &over).await, PutOutcome::Stored);
    assert_eq!(subject.store.list_by_user(&ada).await.unwrap(), []);
    assert_eq!(subject.store.list_by_user(&grace).await.unwrap(), [id]);
}

/// Of many concurrent puts on one condition, one is stored.
pub async fn of_many_puts_one_wins(subject: &Subject) {
    let base = subject.entry(r#","a":1"#);
    let live = subject.stored(&base).await;
    let over = PutIf::Text(record_of(subject, &live).await.text);
    for (id, condition) in [(SessionId::random(), PutIf::Absent), (live, over)] {
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let (subject, id) = (subject.clone(), id.clone());
                let condition = condition.clone();
                let entry = subject.entry(&format!(r#","a":{}"#, n + 2));
                tokio::spawn(async move {
                    let put = put(&subject, &id, &entry, &condition).await;
                    (put == PutOutcome::Stored).then_some(entry)
                })
            })
            .collect();
        let mut stored = Vec::new();
        for task in tasks {
            stored.extend(task.await.unwrap());
        }
        assert_eq!(stored.len(), 1, "{condition:?}");
        subject.holds(&id, &stored[0].text).await;
    }
}

/// A session that ends while it is put stays ended, whatever the order.
pub async fn no_put_revives_a_session_that_ends(subject: &Subject) {
    for n in 0..32 {
        let entry = subject.entry(r#","a":1"#);
        let id = subject.stored(&entry).await;
        let over = PutIf::Text(record_of(subject, &id).await.text);
        let mut puts = Vec::new();
        for condition in [PutIf::Absent, over, PutIf::Absent] {
            let (subject, id) = (subject.clone(), id.clone());
            let entry = subject.entry(r#","a":1"#);
            puts.push(tokio::spawn(async move {
                put(&subject, &id, &entry, &condition).await
            }));
        }
        for _ in 0..n % 8 {
            tokio::task::yield_now().await;
        }
        subject.store.retire(&id).await.unwrap();
        for put in puts {
            put.await.unwrap();
        }
        assert_eq!(subject.text_of(&id).await, None);
    }
}

/// `retire_as` ends a session and remembers its id, with the reason that it was given or as closed; a later
/// reason changes nothing.
pub async fn retire_as_ends_and_remembers(subject: &Subject) {
    let renewed = RetiredId::Renewed("successor".to_owned());
    let other = RetiredId::Renewed("another".to_owned());
    let (live, unknown) = (
        subject.stored(&subject.entry("")).await,
        SessionId::random(),
    );
    assert!(subject.store.retire_as(&live, &renewed).await.unwrap());
    assert!(!subject.store.retire_as(&unknown, &renewed).await.unwrap());
    assert_eq!(subject.text_of(&live).await, None);
    for id in [&live, &unknown] {
        assert!(!subject.store.retire_as(id, &other).await.unwrap());
        let known = subject.store.retired(id).await.unwrap();
        let allowed = [Some(RetiredId::Closed), Some(renewed.clone())];
        assert!(allowed.contains(&known), "{known:?}");
    }
}
