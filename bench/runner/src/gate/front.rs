//! The processes of each front before the application, on a core of their own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testbed::free_port;

use super::place::Place;
use crate::bed::{Bed, Between, Ground};
use crate::contenders::Backing;
use crate::cores::Cores;
use crate::process::Cpu;

/// Time that a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The fronts, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Alone,
    Nginx,
    BareProxy,
    GatePublic,
    Lookup,
    GateRedis,
    GateSqlite,
    AuthRequest,
}

/// The programs that were built.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) command: PathBuf,
    pub(crate) peer: PathBuf,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Alone,
        Self::Nginx,
        Self::BareProxy,
        Self::GatePublic,
        Self::Lookup,
        Self::GateRedis,
        Self::GateSqlite,
        Self::AuthRequest,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alone => "the application alone",
            Self::Nginx => "nginx, plain proxy",
            Self::BareProxy => "axum-reverse-proxy, bare",
            Self::GatePublic => "gate, public rule",
            Self::Lookup => "axum-reverse-proxy, Redis",
            Self::GateRedis => "gate, session",
            Self::GateSqlite => "gate, session in SQLite",
            Self::AuthRequest => "nginx asks the gate",
        }
    }

    pub(crate) fn family(self) -> &'static str {
        match self.backing() {
            Backing::Nothing => "Nobody is asked who comes",
            _ => "The session is looked up",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        use Kind::{AuthRequest, GatePublic, GateRedis, GateSqlite};
        matches!(self, GatePublic | GateRedis | GateSqlite | AuthRequest)
    }

    fn backing(self) -> Backing {
        match self {
            Self::Alone | Self::Nginx | Self::BareProxy | Self::GatePublic => Backing::Nothing,
            Self::GateSqlite => Backing::Sqlite,
            Self::Lookup | Self::GateRedis | Self::AuthRequest => Backing::Redis,
        }
    }

    /// Returns the path that is asked for, below which the gate asks nobody or everybody.
    fn path(self) -> &'static str {
        match self.backing() {
            Backing::Nothing => "/public/page",
            _ => "/app/page",
        }
    }
}

/// A front that runs, with the application behind it and the store beside it.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) at: SocketAddr,
    /// The requests of the visitors, to be sent one after the other.
    pub(crate) requests: Vec<Vec<u8>>,
    /// Its own processes, whose CPU time is measured.
    own: Vec<Running>,
    application: Running,
    _ground: Ground,
}

/// A process that ends with this value, and with this one.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Front {
    pub(crate) fn start(
        kind: Kind,
        place: &Place,
        built: &Built,
        bed: &Bed,
        cores: Cores,
    ) -> Result<Self, String> {
        let starting = Starting { place, built };
        let ground = bed.lay(kind.backing(), Between::Nothing);
        let store = ground.url.replace("sqlite://", "sqlite:");
        if kind.backing() != Backing::Nothing {
            place.fill(&built.command, &store)?;
        }
        // Alone, the application is what is measured.
        let core = if kind == Kind::Alone {
            cores.server
        } else {
            cores.rest
        };
        let (application, behind) = starting.peer(core, "upstream", "")?;
        let (at, own) = starting.front(kind, cores.server, behind, &store)?;
        let requests = place.cookies.iter().map(|cookie| request(kind, cookie));
        Ok(Self {
            at: at.unwrap_or(behind),
            requests: requests.collect(),
            own,
            application,
            _ground: ground,
        })
    }

    /// Returns its processes; where nothing stands before the application, that is the front itself.
    fn ids(&self) -> Vec<u32> {
        let own: Vec<u32> = self.own.iter().map(|running| running.0.id()).collect();
        if own.is_empty() {
            return vec![self.application.0.id()];
        }
        own
    }

    /// Returns the CPU time of its processes so far.
    pub(crate) fn cpu(&self) -> Result<Vec<Cpu>, String> {
        self.ids().into_iter().map(Cpu::read).collect()
    }

    pub(crate) fn cpu_since(&self, before: &[Cpu]) -> Result<Duration, String> {
        let now = self.cpu()?;
        Ok(now
            .iter()
            .zip(before)
            .map(|(now, before)| now.since(before))
            .sum())
    }
}

fn request(kind: Kind, cookie: &str) -> Vec<u8> {
    let mut head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n", kind.path());
    let _ = write!(head, "Cookie: {cookie}\r\n\r\n");
    head.into_bytes()
}

struct Starting<'a> {
    place: &'a Place,
    built: &'a Built,
}

impl Starting<'_> {
    /// Starts what stands before the application; nothing where it is alone.
    fn front(
        &self,
        kind: Kind,
        core: usize,
        behind: SocketAddr,
        store: &str,
    ) -> Result<(Option<SocketAddr>, Vec<Running>), String> {
        let upstream = format!("http://{behind}");
        Ok(match kind {
            Kind::Alone => (None, Vec::new()),
            Kind::BareProxy => {
                let (own, at) = self.peer(core, "bare", &upstream)?;
                (Some(at), vec![own])
            }
            Kind::Lookup => {
                let (own, at) = self.peer(core, "lookup", &format!("{store},{upstream}"))?;
                (Some(at), vec![own])
            }
            Kind::Nginx => {
                let at = free_address();
                let server = "location / {\nproxy_pass http://app;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header Host $http_host;\n}";
                (Some(at), vec![self.nginx(core, at, behind, "", server)?])
            }
            Kind::GatePublic => {
                let at = free_address();
                let words = [
                    "--addr".to_owned(),
                    at.to_string(),
                    "--upstream".to_owned(),
                    upstream,
                ];
                (Some(at), vec![self.gate(core, at, &words, "memory:")?])
            }
            Kind::GateRedis | Kind::GateSqlite => {
                let at = free_address();
                let words = [
                    "--addr".to_owned(),
                    at.to_string(),
                    "--upstream".to_owned(),
                    upstream,
                ];
                (Some(at), vec![self.gate(core, at, &words, store)?])
            }
            Kind::AuthRequest => {
                let (at, asked) = (free_address(), free_address());
                let words = ["--verify-addr".to_owned(), asked.to_string()];
                let gate = self.gate(core, asked, &words, store)?;
                let (http, server) = self.snippet(asked, &upstream)?;
                // The application's connections are kept, as with the plain proxy.
                let server = server.replace(&upstream, "http://app");
                (
                    Some(at),
                    vec![self.nginx(core, at, behind, &http, &server)?, gate],
                )
            }
        })
    }

    fn gate(
        &self,
        core: usize,
        at: SocketAddr,
        words: &[String],
        store: &str,
    ) -> Result<Running, String> {
        let file = |name: &str| self.place.file(name).display().to_string();
        let mut all = vec!["gate".to_owned(), "--store".to_owned(), store.to_owned()];
        for (flag, name) in [
            ("--secret-file", "secret"),
            ("--rules", "rules.toml"),
            ("--keys", "keys.json"),
        ] {
            all.extend([flag.to_owned(), file(name)]);
        }
        all.extend_from_slice(words);
        let running = self.spawn(core, &self.built.command, &all, Stdio::null())?;
        self.listens(at)?;
        Ok(running)
    }

    /// Returns the configuration that the command prints for nginx: what goes into `http`, and into `server`.
    fn snippet(&self, asked: SocketAddr, upstream: &str) -> Result<(String, String), String> {
        let output = Command::new(&self.built.command)
            .args([
                "gate",
                "config",
                "nginx",
                "--verify-addr",
                &asked.to_string(),
                "--upstream",
                upstream,
            ])
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (http, server) = text
            .split_once("# ---- in server { } ----")
            .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok((http.to_owned(), server.to_owned()))
    }

    fn nginx(
        &self,
        core: usize,
        at: SocketAddr,
        behind: SocketAddr,
        http: &str,
        server: &str,
    ) -> Result<Running, String> {
        let folder = self.place.file("nginx");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let shown = folder.display();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {shown}/pid;\nerror_log {shown}/error;\n\
             events {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\nkeepalive_requests 1000000;\n\
             client_body_temp_path {shown}/a;\nproxy_temp_path {shown}/b;\nfastcgi_temp_path {shown}/c;\n\
             uwsgi_temp_path {shown}/d;\nscgi_temp_path {shown}/e;\n\
             upstream app {{ server {behind}; keepalive 64; keepalive_requests 1000000; }}\n{http}\n\
             server {{\nlisten {at};\n{server}\n}}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).map_err(|error| error.to_string())?;
        let words = [
            "-c".to_owned(),
            file.display().to_string(),
            "-p".to_owned(),
            shown.to_string(),
        ];
        let running = self.spawn(core, Path::new("/usr/sbin/nginx"), &words, Stdio::null())?;
        self.listens(at)?;
        Ok(running)
    }

    /// Starts the peers' program, which says where it listens.
    fn peer(&self, core: usize, kind: &str, url: &str) -> Result<(Running, SocketAddr), String> {
        let words = [kind.to_owned(), url.to_owned()];
        let mut running = self.spawn(core, &self.built.peer, &words, Stdio::piped())?;
        let out = running.0.stdout.take().ok_or("it has an output")?;
        let at = crate::server::address(out).ok_or_else(|| self.said())?;
        Ok((running, at))
    }

    fn spawn(
        &self,
        core: usize,
        program: &Path,
        words: &[String],
        out: Stdio,
    ) -> Result<Running, String> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.place.file("log"));
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", &core.to_string()])
            .arg(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log.map_err(|error| error.to_string())?)
            .spawn();
        child.map(Running).map_err(|error| error.to_string())
    }

    fn listens(&self, at: SocketAddr) -> Result<(), String> {
        let end = Instant::now() + START_LIMIT;
        while TcpStream::connect(at).is_err() {
            if Instant::now() > end {
                return Err(format!("nobody listens: {}", self.said()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn said(&self) -> String {
        crate::server::said(&self.place.file("log"))
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}
