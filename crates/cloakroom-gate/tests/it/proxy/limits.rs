//! Groups 27 and 28: probes, rules that change.

use cloakroom_gate::{Rules, Upstream};

use crate::support::Place;

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
