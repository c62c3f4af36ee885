//! Checks of Redis and Valkey.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Verdict, percent, when};

/// Slots of a cluster.
const SLOTS: i64 = 16_384;
/// Memory below which fragmentation is no matter, in bytes.
const SMALL: i64 = 256 << 20;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("R01", "Redis evicts sessions when its memory is full", "visitors are signed out, and the marks of ended sessions go with them", r01),
    Check::error("R02", "Redis has evicted keys", "some visitors were signed out already", r02),
    Check::warning("R03", "memory is nearly used up", "writes are refused, or the system ends the server", r03),
    Check::warning("R04", "a restart loses sessions or brings ended ones back", "what is not on the disk is gone after a crash", r04),
    Check::warning("R05", "a failover may lose what was acknowledged", "a logout that only the primary has is undone", r05),
    Check::warning("R06", "the user lacks a right", "it works for a while, then a command is refused (NOPERM)", r06),
    Check::warning("R07", "the servers do not agree", "a part of the sessions cannot be reached, or two servers take writes", r07),
    Check::note("R08", "connections are refused or closed", "caches and watched sessions fall back to polling", r08),
    Check::note("R09", "expired keys stay in memory", "dead sessions hold memory", r09),
    Check::warning("R10", "keys under the prefix are no strings", "they are another library's records, and no sessions here", r10),
];

fn r01(facts: &Facts) -> Option<Verdict> {
    let (policy, limit) = (
        facts.text("memory.policy")?,
        facts.number("memory.limit_bytes")?,
    );
    let evicts = policy.split(", ").any(|policy| policy != "noeviction");
    when(
        evicts && limit > 0,
        format!(
            "maxmemory-policy is {policy}, maxmemory {} MiB",
            limit >> 20
        ),
        "CONFIG SET maxmemory-policy noeviction (and in redis.conf)",
    )
}

fn r02(facts: &Facts) -> Option<Verdict> {
    let evicted = facts.number("evicted")?;
    let mend = "CONFIG SET maxmemory-policy noeviction, raise maxmemory; CONFIG RESETSTAT once it is mended";
    when(
        evicted > 0,
        format!("evicted_keys is {evicted} since the start"),
        mend,
    )
}

fn r03(facts: &Facts) -> Option<Verdict> {
    let (used, limit) = (
        facts.number("memory.used_bytes")?,
        facts.number("memory.limit_bytes")?,
    );
    let mend = "CONFIG SET maxmemory to what the machine has to spare; the manual's page `sizing` has bytes a session";
    if limit > 0 {
        let share = percent(used, limit);
        return when(share > 80, format!("{share} % of maxmemory is used"), mend);
    }
    let (rss, host) = (
        facts.number("memory.rss_bytes")?,
        facts.number("memory.host_bytes")?,
    );
    let fragments = facts.number("memory.fragmentation_percent").unwrap_or(0);
    let share = percent(rss, host);
    if used > SMALL && fragments > 150 {
        let measured = format!(
            "mem_fragmentation_ratio is {}.{:02}",
            fragments / 100,
            fragments % 100
        );
        return when(true, measured, "CONFIG SET activedefrag yes");
    }
    when(
        share > 70,
        format!("maxmemory is not set, and Redis has {share} % of the machine's memory"),
        mend,
    )
}

fn r04(facts: &Facts) -> Option<Verdict> {
    facts.flag("persistence.known")?;
    let is_bad = |name| {
        facts
            .text(name)
            .is_some_and(|status| status.contains("err"))
    };
    if is_bad("snapshot.status") || is_bad("log.status") {
        let mend = "read Redis's log: mostly the disk is full, or may not be written";
        return when(true, "the last write to the disk failed", mend);
    }
    let has_log = !facts.text("log.enabled")?.contains('0');
    let has_rules = facts
        .text("snapshot.rules")
        .is_some_and(|rules| !rules.is_empty());
    let mend = "CONFIG SET appendonly yes; CONFIG SET appendfsync everysec (and in redis.conf)";
    if !has_log && !has_rules {
        return when(
            true,
            "appendonly is no and save is empty: nothing is on the disk",
            mend,
        );
    }
    let undone = facts.text("undone.restart");
    let measured = if has_log {
        "appendonly is yes, appendfsync no"
    } else {
        "appendonly is no: a restart goes back to the last snapshot"
    };
    when(undone.is_some(), measured, mend)
}

fn r05(facts: &Facts) -> Option<Verdict> {
    facts.flag("persistence.known")?;
    let lag = facts.number("replicas.lag_s").unwrap_or(0);
    if lag > 10 {
        let mend = "look at the replica: its network, or its disk";
        return when(true, format!("a replica is {lag} s behind"), mend);
    }
    let replicas = facts.number("replicas").unwrap_or(0);
    when(
        facts.text("undone.failover").is_some(),
        format!("{replicas} replica(s), and min-replicas-to-write is 0"),
        "CONFIG SET min-replicas-to-write 1, or ?wait_replicas=1 in the URL; or accept that a failover undoes the last logouts",
    )
}

fn r06(facts: &Facts) -> Option<Verdict> {
    let refused = facts.text("rights.refused")?;
    let missing: Vec<&str> = [
        ("rights.retired", "~retired:*"),
        ("rights.index", "~user:*"),
        ("rights.info", "+info"),
    ]
    .into_iter()
    .filter(|(name, _)| facts.flag(name) == Some(false))
    .map(|(_, right)| right)
    .collect();
    let measured = match (refused, &missing[..]) {
        ("", missing) => format!("missing: {}", missing.join(" ")),
        (refused, _) => refused.to_owned(),
    };
    // A replica's refusal is S05's.
    let is_refused = !refused.is_empty() && !refused.contains("replica");
    when(
        is_refused || (refused.is_empty() && !missing.is_empty()),
        measured,
        "ACL SETUSER name ~sess:* ~user:* ~tomb:* ~retired:* +@read +@write +@scripting +@connection +info",
    )
}

fn r07(facts: &Facts) -> Option<Verdict> {
    if facts.flag("sentinels.agree") == Some(false) {
        let mend = "SENTINEL MASTERS at each of them; SENTINEL RESET name once they are reachable";
        return when(true, "the sentinels name no one primary", mend);
    }
    let Some(state) = facts.text("cluster.state") else {
        return Some(Verdict::Fine);
    };
    let slots = facts.number("cluster.slots")?;
    when(
        state != "ok" || slots < SLOTS,
        format!("cluster_state is {state}, {slots} of {SLOTS} slots are covered"),
        "redis-cli --cluster check HOST:PORT, then --cluster fix",
    )
}

fn r08(facts: &Facts) -> Option<Verdict> {
    let rejected = facts.number("connections.rejected")?;
    let timeout = facts.number("connections.timeout_s").unwrap_or(0);
    if timeout > 0 {
        let measured = format!("`timeout` closes connections that are idle for {timeout} s");
        return when(true, measured, "CONFIG SET timeout 0");
    }
    let limit = facts.number("connections.limit").unwrap_or(0);
    when(
        rejected > 0,
        format!("{rejected} were refused (maxclients {limit})"),
        "CONFIG SET maxclients higher",
    )
}

fn r09(facts: &Facts) -> Option<Verdict> {
    let stale = facts.number("expiry.stale_percent")?;
    when(
        stale > 25,
        format!("expired_stale_perc is {stale}"),
        "CONFIG SET active-expire-effort 5",
    )
}

fn r10(facts: &Facts) -> Option<Verdict> {
    let odd = facts.text("keys.odd")?;
    let prefix = facts.text("prefix").unwrap_or_default();
    when(
        !odd.is_empty(),
        format!("keys under `{prefix}` of the type {odd}"),
        "give the prefix of the sessions; those records stay unread",
    )
}
