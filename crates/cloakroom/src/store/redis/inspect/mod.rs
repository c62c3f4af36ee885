//! What Redis says of itself and of the keys below our prefix, for `store::inspect`: commands that read.

mod keys;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use redis::{Cmd, FromRedisValue, Value};

use crate::id::SessionId;
use crate::store::inspect::facts::Facts;
use crate::store::inspect::measure::{skew, time};
use crate::store::redis::connection::address::{Address, split_wait};
use crate::store::redis::connection::checks::settings;
use crate::store::redis::connection::command::{Node, Request};
use crate::store::redis::connection::durability::Keeping;
use crate::store::redis::connection::error::Idempotency;
use crate::store::redis::connection::link::Link;
use crate::store::redis::connection::server_info::ServerInfo;
use crate::store::redis::keys::RedisKeys;
use crate::store::redis::replay::{Replay, text};
use crate::store::redis::session::scripts::Scripts;
use crate::store::redis::user_index::index_cache::IndexCache;
use crate::store::redis::{NO_PROVIDER, RedisInner, RedisOptions, invalid};
use crate::store::{StoreError, StoreOptions, UserKeys};

/// Numbers of `INFO`, each with the name of the fact.
const NUMBERS: [(&str, &str); 9] = [
    ("maxmemory", "memory.limit_bytes"),
    ("used_memory", "memory.used_bytes"),
    ("used_memory_rss", "memory.rss_bytes"),
    ("total_system_memory", "memory.host_bytes"),
    ("evicted_keys", "evicted"),
    ("rejected_connections", "connections.rejected"),
    ("expired_time_cap_reached_count", "expiry.capped"),
    ("connected_slaves", "replicas"),
    ("loading", "loading"),
];
/// Texts of `INFO`.
const TEXTS: [(&str, &str); 5] = [
    ("maxmemory_policy", "memory.policy"),
    ("rdb_last_bgsave_status", "snapshot.status"),
    ("aof_last_write_status", "log.status"),
    ("aof_enabled", "log.enabled"),
    ("role", "role"),
];

/// Returns the facts about the server or the cluster that `url` names.
///
/// # Errors
///
/// As for [`RedisStore::connect`](super::RedisStore::connect), if it cannot be reached.
pub(in crate::store) async fn inspect(
    url: &str,
    options: &StoreOptions,
    keys: &UserKeys,
) -> Result<Facts, StoreError> {
    let inner = connect(url, RedisOptions::of(options).without_replay(), keys).await?;
    let mut facts = Facts::new("redis");
    facts.set("mixed_fleet", options.mixed_fleet);
    facts.set("prefix", inner.keys.prefix());
    let nodes = inner.places().await?;
    for node in &nodes {
        inner.server(&mut facts, node.as_ref()).await;
    }
    inner.clock(&mut facts).await;
    inner.rights(&mut facts).await;
    inner.together(&mut facts).await;
    inner.sampled(&mut facts, &nodes).await?;
    time(&mut facts, || async {
        inner.say(redis::cmd("PING"), None).await.is_some()
    })
    .await;
    Ok(facts)
}

async fn connect(
    url: &str,
    mut options: RedisOptions,
    keys: &UserKeys,
) -> Result<RedisInner, StoreError> {
    let (url, replicas) = split_wait(url)?;
    options = options.wait_replicas(replicas.unwrap_or(0));
    let address = Address::parse(&url)?;
    if address.uses_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(invalid(NO_PROVIDER));
    }
    let of_keys = Arc::new(RedisKeys::new(&options, address.is_cluster()));
    let seen = Arc::<IndexCache>::default();
    let replay = Replay::new(
        options.replay,
        Arc::clone(&of_keys),
        options.mixed_fleet,
        Arc::clone(&seen),
    );
    Ok(RedisInner {
        link: Link::open(&address, &options, Arc::new(replay)).await?,
        keys: of_keys,
        scripts: Scripts::new(false),
        read_only: true,
        mixed_fleet: options.mixed_fleet,
        retires: false,
        looks_at_all: false,
        user_keys: ArcSwap::from_pointee(keys.clone()),
        seen,
        clock: options.clock,
    })
}

impl RedisInner {
    /// Returns the primaries of a cluster; one place, the server itself, otherwise.
    async fn places(&self) -> Result<Vec<Option<Node>>, StoreError> {
        if !self.keys.are_spread() {
            return Ok(vec![None]);
        }
        Ok(self.nodes().await?.into_iter().map(Some).collect())
    }

    /// Sends a command that changes nothing; `None` if the server refuses it.
    async fn say(&self, command: Cmd, node: Option<&Node>) -> Option<Value> {
        let request = match node {
            Some(node) => Request::ToNode(command, node.clone()),
            None if self.keys.are_spread() => Request::Anywhere(command),
            None => Request::Command(command),
        };
        self.link.send(&request, Idempotency::Idempotent).await.ok()
    }

    async fn asked<T: FromRedisValue>(&self, command: Cmd, node: Option<&Node>) -> Option<T> {
        redis::from_redis_value(self.say(command, node).await?).ok()
    }

    /// Notes what one server says of itself.
    async fn server(&self, facts: &mut Facts, node: Option<&Node>) {
        let info = self.say(redis::cmd("INFO"), node).await.and_then(text);
        facts.set(
            "rights.info",
            info.is_some() && facts.flag("rights.info") != Some(false),
        );
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg("*");
        let config = self.say(config, node).await.map(settings);
        facts.set("rights.config", config.is_some());
        let info = info.unwrap_or_default();
        for (name, fact) in NUMBERS {
            facts.worse(
                fact,
                field(&info, name).and_then(|text| text.parse::<i64>().ok()),
            );
        }
        for (name, fact) in TEXTS {
            facts.worse(fact, field(&info, name));
        }
        let percent = |name| field(&info, name).and_then(|text| text.parse::<f64>().ok());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a ratio in hundredths is small"
        )]
        let hundredths = |value: f64| (value * 100.0) as i64;
        facts.worse(
            "expiry.stale_percent",
            percent("expired_stale_perc").map(|value| hundredths(value) / 100),
        );
        facts.worse(
            "memory.fragmentation_percent",
            percent("mem_fragmentation_ratio").map(hundredths),
        );
        let version = field(&info, "valkey_version").or_else(|| field(&info, "redis_version"));
        facts.worse("version", version);
        facts.set("version.too_old", ServerInfo::of(&info).too_old);
        let lag = info
            .lines()
            .filter_map(|line| line.split_once("lag=")?.1.trim().parse::<i64>().ok());
        facts.worse("replicas.lag_s", lag.max());
        self.persistence(facts, &info, config);
    }

    fn persistence(&self, facts: &mut Facts, info: &str, config: Option<HashMap<String, String>>) {
        let Some(config) = config else {
            return;
        };
        let keeping = Keeping::of(info, &config);
        facts.worse("undone.restart", keeping.at_restart());
        let has_others = self.link.sentinels.is_some();
        facts.worse("undone.failover", keeping.at_failover(has_others, false));
        facts.set("persistence.known", field(info, "aof_enabled").is_some());
        facts.worse("snapshot.rules", config.get("save").cloned());
        facts.worse("log.fsync", config.get("appendfsync").cloned());
        let number = |name: &str| config.get(name)?.parse::<i64>().ok();
        facts.worse("connections.timeout_s", number("timeout"));
        facts.worse("connections.limit", number("maxclients"));
    }

    async fn clock(&self, facts: &mut Facts) {
        let (asked, begin) = (self.clock.now(), Instant::now());
        let said: Option<(i64, i64)> = self.asked(redis::cmd("TIME"), None).await;
        if let Some((seconds, micros)) = said {
            skew(
                facts,
                asked.as_millis(),
                begin.elapsed(),
                seconds * 1000 + micros / 1000,
            );
        }
    }

    /// Notes the right that is missing, found as the store finds it when it connects: a script that deletes an
    /// absent key.
    async fn rights(&self, facts: &mut Facts) {
        let probe = SessionId::from_store("probe");
        let refused = self.link.must_use(&self.keys.session(&probe)).await;
        facts.set(
            "rights.refused",
            refused.err().map_or(String::new(), |error| source(&error)),
        );
        facts.set(
            "rights.retired",
            self.link.may_use(&self.keys.retired(&probe)).await,
        );
        facts.set(
            "rights.index",
            self.link.may_use(&self.keys.index("probe")).await,
        );
    }

    /// Notes the state of the cluster, and the sentinels' agreement.
    async fn together(&self, facts: &mut Facts) {
        if self.keys.are_spread() {
            let mut command = redis::cmd("CLUSTER");
            command.arg("INFO");
            let info = self.say(command, None).await.and_then(text);
            let info = info.unwrap_or_default();
            facts.note("cluster.state", field(&info, "cluster_state"));
            let slots = field(&info, "cluster_slots_ok").and_then(|text| text.parse::<i64>().ok());
            facts.note("cluster.slots", slots);
        }
        if let Some(sentinels) = &self.link.sentinels {
            let connections = sentinels.watch().await;
            facts.set("sentinels.agree", connections.primary().await.is_some());
        }
    }
}

fn field(info: &str, name: &str) -> Option<String> {
    let line = |line: &str| {
        Some(
            line.strip_prefix(name)?
                .strip_prefix(':')?
                .trim()
                .to_owned(),
        )
    };
    info.lines().find_map(line)
}

fn source(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
