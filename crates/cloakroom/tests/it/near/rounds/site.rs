//! Servers that four processes share, and the faults injected into them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testbed::{Proxy, Redis, RedisCluster, Sentinels};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::super::servers::{is_primary, redis_cli};
use super::failover::Failover;

/// Name of the user of the other processes' connections, by which a proxy recognises them.
const OTHERS: &str = "the-others";
/// A word that only a cache's subscription sends.
const LINK: &str = "TRACKING";
/// Delay of a slow subscription: up to twice this.
const LATE: Duration = Duration::from_millis(250);
/// Time for which a connection stays frozen or cut after the last logout: longer than the bound.
const AFTER: Duration = Duration::from_millis(1500);

/// The servers that keep the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One server, behind a proxy.
    Alone,
    /// Three primaries, each behind a proxy.
    Cluster,
    /// Three primaries, each with a replica.
    Replicas,
    /// A primary and a replica, under three sentinels.
    Sentinels,
}

impl Place {
    pub(super) fn has_replicas(self) -> bool {
        matches!(self, Self::Replicas | Self::Sentinels)
    }
}

/// The faults that occur while sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// Nothing arrives over the subscriptions to a server; everything else works.
    LinkFrozen,
    /// The subscriptions to a server are cut, and cannot be made again.
    LinkCut,
    /// Everything arrives late over the subscriptions to a server.
    LinkLate,
    /// The others receive nothing from a server.
    Frozen,
    /// The others have no connection to a server.
    Cut,
    /// The servers end all connections, again and again.
    Killed,
    /// All keys are deleted at once: that is how the sessions end.
    Flushed,
    /// A replica takes over.
    FailsOver,
}

enum Servers {
    Alone(Redis),
    Cluster(RedisCluster),
    Sentinels(Sentinels),
}

pub(super) struct Site {
    servers: Servers,
    proxies: Vec<Proxy>,
    url: String,
    /// Ends the connections until it is stopped.
    killer: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    failover: Option<Failover>,
}

impl Site {
    pub(super) async fn new(place: Place) -> Self {
        spawn_blocking(move || Self::start(place)).await.unwrap()
    }

    fn start(place: Place) -> Self {
        let (servers, proxies, url) = match place {
            Place::Alone => {
                let redis = Redis::start();
                let proxies = vec![Proxy::to(redis.port())];
                (Servers::Alone(redis), proxies, "redis://".to_owned())
            }
            Place::Cluster => {
                let cluster = RedisCluster::start(0);
                let proxies = cluster.behind_proxies();
                let url = "redis+cluster://".to_owned();
                (Servers::Cluster(cluster), proxies, url)
            }
            Place::Replicas => {
                let cluster = RedisCluster::start(1);
                let url = cluster.url();
                (Servers::Cluster(cluster), Vec::new(), url)
            }
            Place::Sentinels => {
                let sentinels = Sentinels::start();
                let url = sentinels.url();
                (Servers::Sentinels(sentinels), Vec::new(), url)
            }
        };
        let mut site = Self {
            servers,
            proxies,
            url,
            killer: None,
            failover: None,
        };
        for port in site.ports() {
            redis_cli(
                port,
                &["ACL", "SETUSER", OTHERS, "on", ">pw", "~*", "&*", "+@all"],
            );
        }
        site
    }

    /// Returns the URL of the process that ends sessions.
    pub(super) fn url(&self) -> String {
        let proxies = self.proxies.iter();
        let hosts = proxies.map(|proxy| format!("127.0.0.1:{}", proxy.port()));
        format!("{}{}", self.url, hosts.collect::<Vec<_>>().join(","))
    }

    /// Returns the URL of the others, with a user of their own where a proxy has to recognise them.
    pub(super) fn url_of_others(&self) -> String {
        if self.proxies.is_empty() {
            return self.url();
        }
        self.url().replace("://", &format!("://{OTHERS}:pw@"))
    }

    fn ports(&mut self) -> Vec<u16> {
        self.nodes().iter().map(Redis::port).collect()
    }

    fn nodes(&mut self) -> &mut [Redis] {
        match &mut self.servers {
            Servers::Alone(redis) => std::slice::from_mut(redis),
            Servers::Cluster(cluster) => cluster.nodes(),
            Servers::Sentinels(sentinels) => sentinels.servers(),
        }
    }

    /// Returns the port of the replica that the sentinels promote in a fault, if they do.
    pub(super) fn promoted(&mut self, fault: Fault) -> Option<u16> {
        let by_sentinels = matches!(self.servers, Servers::Sentinels(_));
        if fault != Fault::FailsOver || !by_sentinels {
            return None;
        }
        let mut ports = self.ports().into_iter();
        ports.find(|port| !is_primary(*port))
    }

    /// Lets it begin; `turn` says which server is concerned, where it is one of several.
    pub(super) async fn begin(&mut self, fault: Fault, turn: usize) {
        match fault {
            Fault::Nothing => {}
            Fault::LinkFrozen => self.concerned(LINK, turn).freeze(true),
            Fault::LinkCut => self.concerned(LINK, turn).cut(true),
            Fault::LinkLate => self.concerned(LINK, turn).delay(LATE),
            Fault::Frozen => self.concerned(OTHERS, turn).freeze(true),
            Fault::Cut => self.concerned(OTHERS, turn).cut(true),
            Fault::Killed => self.kill_connections(),
            Fault::Flushed => {
                for port in self.ports() {
                    redis_cli(port, &["FLUSHALL"]);
                }
            }
            Fault::FailsOver => {
                self.failover = match &mut self.servers {
                    Servers::Alone(_) => None,
                    Servers::Cluster(cluster) => {
                        Some(Failover::of_a_cluster(cluster.nodes(), turn))
                    }
                    Servers::Sentinels(sentinels) => {
                        Some(Failover::under_sentinels(sentinels, turn).await)
                    }
                };
            }
        }
    }

    /// Lets it end, once it has lasted for longer than the bound.
    pub(super) async fn end(&mut self, fault: Fault) {
        use Fault::{Cut, Frozen, LinkCut, LinkFrozen, LinkLate};
        if matches!(fault, LinkFrozen | LinkCut | LinkLate | Frozen | Cut) {
            sleep(AFTER).await;
        }
        for proxy in &self.proxies {
            proxy.freeze(false);
            proxy.cut(false);
            proxy.delay(Duration::ZERO);
        }
        if let Some((stop, killer)) = self.killer.take() {
            stop.store(true, Ordering::SeqCst);
            killer.await.unwrap();
        }
        if let Some(failover) = self.failover.take() {
            failover.wait(self.nodes()).await;
        }
    }

    fn concerned(&self, whom: &str, turn: usize) -> &Proxy {
        let proxy = &self.proxies[turn % self.proxies.len()];
        proxy.only(whom);
        proxy
    }

    fn kill_connections(&mut self) {
        let (ports, stop) = (self.ports(), Arc::<AtomicBool>::default());
        let stopped = Arc::clone(&stop);
        let killer = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                for port in &ports {
                    redis_cli(*port, &["CLIENT", "KILL", "TYPE", "normal"]);
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        self.killer = Some((stop, killer));
    }
}
