//! Groups 27 to 29: probes, rules that change, bodies without end.

use std::fs;

use cloakroom_gate::{Rules, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Place, head};

#[tokio::test]
async fn g27_no_field_and_no_user_agent_makes_a_request_a_probe() {
    let place = Place::open().await;
    for agent in [
        "kube-probe/1.30",
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "Prometheus/3.0",
        "Consul Health Check",
    ] {
        for path in [
            "/other",
            "/healthz",
            "/ready",
            "/ping",
            "/live",
            "/verify",
            "/forward-auth",
            "/metrics",
        ] {
            let fields = [
                ("User-Agent", agent),
                ("X-Probe", "1"),
                ("X-Health-Check", "true"),
            ];
            assert_eq!(place.get(path, &fields).await.status, 401, "{agent} {path}");
        }
    }
    assert!(place.upstream.bytes().is_empty());
}

#[tokio::test]
async fn g28_rules_are_replaced_as_a_whole() {
    let place = Place::open().await;
    assert_eq!(place.get("/public/a", &[]).await.status, 200);
    assert_eq!(place.get("/new/a", &[]).await.status, 401);
    place
        .gate
        .set_rules(Rules::parse("[[route]]\npath = \"/new/{*rest}\"\npublic = true").unwrap());
    assert_eq!(place.get("/public/a", &[]).await.status, 401);
    assert_eq!(place.get("/new/a", &[]).await.status, 200);
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_bodies_are_streamed_both_ways() {
    const MIB: u64 = 1024 * 1024;
    const LENGTH: u64 = 300 * MIB;
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let fields = [
        ("Cookie", cookie.as_str()),
        ("Content-Length", &LENGTH.to_string()),
    ];
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    let before = resident();
    stream
        .write_all(head("POST", "/upload", place.proxy, &fields).as_bytes())
        .await
        .unwrap();
    let part = vec![b'x'; 1024 * 1024];
    for _ in 0..LENGTH / MIB {
        stream.write_all(&part).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    stream
        .write_all(head("GET", "/x/download", place.proxy, &fields[..1]).as_bytes())
        .await
        .unwrap();
    let (mut part, mut read) = (vec![0; 1024 * 1024], 0);
    while read < LENGTH {
        read += stream.read(&mut part).await.unwrap() as u64;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 100, "{grown} MiB for 600 MiB of bodies");
}

#[tokio::test(flavor = "multi_thread")]
async fn g29_clients_that_read_nothing_hold_no_body() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(place.proxy).await.unwrap();
        let text = head("GET", "/x/download", place.proxy, &[("Cookie", &cookie)]);
        stream.write_all(text.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 200, "{grown} MiB for a hundred clients");
    assert_eq!(place.get("/public/a", &[]).await.status, 200);
}

#[test]
fn an_upstream_is_an_origin() {
    for url in [
        "http://127.0.0.1:3000",
        "http://app:80/",
        "http://[::1]:3000",
    ] {
        Upstream::parse(url).unwrap();
    }
    #[rustfmt::skip]
    let refused = [
        "", "127.0.0.1:3000", "https://app", "http://app/base", "http://app?x", "http://u:p@app", "ftp://app", "http://",
    ];
    for url in refused {
        assert!(Upstream::parse(url).is_err(), "{url}");
    }
}
