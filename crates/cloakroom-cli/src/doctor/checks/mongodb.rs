//! Checks of MongoDB.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Verdict, when};

/// Sessions beyond which a scan for one user's takes long.
const MANY: i64 = 100_000;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("M01", "MongoDB does not delete expired sessions", "they stay for ever, with what visitors left in them", m01),
    Check::warning("M02", "sessions have no date of expiry", "the TTL index never deletes them, and they never end", m02),
    Check::warning("M03", "sessions are stored in two forms", "one side cannot read what the other wrote (`stringify`)", m03),
    Check::warning("M04", "the server is no replica set", "an acknowledged logout may be rolled back, and there is no change stream", m04),
    Check::warning("M05", "no index finds a user's sessions", "a logout everywhere reads them all", m05),
    Check::warning("M06", "ids have several lengths", "writers differ in `transformId` or in the ids that they generate", m06),
    Check::note("M07", "the server does not tell its time", "expiry is decided by this machine's clock", m07),
];

fn m01(facts: &Facts) -> Option<Verdict> {
    let collection = facts.text("collection")?;
    let mend =
        format!("db.{collection}.createIndex({{ expires: 1 }}, {{ expireAfterSeconds: 0 }})");
    if facts.number("sample.read")? == 0 && !facts.flag("ttl.index")? {
        // The store creates it with the collection.
        return Some(Verdict::Fine);
    }
    if facts.flag("ttl.monitor") == Some(false) {
        let mend = "db.adminCommand({ setParameter: 1, ttlMonitorEnabled: true })";
        return when(true, "ttlMonitorEnabled is false", mend);
    }
    if !facts.flag("ttl.index")? {
        return when(true, "no index on `expires`", mend);
    }
    let after = facts.number("ttl.after_s");
    let measured = match after {
        Some(seconds) => format!("the index on `expires` has expireAfterSeconds {seconds}"),
        None => "the index on `expires` is no TTL index".to_owned(),
    };
    let mend = format!("db.{collection}.dropIndex(\"expires_1\"); {mend}");
    when(after != Some(0), measured, mend)
}

fn m02(facts: &Facts) -> Option<Verdict> {
    let (undated, collection) = (facts.number("records.undated")?, facts.text("collection")?);
    when(
        undated > 0,
        format!("{undated} documents without a date in `expires`"),
        format!(
            "db.{collection}.updateMany({{ expires: {{ $not: {{ $type: 'date' }} }} }}, {{ $set: {{ expires: new Date(Date.now() + 864e5) }} }})"
        ),
    )
}

fn m03(facts: &Facts) -> Option<Verdict> {
    let (texts, objects) = (
        facts.number("records.texts")?,
        facts.number("records.objects")?,
    );
    when(
        texts > 0 && objects > 0,
        format!("`session` is a text in {texts} and an object in {objects}"),
        "set `stringify` alike in connect-mongo and here",
    )
}

fn m04(facts: &Facts) -> Option<Verdict> {
    let mend = "start mongod with --replSet, and rs.initiate(); a set of one node does";
    when(!facts.flag("replica_set")?, "hello names no set", mend)
}

fn m05(facts: &Facts) -> Option<Verdict> {
    let (texts, objects) = (
        facts.number("records.texts")?,
        facts.number("records.objects")?,
    );
    let (indexes, sessions) = (facts.number("index.users")?, facts.number("sessions")?);
    if texts >= objects {
        let mend = "use `stringify: false` on both sides, which can be indexed; or accept the scan";
        return when(
            sessions > MANY,
            format!("{sessions} sessions as texts, which no index covers"),
            mend,
        );
    }
    when(
        indexes == 0,
        format!("{sessions} sessions as objects, and no index on `session.userId`"),
        "db.sessions.createIndex({ \"session.userId\": 1 }, { sparse: true }); a store here creates it at the first logout everywhere",
    )
}

fn m06(facts: &Facts) -> Option<Verdict> {
    let lengths = facts.number("ids.lengths")?;
    let mend = "set `transformId` (`transform_id`) alike on both sides";
    when(
        lengths > 1,
        format!("`_id` has {lengths} common lengths"),
        mend,
    )
}

fn m07(facts: &Facts) -> Option<Verdict> {
    when(
        !facts.flag("clock.told")?,
        "hello has no localTime",
        "connect to mongod or mongos itself",
    )
}
