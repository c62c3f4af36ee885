//! The keys below our prefix, the sets of users beside them, and sessions elsewhere.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use redis::Value;

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::StoreError;
use crate::store::inspect::facts::Facts;
use crate::store::inspect::sample::{SAMPLE, Sample, Seen};
use crate::store::redis::RedisInner;
use crate::store::redis::connection::command::{Node, Request};
use crate::store::redis::connection::error::Idempotency;
use crate::store::redis::replay::text;

/// Rounds of a scan after which it has looked long enough.
const ROUNDS: usize = 20;
/// Users whose index is compared with their sessions.
const USERS: usize = 200;

impl RedisInner {
    pub(super) async fn sampled(
        &self,
        facts: &mut Facts,
        nodes: &[Option<Node>],
    ) -> Result<(), StoreError> {
        let keys = self.some_keys(nodes, &self.keys.pattern(), SAMPLE).await;
        let (mut seen, mut odd, mut named) = (Vec::new(), BTreeSet::new(), Vec::new());
        let looked = keys
            .iter()
            .filter_map(|key| Some((key, self.keys.id(key)?)));
        let looked = looked.map(async |(key, id)| (id, self.look(key).await));
        for (id, (kind, one)) in join_all(looked).await {
            match &*kind {
                "string" => {
                    named.extend(one.text.clone().map(|text| (id, text)));
                    seen.push(one);
                }
                "none" | "" => {}
                _ => {
                    odd.insert(kind);
                }
            }
        }
        let odd: Vec<String> = odd.into_iter().collect();
        facts.set("keys.odd", odd.join(", "));
        let keys = self.user_keys.load();
        Sample::of(&seen, self.clock.now(), &keys).note(facts);
        self.index(facts, nodes, &named).await;
        if seen.is_empty() {
            self.elsewhere(facts, nodes).await;
        }
        Ok(())
    }

    async fn some_keys(&self, nodes: &[Option<Node>], pattern: &str, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        for node in nodes {
            let (mut cursor, mut rounds) = (0_u64, 0);
            while rounds < ROUNDS && found.len() < most {
                let mut command = redis::cmd("SCAN");
                command
                    .arg(cursor)
                    .arg("MATCH")
                    .arg(pattern)
                    .arg("COUNT")
                    .arg(1000);
                let Some((next, keys)) = self
                    .asked::<(u64, Vec<String>)>(command, node.as_ref())
                    .await
                else {
                    break;
                };
                found.extend(keys);
                (cursor, rounds) = (next, rounds + 1);
                if cursor == 0 {
                    break;
                }
            }
        }
        found.truncate(most);
        found
    }

    /// Reads a key: its type, and the record and expiry of a string.
    async fn look(&self, key: &str) -> (String, Seen) {
        let command = |name: &str| Request::Command(std::mem::take(redis::cmd(name).arg(key)));
        let send = async |name| {
            self.link
                .send(&command(name), Idempotency::Idempotent)
                .await
                .ok()
        };
        let kind = send("TYPE")
            .await
            .and_then(|said| redis::from_redis_value(said).ok());
        let kind: String = kind.unwrap_or_default();
        let left = send("PTTL")
            .await
            .and_then(|said| redis::from_redis_value::<i64>(said).ok());
        let now = self.clock.now();
        let expires = left.filter(|left| *left >= 0);
        let expires = expires.map(|left| Timestamp::from_millis(now.as_millis() + left));
        let text = match &*kind {
            "string" => send("GET")
                .await
                .and_then(|said| redis::from_redis_value(said).ok()),
            _ => None,
        };
        (kind, Seen { text, expires })
    }

    /// Compares sessions with the sets of their users, and those with the sessions.
    async fn index(
        &self,
        facts: &mut Facts,
        nodes: &[Option<Node>],
        named: &[(SessionId, String)],
    ) {
        let (mut outside, mut compared) = (0_usize, 0_usize);
        let keys = self.user_keys.load_full();
        for (id, text) in named.iter().take(USERS) {
            for user in keys.users_of(text) {
                let mut command = redis::cmd("SISMEMBER");
                command.arg(self.keys.index(&user)).arg(id.expose());
                let request = Request::Command(command);
                let Ok(said) = self.link.send(&request, Idempotency::Idempotent).await else {
                    return;
                };
                compared += 1;
                outside += usize::from(said != Value::Int(1));
            }
        }
        facts.set("index.compared", compared);
        facts.set("index.outside", outside);
        let sets = self.some_keys(nodes, &self.keys.index("*"), USERS).await;
        facts.set("index.users", sets.len());
    }

    /// Looks for sessions below other prefixes, and in other databases.
    async fn elsewhere(&self, facts: &mut Facts, nodes: &[Option<Node>]) {
        let mut places = BTreeSet::new();
        for key in self.some_keys(nodes, "*", SAMPLE).await {
            let (kind, seen) = self.look(&key).await;
            let is_session = seen
                .text
                .is_some_and(|text| text.starts_with("{\"cookie\":"));
            if kind == "string" && is_session {
                let prefix = key.rfind(':').map_or("", |at| &key[..=at]);
                places.insert(format!("the prefix `{prefix}`"));
            }
        }
        let info = self
            .say(redis::cmd("INFO"), None)
            .await
            .and_then(text)
            .unwrap_or_default();
        let others = info
            .lines()
            .filter_map(|line| line.strip_prefix("db")?.split_once(":keys="));
        if places.is_empty() {
            // This database would be among them if it had a key.
            let is_empty = self.asked::<u64>(redis::cmd("DBSIZE"), None).await == Some(0);
            places.extend(
                others
                    .filter(|_| is_empty)
                    .map(|(number, _)| format!("the database {number}")),
            );
        }
        let places: Vec<String> = places.into_iter().collect();
        facts.set("elsewhere", places.join(", "));
    }
}
