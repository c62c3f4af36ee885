//! Sites behind nginx, by http and https.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{SECRET, Said, run, said};

/// nginx with one server for each set of header lines; it ends with its owner.
struct Nginx {
    process: Child,
    authority: String,
    ports: Vec<u16>,
}

impl Nginx {
    fn start(sites: &[&str]) -> Self {
        let directory = testbed::directory().leave();
        certificate(&directory);
        let ports: Vec<u16> = sites.iter().map(|_| testbed::free_port()).collect();
        let mut servers = String::new();
        for (site, port) in sites.iter().zip(&ports) {
            let (tls, lines) = match site.strip_prefix("http;") {
                Some(lines) => ("", lines),
                None => (" ssl", *site),
            };
            let _ = writeln!(
                servers,
                "server {{ listen 127.0.0.1:{port}{tls}; ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem; \
                 {lines} location / {{ return 200 ok; }} }}",
                directory.display()
            );
        }
        let config = format!(
            "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\nevents {{}}\n\
             http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; \
             uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n{servers}}}\n",
            directory.display()
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn();
        let process = process.expect("nginx is part of Debian: `cargo xtask test` installs it");
        for port in &ports {
            let limit = Instant::now() + Duration::from_mins(1);
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                assert!(Instant::now() < limit, "nginx does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let authority = directory.join("cert.pem").display().to_string();
        Self {
            process,
            authority,
            ports,
        }
    }

    fn doctor(&self, at: usize, scheme: &str, more: &[&str]) -> Said {
        let url = self.url(at, scheme);
        let args = [
            "--json",
            "--only",
            "C",
            "--ca-file",
            &self.authority,
            "--url",
            &url,
        ];
        said(&run(&[&args, more].concat(), SECRET))
    }

    fn url(&self, at: usize, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/", self.ports[at])
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends the workers on a signal that it can hear.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(directory.join("key.pem"))
        .arg("-out")
        .arg(directory.join("cert.pem"))
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is part of Debian").success());
}

const SAFE: &str =
    "add_header Strict-Transport-Security max-age=31536000; add_header Cache-Control no-store;";
const COOKIE: &str = "add_header Set-Cookie \"connect.sid=s%3A$request_id; Path=/; HttpOnly; Secure; SameSite=Lax\";";

#[test]
fn a_healthy_site_gets_no_finding_and_planted_faults_are_found() {
    let policy = testbed::directory().leave().join("policy.json");
    let describe = |json: &str| fs::write(&policy, json).unwrap();
    describe(
        r#"{"name":"connect.sid","secure":"auto","absolute_timeout":43200.0,"same_site":"lax","path":"/"}"#,
    );
    let policy = policy.display().to_string();
    let with = |from: &str, to: &str| [SAFE, COOKIE].concat().replace(from, to);
    let past = "Secure; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    #[rustfmt::skip]
    let sites = [ // found, header lines
        ("",    [SAFE, COOKIE].concat()),
        ("C03", SAFE.to_owned()),
        ("C03", with(" Secure;", "")),
        ("C04", with("Path=/;", "Path=/; Domain=example.com;")),
        ("C04", with("Lax", "None").replace(" Secure;", "")),
        ("C05", [SAFE, COOKIE, COOKIE].concat()),
        ("C07", with("no-store", "max-age=60")),
        ("C07", with("$request_id", "always-the-same")),
        ("C07", with("add_header Cache", "add_header X-Cache HIT; add_header Cache")),
        ("C08", COOKIE.to_owned() + "add_header Cache-Control no-store;"),
        ("C10", [SAFE, COOKIE, "client_header_buffer_size 1k; large_client_header_buffers 2 2k;"].concat()),
        ("C11", with("Secure;", &format!("{past};"))),
        ("",    format!("http;{}", [SAFE, COOKIE].concat())),
    ];
    let lines: Vec<&str> = sites.iter().map(|(_, lines)| lines.as_str()).collect();
    let nginx = Nginx::start(&lines);
    for (at, (id, lines)) in sites.iter().enumerate() {
        let scheme = if lines.starts_with("http;") {
            "http"
        } else {
            "https"
        };
        let said = nginx.doctor(at, scheme, &["--policy", &policy]);
        match *id {
            "" => said.is_healthy(),
            id => said.finds(id),
        }
        if id.is_empty() {
            assert!(said.unchecked.is_empty(), "{}", said.text);
        }
    }
    let other = nginx.url(5, "https");
    nginx
        .doctor(0, "https", &["--url", &other])
        .finds_only("C06");
}

#[test]
fn a_policy_that_contradicts_itself_is_found() {
    let policy = testbed::directory().leave().join("policy.json");
    for (json, found) in [
        (
            r#"{"name":"__Host-sid","secure":"always","path":"/app","absolute_timeout":60.0}"#,
            "C04",
        ),
        (
            r#"{"name":"sid","secure":"never","same_site":"none","absolute_timeout":60.0}"#,
            "C04",
        ),
        (r#"{"name":"sid","absolute_timeout":null}"#, "C09"),
        (r#"{"name":"sid","absolute_timeout":31536000.0}"#, "C09"),
    ] {
        fs::write(&policy, json).unwrap();
        let path = policy.display().to_string();
        let said = said(&run(&["--json", "--policy", &path], SECRET));
        assert_eq!(said.found, [found], "{json}: {}", said.text);
    }
}
