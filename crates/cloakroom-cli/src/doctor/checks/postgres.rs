//! Checks of PostgreSQL.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Verdict, percent, when};

/// Time that a store waits for an operation by default, in milliseconds.
const STORE_TIMEOUT: i64 = 2000;
/// Rows below which bloat is no matter.
const SMALL: i64 = 10_000;
/// Age of an expired row that shows that nobody prunes, in seconds.
const UNPRUNED: i64 = 3600;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("P01", "roles that write sessions have different time zones", "`expire` has no zone: sessions live hours too long, or are dead at once", p01),
    Check::error("P02", "the table does not fit", "saves fail, or sessions exist twice", p02),
    Check::warning("P03", "an index is missing or unusable", "pruning and a logout everywhere read the whole table", p03),
    Check::error("P04", "the table is UNLOGGED", "it is emptied after a crash: everybody is signed out", p04),
    Check::warning("P05", "acknowledged writes may be lost", "a logout that was acknowledged is undone by a crash", p05),
    Check::warning("P06", "nobody deletes expired sessions", "the table grows, and what visitors left in it stays", p06),
    Check::warning("P07", "the table is bloated", "reads and pruning slow down", p07),
    Check::warning("P08", "the server grants fewer connections than the pools may open", "requests wait for a connection, or get 503", p08),
    Check::warning("P09", "the role lacks a right, or its statements are cut off", "saves fail, or a slow one is cancelled early", p09),
    Check::warning("P10", "Express may bring ended sessions back", "Express writes a session back whole, even one that was ended meanwhile", p10),
    Check::note("P11", "the server logs statements with their values", "session ids are in its log", p11),
];

fn has_table(facts: &Facts) -> Option<()> {
    facts.flag("table.there")?.then_some(())
}

fn p01(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    if facts.text("table.expire")? != "timestamp" {
        return Some(Verdict::Fine);
    }
    let (ours, source) = (facts.text("time_zone")?, facts.text("time_zone.source")?);
    let (others, plain) = (
        facts.text("time_zone.others")?,
        facts.text("time_zone.plain_roles")?,
    );
    if !others.is_empty() {
        return when(
            true,
            format!("this role has {ours}, {others}"),
            format!("ALTER ROLE … SET timezone = '{ours}' for each, then connect again"),
        );
    }
    let is_own = ["user", "database user", "client"].contains(&source) && !plain.is_empty();
    when(
        is_own,
        format!("this role has {ours} of its own, {plain} that of the server"),
        "ALTER ROLE … RESET timezone, or set it for all of them",
    )
}

fn p02(facts: &Facts) -> Option<Verdict> {
    let fault = facts.text("table.fault")?;
    // Rights are P09's.
    let is_right = fault.starts_with("the role may not use");
    let (measured, mend) = match fault.split_once(": ") {
        Some((measured, mend)) => (measured, mend),
        None => (fault, "compare it with `PostgresStore::ddl`"),
    };
    when(!fault.is_empty() && !is_right, measured, mend)
}

fn p03(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    let table = facts.text("table.name")?;
    if facts.flag("index.broken")? {
        let mend = format!("REINDEX TABLE CONCURRENTLY {table}");
        return when(
            true,
            "an index is invalid: it was left by a CREATE that failed",
            mend,
        );
    }
    if !facts.flag("index.expire")? {
        let mend = format!("CREATE INDEX CONCURRENTLY ON {table} (expire)");
        return when(true, "no index on `expire`", mend);
    }
    let (function, index) = (
        facts.flag("index.user_function")?,
        facts.flag("index.user")?,
    );
    when(
        !function || !index,
        "no index of users for these user keys",
        "run the statements `user_index` of PostgresStore::ddl; give --user-keys if yours are others",
    )
}

fn p04(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    let table = facts.text("table.name")?;
    let mend = format!("ALTER TABLE {table} SET LOGGED");
    when(
        facts.text("table.kept")? == "u",
        "relpersistence is u",
        mend,
    )
}

fn p05(facts: &Facts) -> Option<Verdict> {
    let off: Vec<&str> = ["synchronous_commit", "fsync", "full_page_writes"]
        .into_iter()
        .map(|name| facts.text(name).map(|value| (name, value)))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .filter(|(_, value)| *value == "off")
        .map(|(name, _)| name)
        .collect();
    let mend = off
        .iter()
        .map(|name| format!("ALTER SYSTEM SET {name} = on"))
        .collect::<Vec<_>>();
    when(
        !off.is_empty(),
        format!("{} off", off.join(", ")),
        format!("{}; SELECT pg_reload_conf()", mend.join("; ")),
    )
}

fn p06(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    let (counted, expired) = (facts.number("rows.counted")?, facts.number("rows.expired")?);
    let oldest = facts.number("rows.oldest_s")?;
    let is_many = counted > SMALL && percent(expired, counted) > 20;
    when(
        oldest > UNPRUNED || is_many,
        format!(
            "{expired} of {counted} rows are expired, the oldest for {} min",
            oldest / 60
        ),
        "prune in one program: `prune_every` here (15 min by default), `pruneSessionInterval` in connect-pg-simple; now: `cloakroom sessions prune`",
    )
}

fn p07(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    let (dead, live) = (facts.number("rows.dead")?, facts.number("rows.live")?);
    let table = facts.text("table.name")?;
    if facts.text("autovacuum")? == "off" {
        let mend = "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()";
        return when(true, "autovacuum is off: dead rows stay for ever", mend);
    }
    when(
        dead > SMALL && dead > live,
        format!("{dead} dead rows, {live} live ones"),
        format!(
            "VACUUM (ANALYZE) {table}; ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80)"
        ),
    )
}

fn p08(facts: &Facts) -> Option<Verdict> {
    let (granted, pool) = (
        facts.number("connections.granted")?,
        facts.number("pool_size")?,
    );
    let processes = facts.number("processes").unwrap_or(1);
    when(
        granted < pool * processes && !facts.flag("pooler")?,
        format!("{granted} connections for {processes} process(es) with a pool of {pool}"),
        "raise max_connections or the role's CONNECTION LIMIT, or lower the pools (`max` in the URL)",
    )
}

fn p09(facts: &Facts) -> Option<Verdict> {
    if !facts.flag("table.allowed")? {
        let table = facts.text("table.name")?;
        let mend = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO the role");
        return when(
            true,
            format!("the role may not read and write {table}"),
            mend,
        );
    }
    let timeout = facts.number("statement_timeout_ms")?;
    when(
        timeout > 0 && timeout < STORE_TIMEOUT,
        format!("statement_timeout is {timeout} ms, below the store's {STORE_TIMEOUT} ms"),
        "ALTER ROLE … SET statement_timeout = '2s'",
    )
}

fn p10(facts: &Facts) -> Option<Verdict> {
    has_table(facts)?;
    if facts.flag("mixed_fleet")? {
        let (tombs, shield) = (facts.flag("table.tombs")?, facts.flag("shield")?);
        let missing = if tombs {
            "the trigger `shield`"
        } else {
            "the table of tombstones"
        };
        let mend =
            "run the statements `tombstones` and `shield` of PostgresStore::ddl as the owner";
        return when(!tombs || !shield, format!("{missing} is missing"), mend);
    }
    let (read, marked) = (facts.number("sample.read")?, facts.number("sample.marked")?);
    let others = read - marked;
    when(
        percent(marked, read) >= 10 && percent(others, read) >= 10,
        format!("of {read} sessions {marked} were written here and {others} by another writer"),
        "set `mixed_fleet` (--mixed-fleet here) while Express writes as well",
    )
}

fn p11(facts: &Facts) -> Option<Verdict> {
    let (statements, parameters) = (facts.text("log_statement")?, facts.text("log_parameters")?);
    when(
        ["mod", "all"].contains(&statements) || parameters != "0",
        format!("log_statement is {statements}, log_parameter_max_length_on_error {parameters}"),
        "ALTER ROLE … SET log_statement = 'none'; ALTER ROLE … SET log_parameter_max_length_on_error = 0",
    )
}
