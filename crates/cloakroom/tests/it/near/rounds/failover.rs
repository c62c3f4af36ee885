//! A replica is promoted: in a cluster by command; under sentinels its primary is killed, or they fail over by
//! command.

use std::time::{Duration, Instant};

use testbed::{Redis, Sentinels};
use tokio::task::block_in_place;

use super::super::servers::{are_in_step, is_primary, primaries, redis_cli, until};

/// Time after which the command is repeated: a replica that was not elected does not report it.
const ELECTED: Duration = Duration::from_secs(6);
/// The second does not ask the primary: for a moment there are two.
const WAYS: [&[&str]; 2] = [&["CLUSTER", "FAILOVER"], &["CLUSTER", "FAILOVER", "FORCE"]];

/// A failover under way.
pub(super) enum Failover {
    Told {
        replica: u16,
        way: &'static [&'static str],
        before: Vec<u16>,
    },
    Killed(usize),
    /// The one that was replaced works on until the sentinels tell it, ten seconds later.
    Replaced(usize),
}

impl Failover {
    pub(super) fn of_a_cluster(nodes: &[Redis], turn: usize) -> Self {
        let before = primaries(nodes[0].port());
        let mut replicas = nodes.iter().map(Redis::port);
        let is_replica = |port: &u16| !before.contains(port);
        let replica = replicas.by_ref().filter(is_replica).nth(turn % 3);
        let (replica, way) = (replica.expect("one for each"), WAYS[turn % 2]);
        redis_cli(replica, way);
        Self::Told {
            replica,
            way,
            before,
        }
    }

    pub(super) async fn under_sentinels(sentinels: &mut Sentinels, turn: usize) -> Self {
        let nodes = sentinels.servers();
        let at = nodes.iter().position(|node| is_primary(node.port()));
        let at = at.expect("one of them is");
        if turn.is_multiple_of(2) {
            block_in_place(|| nodes[at].process().kill());
            return Self::Killed(at);
        }
        until("the sentinels agree to it", || {
            sentinels.fail_over().starts_with("+OK")
        })
        .await;
        Self::Replaced(at)
    }

    /// Waits until there is another primary, which has its replica again.
    pub(super) async fn wait(self, nodes: &mut [Redis]) {
        let ports: Vec<u16> = nodes.iter().map(Redis::port).collect();
        match self {
            Self::Told {
                replica,
                way,
                before,
            } => {
                let mut told = Instant::now();
                until("another primary", || {
                    if told.elapsed() > ELECTED {
                        redis_cli(replica, way);
                        told = Instant::now();
                    }
                    primaries(ports[0]) != before
                })
                .await;
            }
            Self::Killed(at) => {
                let other = ports[1 - at];
                until("another primary", || is_primary(other)).await;
                block_in_place(|| nodes[at].restart());
                let said = redis_cli(ports[at], &["REPLICAOF", "127.0.0.1", &other.to_string()]);
                assert!(said.starts_with("OK"), "{said}");
            }
            Self::Replaced(at) => {
                let [old, new] = [ports[at], ports[1 - at]];
                until("another primary", || is_primary(new) && !is_primary(old)).await;
            }
        }
        are_in_step(&ports).await;
    }
}
