//! Checks of every store.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Finding, Level, Verdict, found, percent, when};

/// Records below which shares say nothing.
const FEW: i64 = 100;
/// Time for a round trip beyond which requests notice, in microseconds.
const SLOW: i64 = 5_000;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("S01", "the store cannot be reached", "no session can be opened or ended", |_| Some(Verdict::Fine)),
    Check::warning("S02", "the store is slow to answer", "each request waits for it once or twice", s02),
    Check::warning("S03", "the clocks differ", "sessions end earlier or later than they should, by that much", s03),
    Check::warning("S04", "the server is older than the oldest that is known to work", "scripts or statements that the store needs are missing", s04),
    Check::error("S05", "the server takes no writes", "logins and logouts fail", s05),
    Check::warning("S06", "sessions cannot be read", "their visitors are signed out, or cost memory and time", s06),
    Check::warning("S07", "sessions have no expiry", "they stay for ever: open to whoever has the cookie, and filling the store", s07),
    Check::warning("S08", "the store and the cookie disagree on when a session ends", "visitors are signed out early, or ended sessions stay open", s08),
    Check::warning("S09", "there are no sessions here, but elsewhere", "with a wrong prefix, table or database everybody is signed out", s09),
    Check::warning("S10", "the index of users is incomplete", "a logout everywhere misses the sessions that are not in it", s10),
    Check::warning("S11", "nearly all sessions belong to nobody", "visitors who leave nothing fill the store", s11),
    Check::note("S12", "sessions go over the network as plain text", "whoever listens has the ids", s12),
];

fn s02(facts: &Facts) -> Option<Verdict> {
    if facts.kind() == "sqlite" {
        return Some(Verdict::Fine);
    }
    let (median, slow) = (
        facts.number("ping.median_us")?,
        facts.number("ping.slow_us")?,
    );
    let is_slow = median > SLOW || slow > (median * 10).max(SLOW * 4);
    let millis = |micros: i64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
    when(
        is_slow,
        format!(
            "50 round trips: median {}, one in 50 {}",
            millis(median),
            millis(slow)
        ),
        "run it in the same zone; read through a near cache (?near=1s) where that is allowed",
    )
}

fn s03(facts: &Facts) -> Option<Verdict> {
    if facts.kind() == "sqlite" {
        return Some(Verdict::Fine);
    }
    let skew = facts.number("clock.skew_ms")?;
    if skew.abs() <= 1000 {
        return Some(Verdict::Fine);
    }
    let side = if skew > 0 { "ahead of" } else { "behind" };
    Some(Verdict::Found(Finding {
        level: (skew.abs() > 30_000).then_some(Level::Error),
        measured: format!(
            "the server's clock is {} s {side} this machine's",
            skew.abs() / 1000
        ),
        mend: "set both by NTP: `chronyc makestep`, or `timedatectl set-ntp true`".to_owned(),
    }))
}

fn s04(facts: &Facts) -> Option<Verdict> {
    let (is_old, oldest) = match facts.kind() {
        "redis" => (facts.flag("version.too_old")?, "Redis 7.0 or Valkey"),
        "postgres" => (facts.number("version.number")? < 120_000, "PostgreSQL 12"),
        "mongodb" => (facts.number("version.wire")? < 9, "MongoDB 4.4"),
        _ => return Some(Verdict::Fine),
    };
    let version = facts.text("version").unwrap_or("unknown");
    when(
        is_old,
        format!("version {version}"),
        format!("upgrade to {oldest} or newer"),
    )
}

fn s05(facts: &Facts) -> Option<Verdict> {
    let (refuses, measured) = match facts.kind() {
        "redis" => (facts.text("role")?.contains("slave"), "its role is replica"),
        "postgres" if facts.flag("standby")? => (true, "it is a standby (pg_is_in_recovery)"),
        "postgres" => (
            facts.text("read_only")? == "on",
            "default_transaction_read_only is on",
        ),
        "mongodb" => (
            !facts.flag("writable")?,
            "it is no primary (hello.isWritablePrimary)",
        ),
        _ => return Some(Verdict::Fine),
    };
    let mend = match facts.kind() {
        "redis" => {
            "connect to the primary, or to the sentinels that know it: redis+sentinel://HOST:PORT/NAME"
        }
        "postgres" if measured.starts_with("it is") => {
            "name the primary, or all hosts with target_session_attrs=read-write"
        }
        "postgres" => "ALTER ROLE … SET default_transaction_read_only = off",
        _ => {
            "leave directConnection out and name the replica set, so that the driver finds the primary"
        }
    };
    when(refuses, measured, mend)
}

fn s06(facts: &Facts) -> Option<Verdict> {
    let read = facts.number("sample.read")?;
    let (not_json, no_cookie) = (
        facts.number("sample.not_json")?,
        facts.number("sample.no_cookie")?,
    );
    let large = facts.number("sample.too_large")?;
    let reasons = [
        (not_json, "are no JSON, or encrypted"),
        (no_cookie, "have no `cookie`"),
        (large, "are beyond 64 KiB"),
    ];
    let reasons: Vec<String> = reasons
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    when(
        !reasons.is_empty(),
        format!("of {read} looked at, {}", reasons.join(", ")),
        "give the options with which they were written (encryption, `stringify`, prefix); keep less in a session",
    )
}

fn s07(facts: &Facts) -> Option<Verdict> {
    let (endless, read) = match facts.kind() {
        "postgres" => (facts.number("rows.endless")?, facts.number("rows.counted")?),
        // A missing date is M02's.
        "mongodb" | "sqlite" => return Some(Verdict::Fine),
        _ => (
            facts.number("sample.endless")?,
            facts.number("sample.read")?,
        ),
    };
    let mend = match facts.kind() {
        "postgres" => {
            "UPDATE the rows: SET expire = now() + interval '1 day' WHERE NOT isfinite(expire)"
        }
        _ => "set `ttl` in connect-redis (and not `disableTTL`); EXPIRE the keys that have none",
    };
    when(
        endless > 0,
        format!("{endless} of {read} ({} %)", percent(endless, read)),
        mend,
    )
}

fn s08(facts: &Facts) -> Option<Verdict> {
    let compared = facts.number("sample.comparable")?;
    let (early, late) = (facts.number("sample.early")?, facts.number("sample.late")?);
    when(
        percent(early + late, compared) > 10,
        format!(
            "of {compared} sessions with a cookie that ends, the store ends {early} early and {late} late, by more than a tenth of their life"
        ),
        "let `cookie.maxAge` and the store's `ttl` be the same on both sides; compare the time zones (P01) and clocks (S03)",
    )
}

fn s09(facts: &Facts) -> Option<Verdict> {
    if facts.number("sample.read").is_some_and(|read| read > 0) {
        return Some(Verdict::Fine);
    }
    let elsewhere = facts.text("elsewhere")?;
    let option = match facts.kind() {
        "redis" => "give --prefix, or the database as the URL's path",
        "sqlite" => "give the file that the program has; another library's table needs a migration",
        _ => "give --table, or --schema",
    };
    when(
        !elsewhere.is_empty(),
        format!("none here; {elsewhere} has some"),
        option,
    )
}

fn s10(facts: &Facts) -> Option<Verdict> {
    if facts.kind() != "redis" || facts.flag("mixed_fleet")? {
        // PostgreSQL: P03. MongoDB: M05. A mixed fleet's lists read all sessions.
        return Some(Verdict::Fine);
    }
    let (outside, compared) = (
        facts.number("index.outside")?,
        facts.number("index.compared")?,
    );
    when(
        outside > 0,
        format!(
            "{outside} of {compared} sessions that name a user are not in the set of that user"
        ),
        "if Express writes here as well, set `mixed_fleet`; each session is entered when it is next read",
    )
}

fn s11(facts: &Facts) -> Option<Verdict> {
    let (read, nobody) = (
        facts.number("sample.read")?,
        facts.number("sample.anonymous")?,
    );
    when(
        read >= FEW && percent(nobody, read) > 80,
        format!("{nobody} of {read} sessions name no user"),
        "set `saveUninitialized: false` in Express (`save_uninitialized(false)` here, the default); give --user-keys if users are under another key",
    )
}

fn s12(facts: &Facts) -> Option<Verdict> {
    if facts.kind() == "sqlite" {
        return Some(Verdict::Fine);
    }
    let mend = match facts.kind() {
        "redis" => "rediss:// in the URL",
        "postgres" => "sslmode=verify-full in the URL",
        _ => "tls=true in the URL",
    };
    if facts.flag("network.plain")? {
        return found("no TLS, and the server is not this machine", mend);
    }
    Some(Verdict::Fine)
}
