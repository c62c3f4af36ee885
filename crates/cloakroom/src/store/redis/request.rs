//! What is sent: a command, several at once, or a script.

use std::borrow::Cow;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::scripts::Script;

/// A connection to one server or to a cluster of them.
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
    pub(super) async fn send(&self, connection: &Connection, form: &Form) -> RedisResult<Value> {
        // The driver boxes what it does; what else is not of every day has a box of its own.
        match (connection, form) {
            (Connection::One(one), Form::Asking(_)) => Box::pin(self.ask(one.clone(), form)).await,
            (Connection::One(one), _) => {
                let mut one = one.clone();
                if let Self::Pipeline(pipeline) = self {
                    let said = one.req_packed_commands(pipeline, 0, pipeline.len());
                    said.await.map(Value::Array)
                } else {
                    one.req_packed_command(&self.command(form)).await
                }
            }
            (Connection::Cluster(cluster), _) => {
                Box::pin(self.send_in(cluster.clone(), form)).await
            }
        }?
        .extract_error()
    }

    /// To a node that does not own the slot yet: it has to be told so before each command.
    async fn ask(&self, mut one: MultiplexedConnection, form: &Form) -> RedisResult<Value> {
        let mut asking = Pipeline::new();
        let add = |command| {
            asking.cmd("ASKING").add_command(command);
        };
        match self {
            Self::Pipeline(pipeline) => pipeline.cmd_iter().cloned().for_each(add),
            _ => std::iter::once(self.command(form).into_owned()).for_each(add),
        }
        let said = one.req_packed_commands(&asking, 0, asking.len()).await?;
        let mut answers = said.into_iter().skip(1).step_by(2);
        Ok(match self {
            Self::Pipeline(_) => Value::Array(answers.collect()),
            _ => answers.next().unwrap_or(Value::Nil),
        })
    }

    async fn send_in(&self, mut cluster: ClusterConnection, form: &Form) -> RedisResult<Value> {
        let route = match self {
            Self::Pipeline(pipeline) => {
                let said = cluster.req_packed_commands(pipeline, 0, pipeline.len());
                return said.await.map(Value::Array);
            }
            Self::ToNode(_, node) => node.route(),
            Self::Anywhere(_) => SingleNodeRoutingInfo::RandomPrimary,
            _ => return cluster.req_packed_command(&self.command(form)).await,
        };
        let command = self.command(form).into_owned();
        let route = RoutingInfo::SingleNode(route);
        cluster.route_command(command, route).await
    }

    /// The one command that it is, if it is no pipeline.
    fn command(&self, form: &Form) -> Cow<'_, Cmd> {
        match self {
            Self::Command(command) | Self::ToNode(command, _) | Self::Anywhere(command) => {
                Cow::Borrowed(command)
            }
            Self::Script {
                script,
                keys,
                arguments,
            } => Cow::Owned(call(script, keys, arguments, *form != Form::Plain)),
            Self::Pipeline(_) => Cow::Owned(Cmd::new()),
        }
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
