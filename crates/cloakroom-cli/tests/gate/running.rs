//! Real proxies, started with the configurations that the command prints.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use testbed::{Process, free_port};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::place::{Place, printed};
use crate::upstream::Seen;
use crate::wire::{Answer, PATIENCE, head, raw};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Nginx,
    Caddy,
    Haproxy,
    Apache,
}

impl Proxy {
    pub(crate) const ALL: [Self; 4] = [Self::Nginx, Self::Caddy, Self::Haproxy, Self::Apache];
}

/// A proxy that asks a gate.
pub(crate) struct Front {
    pub(crate) proxy: Proxy,
    pub(crate) place: Place,
    pub(crate) address: SocketAddr,
    _running: Process,
}

/// A running proxy.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// The address of HTTP/2 in clear text; some have a port for that.
    pub(crate) http2: SocketAddr,
    process: Process,
}

/// Returns the part of a printed configuration below a heading.
fn part<'a>(text: &'a str, heading: &str) -> &'a str {
    let begin = text
        .find(&format!("# ---- {heading} ----"))
        .unwrap_or_else(|| panic!("no {heading} in {text}"));
    let rest = &text[begin..];
    let rest = &rest[rest.find('\n').unwrap()..];
    rest.split("\n# ----").next().unwrap()
}

impl Front {
    pub(crate) async fn open(proxy: Proxy) -> Self {
        Self::with(proxy, "").await
    }

    /// Starts a proxy before a gate of its own, with more lines for the server.
    pub(crate) async fn with(proxy: Proxy, more: &str) -> Self {
        let place = Place::open().await;
        let running = proxy.before(&place, place.upstream.address, more).await;
        Self {
            proxy,
            place,
            address: running.address,
            _running: running.process,
        }
    }

    pub(crate) async fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", target, fields).await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(
            &raw(
                self.address,
                head(method, target, self.address, fields).as_bytes(),
            )
            .await,
        )
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.place.upstream.take()
    }
}

/// The files of a proxy.
struct Files<'a> {
    folder: &'a Path,
    /// The printed configuration.
    text: &'a str,
    /// More lines for the server.
    more: &'a str,
    port: u16,
    /// The port of HTTP/2 where the first one has HTTP/1 alone.
    http2: u16,
}

impl Files<'_> {
    fn part(&self, heading: &str) -> &str {
        part(self.text, heading)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn nginx(&self) -> Vec<String> {
        let place = self.folder.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};"))
            .join("\n");
        let gate = self
            .folder
            .parent()
            .and_then(|place| fs::read_to_string(place.join("proxy")).ok());
        let cached = format!(
            "proxy_cache one; proxy_cache_valid any 10m; proxy_cache_key $uri;\n\
             rewrite ^/cached/(public/.*)$ /$1 break; proxy_pass http://{};",
            gate.unwrap_or_default(),
        );
        self.write("cached.conf", &cached);
        let config = format!(
            "daemon off; pid {place}/pid; error_log stderr; events {{ }}\n\
             http {{ access_log off; {temporary}\nproxy_cache_path {place}/cache keys_zone=one:1m;\n{}\n\
             server {{ listen 127.0.0.1:{}; listen 127.0.0.1:{} http2;\n{}\n{} }} }}",
            self.part("in http { }"),
            self.port,
            self.http2,
            self.more,
            self.part("in server { }"),
        );
        let config = self.write("nginx.conf", &config);
        words(&["-p", &place.to_string(), "-e", "stderr", "-c", &config])
    }

    fn caddy(&self) -> Vec<String> {
        let config = format!(
            "{{\n admin off\n auto_https off\n servers :{} {{\n  protocols h1 h2 h2c\n }}\n}}\n\
             http://:{}, http://:{} {{\n{}\n{}\n}}\n",
            self.http2, self.port, self.http2, self.more, self.text
        );
        words(&[
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            &self.write("Caddyfile", &config),
        ])
    }

    fn haproxy(&self) -> Vec<String> {
        let lua = self.write("gate.lua", self.part("/etc/haproxy/gate.lua"));
        let config = format!(
            "global\n{}\ndefaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n\
             timeout tunnel 60s\nfrontend in\n bind 127.0.0.1:{}\n bind 127.0.0.1:{} proto h2\n{}\n{}\n{}\ncache one\n total-max-size 4\n",
            self.part("in `global`")
                .replace("/etc/haproxy/gate.lua", &lua),
            self.port,
            self.http2,
            self.part("in the frontend"),
            self.more,
            self.part("the backend"),
        );
        words(&["-db", "-f", &self.write("haproxy.cfg", &config)])
    }

    fn apache(&self) -> Vec<String> {
        let (place, port) = (self.folder.display(), self.port);
        let lua = self.write("gate.lua", self.part("/etc/apache2/gate.lua"));
        let modules = [
            "mpm_event",
            "authz_core",
            "cache",
            "cache_disk",
            "headers",
            "http2",
            "proxy",
            "proxy_http",
            "proxy_wstunnel",
            "lua",
        ]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"))
        .join("\n");
        let config = format!(
            "ServerRoot {place}\nServerName gate\nPidFile {place}/pid\nErrorLog {place}/log\nListen 127.0.0.1:{port}\nProtocols h2c http/1.1\n\
             {modules}\nUser www-data\nGroup www-data\n<VirtualHost *:{port}>\n{}\n{}\n</VirtualHost>\n",
            self.more,
            self.part("in the virtual host")
                .replace("/etc/apache2/gate.lua", &lua),
        );
        words(&["-X", "-f", &self.write("apache.conf", &config)])
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Proxy {
    /// Starts it before an application, asking the gate of a place, with more lines for the server; `FOLDER` in
    /// these is its own.
    pub(crate) async fn before(self, place: &Place, upstream: SocketAddr, more: &str) -> Running {
        let (port, http2) = (free_port(), free_port());
        let name = format!("{self:?}").to_lowercase();
        let (verify, upstream) = (place.verify.to_string(), format!("http://{upstream}"));
        #[rustfmt::skip]
        let text = printed(&["gate", "config", &name, "--verify-addr", &verify, "--upstream", &upstream]);
        let folder = place.folder.join(&name);
        fs::create_dir(&folder).unwrap();
        fs::write(place.folder.join("proxy"), place.proxy.to_string()).unwrap();
        // Their workers are not root.
        for folder in [&*place.folder, &folder] {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777))
                .unwrap();
        }
        let process = self.start(&Files {
            folder: &folder,
            text: &text,
            more: &more.replace("FOLDER", &folder.display().to_string()),
            port,
            http2,
        });
        let port_of_http2 = match self {
            Self::Nginx | Self::Caddy | Self::Haproxy => http2,
            Self::Apache => port,
        };
        let [address, http2] =
            [port, port_of_http2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        self.listens(address, &folder).await;
        Running {
            address,
            http2,
            process,
        }
    }

    async fn listens(self, address: SocketAddr, folder: &Path) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(
                tokio::time::Instant::now() < end,
                "{self:?} does not start: {log}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn start(self, files: &Files<'_>) -> Process {
        let (program, flags) = match self {
            Self::Nginx => ("/usr/sbin/nginx", files.nginx()),
            Self::Caddy => ("/usr/bin/caddy", files.caddy()),
            Self::Haproxy => ("/usr/sbin/haproxy", files.haproxy()),
            Self::Apache => ("/usr/sbin/apache2", files.apache()),
        };
        Process::start(Path::new(program), flags, files.folder, None)
    }
}
