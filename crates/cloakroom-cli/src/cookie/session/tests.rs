use cloakroom::Timestamp;
use cloakroom::record::RecordFacts;
use cloakroom::store::RetiredId;

use super::{Found, judge};

const NOW: i64 = 1_767_323_045_000;
const HOUR: i64 = 3_600_000;

fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(NOW + offset)
}

fn record(deadline: Option<Timestamp>, realm: Option<&str>, own: Option<Timestamp>) -> Found {
    Found::Record {
        facts: RecordFacts {
            created: Some(at(-HOUR)),
            deadline,
            expires: own,
            realm: realm.map(str::to_owned),
            keys: 1,
        },
        expires: Timestamp::from_millis(NOW + HOUR),
        user: Some("ada".to_owned()),
    }
}

#[test]
fn each_finding_in_the_store_has_its_sentence() {
    #[rustfmt::skip]
    let table: Vec<(Found, &[&str])> = vec![
        (record(Some(at(9 * HOUR)), None, None),                            &["live"]),
        (record(None, None, Some(at(HOUR))),                                &["live"]),
        (record(None, None, Some(at(-HOUR))),                               &["express-would-refuse", "live"]),
        (record(Some(at(-HOUR)), None, None),                               &["deadline-passed"]),
        (record(Some(at(HOUR)), Some("admin"), None),                       &["other-realm"]),
        (Found::Unreadable("not JSON".to_owned()),                    &["unreadable"]),
        (Found::Retired(RetiredId::Closed),                           &["closed"]),
        (Found::Retired(RetiredId::Renewed("x".to_owned())),          &["renewed"]),
        (Found::Hashed,                                               &["ids-hashed"]),
        (Found::UnderPrefix("session:".to_owned()),                   &["other-prefix-in-store"]),
        (Found::Nothing,                                              &["unknown"]),
        (Found::Failed("connection refused".to_owned()),              &["store-failed"]),
    ];
    for (found, expected) in table {
        let findings = judge(&found, None, "sess:", Timestamp::from_millis(NOW));
        let ids: Vec<_> = findings
            .iter()
            .map(|finding| finding.situation.id)
            .collect();
        assert_eq!(ids, expected, "{found:?}");
        for finding in findings {
            assert!(
                !finding.sentence().contains("missing}"),
                "{}",
                finding.sentence()
            );
        }
    }
}

#[test]
fn a_live_session_is_described() {
    let findings = judge(
        &record(Some(at(9 * HOUR)), None, None),
        None,
        "",
        Timestamp::from_millis(NOW),
    );
    assert_eq!(
        findings[0].sentence(),
        "The session is live, of user ada, since 1h ago, and ends 1h from now unless it is used."
    );
    let own = judge(
        &record(None, Some("shop"), None),
        Some("shop"),
        "",
        Timestamp::from_millis(NOW),
    );
    assert_eq!(own[0].situation.id, "live");
}
