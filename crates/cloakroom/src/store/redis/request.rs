//! What is sent: a command, several at once, or a script.

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::scripts::Script;

/// A connection to one server or to a cluster of them.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is asked of the server.
pub(super) enum Request<'a> {
    Command(Cmd),
    /// To one node of a cluster, whatever its keys.
    ToNode(Cmd, Node),
    /// To any one of them.
    Anywhere(Cmd),
    /// Together; in a cluster their keys lie in one slot.
    Pipeline(Pipeline),
    Script {
        script: &'a Script,
        keys: Vec<String>,
        arguments: Vec<Vec<u8>>,
    },
}

/// The address of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

/// How it is put.
#[derive(PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// With the text of the script instead of its hash.
    Whole,
    /// To the node that is about to own the slot.
    Asking(Node),
}

impl Form {
    pub(super) fn asked(error: &RedisError) -> Self {
        let node = error.redirect_node().and_then(|(address, _)| {
            let (host, port) = address.rsplit_once(':')?;
            Some(Node {
                host: host.to_owned(),
                port: port.parse().ok()?,
            })
        });
        node.map_or(Self::Plain, Self::Asking)
    }
}

impl From<Cmd> for Request<'_> {
    fn from(command: Cmd) -> Self {
        Self::Command(command)
    }
}

impl From<Pipeline> for Request<'_> {
    fn from(pipeline: Pipeline) -> Self {
        Self::Pipeline(pipeline)
    }
}

impl Request<'_> {
    pub(super) async fn send(&self, mut connection: Connection, form: &Form) -> RedisResult<Value> {
        let command = match self {
            Self::Pipeline(pipeline) => return send_all(connection, pipeline, form).await,
            Self::Command(command) | Self::ToNode(command, _) | Self::Anywhere(command) => {
                command.clone()
            }
            Self::Script {
                script,
                keys,
                arguments,
            } => call(script, keys, arguments, *form != Form::Plain),
        };
        match (&mut connection, self, form) {
            (Connection::One(one), _, Form::Asking(_)) => {
                let mut asking = Pipeline::new();
                asking.cmd("ASKING").add_command(command);
                let mut said = one.req_packed_commands(&asking, 0, 2).await?;
                said.pop().unwrap_or(Value::Nil).extract_error()
            }
            (Connection::Cluster(cluster), Self::ToNode(_, node), _) => {
                let route = RoutingInfo::SingleNode(node.route());
                cluster.route_command(command, route).await
            }
            (Connection::Cluster(cluster), Self::Anywhere(_), _) => {
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
                cluster.route_command(command, route).await
            }
            (Connection::Cluster(cluster), ..) => cluster.req_packed_command(&command).await,
            (Connection::One(one), ..) => one.req_packed_command(&command).await,
        }?
        .extract_error()
    }
}

impl Node {
    fn route(&self) -> SingleNodeRoutingInfo {
        SingleNodeRoutingInfo::ByAddress {
            host: self.host.clone(),
            port: self.port,
        }
    }
}

async fn send_all(connection: Connection, pipeline: &Pipeline, form: &Form) -> RedisResult<Value> {
    let count = pipeline.len();
    let values = match (connection, form) {
        (Connection::One(mut one), Form::Asking(_)) => {
            // It is due before each of them.
            let mut asking = Pipeline::new();
            for command in pipeline.cmd_iter() {
                asking.cmd("ASKING").add_command(command.clone());
            }
            let said = one.req_packed_commands(&asking, 0, 2 * count).await?;
            said.into_iter().skip(1).step_by(2).collect()
        }
        (Connection::One(mut one), _) => one.req_packed_commands(pipeline, 0, count).await?,
        (Connection::Cluster(mut cluster), _) => {
            cluster.req_packed_commands(pipeline, 0, count).await?
        }
    };
    Value::Array(values).extract_error()
}

fn call(script: &Script, keys: &[String], arguments: &[Vec<u8>], whole: bool) -> Cmd {
    let mut command = if whole {
        redis::cmd("EVAL")
    } else {
        redis::cmd("EVALSHA")
    };
    command.arg(if whole { &script.code } else { &script.hash });
    command.arg(keys.len()).arg(keys).arg(arguments);
    command
}
