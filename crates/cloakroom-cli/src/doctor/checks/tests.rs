//! Verdicts on facts, and the list of checks itself.

use std::collections::BTreeSet;

use cloakroom::store::inspect::Facts;

use super::{all, concerns};
use crate::doctor::check::{Level, Verdict};

fn verdict(id: &str, facts: &Facts) -> Option<Verdict> {
    let check = all()
        .find(|check| check.id == id)
        .expect("there is such a check");
    (check.look)(facts)
}

fn redis() -> Facts {
    Facts::new("redis").with("mixed_fleet", false)
}

/// Facts that are hard to plant on a real server: each is found, and not where it is as it should be.
#[test]
fn faults_of_servers_that_no_test_can_start_are_found() {
    let memory = |rss: i64, fragmentation: i64| {
        redis()
            .with("memory.limit_bytes", 0_i64)
            .with("memory.used_bytes", 1_i64 << 30)
            .with("memory.rss_bytes", rss << 30)
            .with("memory.host_bytes", 10_i64 << 30)
            .with("memory.fragmentation_percent", fragmentation)
    };
    let table = |dead: i64| {
        Facts::new("postgres")
            .with("table.there", true)
            .with("table.name", "t")
            .with("autovacuum", "on")
            .with("rows.dead", dead)
            .with("rows.live", 20_000_i64)
    };
    let rows = |expired: i64| {
        Facts::new("postgres")
            .with("table.there", true)
            .with("rows.counted", 20_000_i64)
            .with("rows.expired", expired)
            .with("rows.oldest_s", 60_i64)
    };
    let texts = |sessions: i64| {
        Facts::new("mongodb")
            .with("records.texts", 9_i64)
            .with("records.objects", 0_i64)
            .with("index.users", 0_i64)
            .with("sessions", sessions)
    };
    let file = |writable: bool, free: i64, network: &str| {
        Facts::new("sqlite")
            .with("file.writable", writable)
            .with("file.free_percent", free)
            .with("file.network", network)
    };
    let ttl = |there: bool, after: i64| {
        Facts::new("mongodb")
            .with("collection", "sessions")
            .with("sample.read", 1_i64)
            .with("ttl.index", there)
            .with("ttl.after_s", after)
    };
    let cluster = |state: &str, slots: i64| {
        redis()
            .with("cluster.state", state)
            .with("cluster.slots", slots)
    };
    let lag = |seconds: i64| {
        redis()
            .with("persistence.known", true)
            .with("replicas.lag_s", seconds)
    };
    let disk = |status: &str| {
        redis()
            .with("persistence.known", true)
            .with("log.enabled", "1")
            .with("snapshot.status", status)
    };
    let version = |kind, name, number: i64| Facts::new(kind).with(name, number);
    let pings = |median: i64, slow: i64| {
        redis()
            .with("ping.median_us", median)
            .with("ping.slow_us", slow)
    };
    #[rustfmt::skip]
    let table = [ // check, ill, well
        ("S02", pings(6_000, 7_000),                           pings(900, 8_000)),
        ("S02", pings(900, 21_000),                            pings(4_000, 19_000)),
        ("S04", redis().with("version.too_old", true),         redis().with("version.too_old", false)),
        ("S04", version("postgres", "version.number", 110_000), version("postgres", "version.number", 120_000)),
        ("S04", version("mongodb", "version.wire", 8),         version("mongodb", "version.wire", 9)),
        ("S05", Facts::new("mongodb").with("writable", false), Facts::new("mongodb").with("writable", true)),
        ("S05", Facts::new("postgres").with("standby", true),  Facts::new("postgres").with("standby", false).with("read_only", "off")),
        ("R03", memory(8, 110),                                memory(6, 110)),
        ("R03", memory(2, 160),                                memory(2, 140)),
        ("R04", disk("err"),                                   disk("ok")),
        ("R05", lag(60),                                       lag(1)),
        ("R07", cluster("fail", 16_384),                       cluster("ok", 16_384)),
        ("R07", cluster("ok", 16_000),                         redis()),
        ("R08", redis().with("connections.rejected", 7_i64),   redis().with("connections.rejected", 0_i64)),
        ("R09", redis().with("expiry.stale_percent", 40_i64),  redis().with("expiry.stale_percent", 9_i64)),
        ("P06", rows(5_000),                                   rows(3_000)),
        ("P07", table(30_000),                                 table(15_000)),
        ("M01", ttl(true, 3600),                               ttl(true, 0)),
        ("M01", ttl(true, 0).with("ttl.monitor", false),       ttl(true, 0).with("ttl.monitor", true)),
        ("M04", Facts::new("mongodb").with("replica_set", false), Facts::new("mongodb").with("replica_set", true)),
        ("M05", texts(200_000),                                texts(2_000)),
        ("M07", Facts::new("mongodb").with("clock.told", false), Facts::new("mongodb").with("clock.told", true)),
        ("L01", file(false, 50, ""),                           file(true, 50, "")),
        ("L01", file(true, 4, ""),                             file(true, 5, "")),
        ("L02", file(true, 50, "NFS"),                         file(true, 50, "")),
    ];
    for (id, ill, well) in table {
        assert!(
            matches!(verdict(id, &ill), Some(Verdict::Found(_))),
            "{id}: {ill:?}"
        );
        assert_eq!(verdict(id, &well), Some(Verdict::Fine), "{id}: {well:?}");
    }
}

/// Nothing is called healthy of which nothing is known, but for checks of another kind of store.
#[test]
fn nothing_is_fine_that_was_not_seen() {
    let known = ["S01"];
    for kind in ["redis", "postgres", "mongodb", "sqlite"] {
        let facts = Facts::new(kind);
        for check in
            all().filter(|check| concerns(check.id, Some(kind)) && !known.contains(&check.id))
        {
            let foreign = match kind {
                "sqlite" => ["S02", "S03", "S04", "S05", "S07", "S10", "S12"].contains(&check.id),
                "mongodb" => ["S07", "S10"].contains(&check.id),
                "postgres" => check.id == "S10",
                // Without sentinels or a cluster there is nobody to agree with.
                _ => check.id == "R07",
            };
            let expected = foreign.then_some(Verdict::Fine);
            assert_eq!((check.look)(&facts), expected, "{kind} {}", check.id);
        }
    }
}

#[test]
fn skew_beyond_half_a_minute_is_an_error() {
    for (skew, expected) in [
        (500_i64, None),
        (-2_000, Some(None)),
        (40_000, Some(Some(Level::Error))),
    ] {
        let level = match verdict("S03", &redis().with("clock.skew_ms", skew)) {
            Some(Verdict::Found(finding)) => Some(finding.level),
            _ => None,
        };
        assert_eq!(level, expected, "{skew}");
    }
}

#[test]
fn ids_are_unique_and_every_check_says_why() {
    let ids: BTreeSet<&str> = all().map(|check| check.id).collect();
    assert_eq!(ids.len(), all().count());
    assert_eq!(ids.len(), 57);
    for check in all() {
        assert!(
            !check.why.is_empty() && !check.title.ends_with('.'),
            "{}",
            check.id
        );
    }
}
