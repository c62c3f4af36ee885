//! Requests to the server: a command, several at once, or a script.

use std::borrow::Cow;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use crate::store::redis::session::scripts::Script;

/// A connection to one server or to a cluster of them.
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A request to the server.
pub(crate) enum Request<'a> {
    Command(Cmd),
    /// Sent to one node of a cluster, whatever its keys.
    ToNode(Cmd, Node),
    /// Sent to any one of them.
    Anywhere(Cmd),
    /// Sent together; in a cluster their keys lie in one slot.
    Pipeline(Pipeline),
    /// Sent together to one node of a cluster, which has all of their keys.
    PipelineToNode(Pipeline, Node),
    Script {
        script: &'a Script,
        keys: Vec<String>,
        arguments: Vec<Cow<'a, str>>,
    },
    /// Followed by a `WAIT`.
    Waited(&'a Request<'a>, Cmd),
}

/// The address of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The form in which a request is sent.
#[derive(PartialEq, Eq)]
pub(crate) enum SendMode {
    EvalSha,
    /// With the source of the script instead of its hash.
    Eval,
    /// Sent to the node that is importing the slot, after an `ASKING`.
    Asking(Node),
}

impl SendMode {
    pub(crate) fn asked(error: &RedisError) -> Self {
        let node = error.redirect_node().and_then(|(address, _)| {
            let (host, port) = address.rsplit_once(':')?;
            Some(Node {
                host: host.to_owned(),
                port: port.parse().ok()?,
            })
        });
        node.map_or(Self::EvalSha, Self::Asking)
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

/// The commands that go over the wire for a request.
enum WireCommands<'a> {
    One(Cow<'a, Cmd>),
    All(Cow<'a, Pipeline>),
}

impl Request<'_> {
    pub(crate) async fn send(
        &self,
        connection: &Connection,
        form: &SendMode,
    ) -> RedisResult<Value> {
        match (connection, form) {
            (Connection::One(one), SendMode::EvalSha | SendMode::Eval) => {
                let mut one = one.clone();
                let value = match self.sent(form) {
                    WireCommands::One(command) => one.send_packed_command(&command).await?,
                    WireCommands::All(all) => {
                        Value::Array(one.send_packed_commands(&all, 0, all.len()).await?)
                    }
                };
                value.extract_error()
            }
            // Rare requests are boxed, so that the futures of all requests are smaller.
            (Connection::One(one), SendMode::Asking(_)) => {
                Box::pin(self.send_asking(one.clone(), form)).await
            }
            (Connection::Cluster(cluster), _) => {
                Box::pin(self.send_to_cluster(cluster.clone(), form)).await
            }
        }
    }

    /// Adds the request to a pipeline.
    pub(crate) fn add_to(&self, pipeline: &mut Pipeline, form: &SendMode) {
        match self.sent(form) {
            WireCommands::One(command) => {
                pipeline.add_command(command.into_owned());
            }
            WireCommands::All(all) => {
                for command in all.cmd_iter() {
                    pipeline.add_command(command.clone());
                }
            }
        }
    }

    fn sent(&self, form: &SendMode) -> WireCommands<'_> {
        match self {
            Self::Pipeline(pipeline) | Self::PipelineToNode(pipeline, _) => {
                WireCommands::All(Cow::Borrowed(pipeline))
            }
            Self::Waited(request, wait) => {
                let mut all = Pipeline::with_capacity(4);
                request.add_to(&mut all, form);
                all.add_command(wait.clone());
                WireCommands::All(Cow::Owned(all))
            }
            Self::Command(command) | Self::ToNode(command, _) | Self::Anywhere(command) => {
                WireCommands::One(Cow::Borrowed(command))
            }
            Self::Script {
                script,
                keys,
                arguments,
            } => WireCommands::One(Cow::Owned(call(script, keys, arguments, form))),
        }
    }

    /// Sends to a node that is importing the slot: each command needs an `ASKING`.
    async fn send_asking(
        &self,
        mut one: MultiplexedConnection,
        form: &SendMode,
    ) -> RedisResult<Value> {
        let mut asking = Pipeline::new();
        let is_one = match self.sent(form) {
            WireCommands::One(command) => {
                asking.cmd("ASKING").add_command(command.into_owned());
                true
            }
            WireCommands::All(all) => {
                for command in all.cmd_iter() {
                    asking.cmd("ASKING").add_command(command.clone());
                }
                false
            }
        };
        let said = one.send_packed_commands(&asking, 0, asking.len()).await?;
        let mut said = said.into_iter().skip(1).step_by(2);
        let value = if is_one {
            said.next().unwrap_or(Value::Nil)
        } else {
            Value::Array(said.collect())
        };
        value.extract_error()
    }

    async fn send_to_cluster(
        &self,
        mut cluster: ClusterConnection,
        form: &SendMode,
    ) -> RedisResult<Value> {
        let value = match self.sent(form) {
            WireCommands::All(all) => {
                let count = all.len();
                Value::Array(match self {
                    Self::PipelineToNode(pipeline, node) => {
                        let pipeline = pipeline.clone();
                        cluster
                            .route_pipeline(pipeline, 0, count, node.route())
                            .await?
                    }
                    _ => cluster.req_packed_commands(&all, 0, count).await?,
                })
            }
            WireCommands::One(command) => match self {
                Self::ToNode(_, node) => {
                    let route = RoutingInfo::SingleNode(node.route());
                    cluster.route_command(command.into_owned(), route).await?
                }
                Self::Anywhere(_) => {
                    let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
                    cluster.route_command(command.into_owned(), route).await?
                }
                _ => cluster.req_packed_command(&command).await?,
            },
        };
        value.extract_error()
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

fn call(script: &Script, keys: &[String], arguments: &[Cow<'_, str>], form: &SendMode) -> Cmd {
    let (name, text) = match form {
        SendMode::EvalSha => ("EVALSHA", &script.hash),
        _ => ("EVAL", &script.code),
    };
    let keys_length = keys.iter().map(String::len).sum::<usize>();
    let length = arguments.iter().map(|one| one.len()).sum::<usize>();
    let count = keys.len() + arguments.len() + 3;
    let mut command = Cmd::with_capacity(count, name.len() + text.len() + 4 + keys_length + length);
    command.arg(name).arg(text).arg(keys.len()).arg(keys);
    for argument in arguments {
        command.arg(&**argument);
    }
    command
}
