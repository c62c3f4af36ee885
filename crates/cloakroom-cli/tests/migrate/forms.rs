//! What keeps its form, what changes it, and what is not moved.

use std::collections::HashMap;

use cloakroom::SessionId;
use cloakroom::store::{ENDLESS, NewRecord, PutIf, PutOutcome, Store as _};
use serde_json::Value;
use testbed::Postgres;

use crate::Move;
use crate::side::{Side, in_millis};

const HOUR: i64 = 3_600_000;

/// The records that real Express servers wrote.
fn records_of_express() -> HashMap<String, String> {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../interop/vectors.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(committed).unwrap()).unwrap();
    let records = vectors["stored_records"]["records"].as_array().unwrap();
    let texts = records.iter().filter_map(|record| {
        let text = record["redis"]["value"].as_str()?;
        Some((record["sid"].as_str()?.to_owned(), text.to_owned()))
    });
    texts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_express_keep_every_byte() {
    let records = records_of_express();
    assert!(records.len() > 20, "{}", records.len());
    let stops = [
        Side::sqlite().await,
        Side::redis().await,
        Side::postgres("bytes_of_express").await,
        Side::mongodb("bytes_of_express").await,
        Side::sqlite().await,
    ];
    for (id, text) in &records {
        stops[0].put(id, text, in_millis(HOUR)).await;
    }
    for pair in stops.windows(2) {
        let said = Move::new(&pair[0], &pair[1]).ok(&["--verify"]);
        assert_eq!(said.count("copied"), records.len() as u64, "{said:?}");
        assert_eq!(said.count("reformed"), 0, "{said:?}");
        for (id, text) in &records {
            let there = pair[1].get(id).await.expect("it has been moved");
            assert_eq!(*there.text, **text, "to {}", pair[1].url);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_is_counted_and_what_it_cannot_hold_is_named() {
    let (from, table) = (Side::redis().await, "moved_to_jsonb");
    Postgres::shared().query(&format!(
        "CREATE TABLE {table} (sid varchar PRIMARY KEY, sess jsonb NOT NULL, expire timestamp(6) NOT NULL)"
    ));
    let to = Side::postgres(table).await;
    from.put(
        "good-session",
        r#"{"cookie":{},"b":1.0,"a":1e2}"#,
        in_millis(HOUR),
    )
    .await;
    from.put(
        "with-a-nul",
        r#"{"cookie":{},"a":"\u0000"}"#,
        in_millis(HOUR),
    )
    .await;
    let port = from.redis.as_ref().unwrap().port().to_string();
    let set = std::process::Command::new("redis-cli")
        .args(["-p", &port, "-x", "SET", "sess:not-text"])
        .stdin(broken_text())
        .output();
    assert!(set.unwrap().status.success());
    let moving = Move::new(&from, &to);
    let said = moving.run(&["--verify"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert_eq!(
        (said.count("copied"), said.count("reformed")),
        (1, 1),
        "{said:?}"
    );
    assert_eq!(said.summary()["rejected"], 2);
    assert_eq!(said.summary()["differ"], 0);
    let there = to.get("good-session").await.unwrap();
    assert_eq!(*there.text, *r#"{"a": 100, "b": 1.0, "cookie": {}}"#);
    let rejects = format!("{}.rejects", moving.journal.display());
    #[cfg(unix)]
    for file in [rejects.as_str(), moving.journal.to_str().unwrap()] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    let rejects = std::fs::read_to_string(rejects).unwrap();
    assert_eq!(rejects.lines().count(), 2);
    for line in rejects.lines() {
        let reject: Value = serde_json::from_str(line).unwrap();
        let (handle, reason) = (reject["handle"].as_str(), reject["reason"].as_str());
        assert!(handle.unwrap().len() > 10, "{line}");
        assert!(reason.unwrap().starts_with("at the "), "{line}");
    }
    for id in ["good-session", "with-a-nul", "not-text"] {
        let printed = [&rejects, &said.out, &said.error];
        assert!(printed.iter().all(|text| !text.contains(id)), "{id}");
        let journal = moving.bytes();
        let is_there = journal.windows(id.len()).any(|part| part == id.as_bytes());
        assert!(!is_there, "{id} is in the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_after_it_was_copied_still_ends() {
    let (from, table) = (Side::sqlite().await, "refused_later");
    Postgres::shared().query(&format!(
        "CREATE TABLE {table} (sid varchar PRIMARY KEY, sess jsonb NOT NULL, expire timestamp(6) NOT NULL)"
    ));
    let to = Side::postgres(table).await;
    from.put("changes", r#"{"cookie":{}}"#, in_millis(HOUR))
        .await;
    let moving = Move::new(&from, &to);
    let mut running = moving.start(&["--follow"]);
    running.until("ready");
    let id = SessionId::from_store("changes");
    let read = from.get("changes").await.unwrap();
    let new = NewRecord {
        text: r#"{"cookie":{},"a":"\u0000"}"#.into(),
        expires: read.expires,
        users: Vec::new(),
    };
    let put = from.store.put(&id, &new, &PutIf::Text(read.text)).await;
    assert_eq!(put.unwrap(), PutOutcome::Stored);
    for _ in 0..2 {
        // The second one began after the change.
        running.until("pass");
    }
    assert!(to.get("changes").await.is_some());
    from.store.retire(&id).await.unwrap();
    running.signal("USR1");
    running.until("done");
    running.end();
    assert!(to.get("changes").await.is_none());
}

fn broken_text() -> std::process::Stdio {
    let file = testbed::directory().leave().join("text");
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    std::fs::File::open(file).unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_without_end_becomes_what_was_asked_for() {
    let from = Side::redis().await;
    from.put("endless", r#"{"cookie":{}}"#, in_millis(HOUR))
        .await;
    let port = from.redis.as_ref().unwrap().port().to_string();
    let persist = ["-p", &port, "PERSIST", "sess:endless"];
    assert!(
        std::process::Command::new("redis-cli")
            .args(persist)
            .status()
            .unwrap()
            .success()
    );
    from.put("mortal", r#"{"cookie":{}}"#, in_millis(HOUR))
        .await;
    let day = 24 * HOUR;
    for (flag, copied, life) in [
        ("keep", 2, None),
        ("24h", 2, Some(day)),
        ("skip", 1, Some(0)),
    ] {
        let to = Side::sqlite().await;
        let said = Move::new(&from, &to).ok(&["--endless", flag, "--verify"]);
        assert_eq!(
            (said.count("copied"), said.count("endless")),
            (copied, 1),
            "{flag}: {said:?}"
        );
        assert_eq!(said.count("updated"), 0, "a later pass leaves it: {said:?}");
        let expires = to
            .get("endless")
            .await
            .map_or(in_millis(0), |there| there.expires);
        match life {
            None => assert!(expires >= ENDLESS, "{expires:?}"),
            Some(life) => {
                let off = expires.as_millis() - in_millis(life).as_millis();
                assert!(off.abs() < HOUR, "{flag}: {off}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_hashed_where_the_target_hashes_them_and_never_twice() {
    let (from, to) = (Side::sqlite().await, Side::redis().await);
    let (stays, ends) = (SessionId::random(), SessionId::random());
    for id in [&stays, &ends] {
        from.put(
            id.expose(),
            r#"{"cookie":{},"userId":"ada"}"#,
            in_millis(HOUR),
        )
        .await;
    }
    let moving = Move::new(&from, &to);
    let mut running = moving.start(&["--ids", "hash", "--follow"]);
    running.until("ready");
    from.store.retire(&ends).await.unwrap();
    running.signal("USR1");
    running.until("done");
    running.end();
    assert!(to.get(stays.hashed_at_rest().expose()).await.is_some());
    assert!(to.get(stays.expose()).await.is_none());
    assert!(to.get(ends.hashed_at_rest().expose()).await.is_none());
    assert_eq!(
        to.store.list_by_user("ada").await.unwrap(),
        [stays.hashed_at_rest()]
    );
    let back = Side::sqlite().await;
    let onward = Move::new(&to, &back);
    for (ids, mend) in [("hash", "--ids same"), ("plain", "cannot be turned back")] {
        let refused = onward.run(&["--ids", ids]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.error.contains(mend), "{refused:?}");
    }
    let said = onward.ok(&[]);
    assert!(said.error.contains("must hash ids at rest"), "{said:?}");
    assert!(back.get(stays.hashed_at_rest().expose()).await.is_some());
}
