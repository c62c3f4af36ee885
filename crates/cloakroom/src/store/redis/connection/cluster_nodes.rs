//! The primaries of a cluster.

use redis::{Cmd, Value};

use super::command::Node;
use crate::store::redis::session::replies::corrupt;
use crate::store::{StoreError, StoreErrorKind};

/// Builds the request for the primaries of a cluster.
pub(crate) fn slots() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    command
}

/// Reads the reply to it.
pub(crate) fn nodes_said(said: Value) -> Result<Vec<Node>, StoreError> {
    let Value::Array(ranges) = said else {
        return Err(corrupt());
    };
    // A primary without an address would keep its sessions from a logout everywhere.
    let nodes: Option<Vec<Node>> = ranges.into_iter().map(primary).collect();
    let mut nodes = nodes.ok_or_else(|| {
        let why = "a node of the cluster has no address: see cluster-preferred-endpoint-type";
        StoreError::new(StoreErrorKind::Unavailable, why)
    })?;
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

/// Parses `[first slot, last slot, [host, port, …], …]`.
fn primary(range: Value) -> Option<Node> {
    let Value::Array(parts) = range else {
        return None;
    };
    let Some(Value::Array(node)) = parts.into_iter().nth(2) else {
        return None;
    };
    let mut node = node.into_iter();
    Some(Node {
        host: redis::from_redis_value(node.next()?).ok()?,
        port: redis::from_redis_value(node.next()?).ok()?,
    })
}
