//! The dashboard and the alerts of `contrib` name what the real `/metrics` of gate and console have, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counted::{Desk, exposed};
use crate::place::Place;

/// Metrics that no panel has, each for a reason.
const NOT_CHARTED: [&str; 0] = [];

/// Metrics without an alarm: no fault shows in them.
const NO_ALARM: [&str; 3] = [
    // Renewals follow the policy's clock.
    "cloakroom_sessions_renewed_total",
    // Concurrent saves are a matter of the pages, and each costs less than a write of its own.
    "cloakroom_session_saves_joined_total",
    // Tokens follow the requests; one that cannot be signed is an error of the store's kind.
    "cloakroom_gate_jwt_minted_total",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib")
}

fn contrib(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap()
}

/// Returns what Prometheus reads of a gate and of a console, each after a request.
async fn both() -> String {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    place
        .get(place.proxy, "/other", &[("Cookie", &cookie)])
        .await;
    let desk = Desk::open(&place).await;
    place.get(desk.pages, "/", &[]).await;
    let end = tokio::time::Instant::now() + crate::wire::PATIENCE;
    let console = loop {
        let text = exposed(&place, desk.metrics).await;
        if text.contains("cloakroom_sessions_live") {
            break text;
        }
        assert!(tokio::time::Instant::now() < end, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    exposed(&place, place.metrics).await + &console
}

/// Returns the metrics of an exposition, by its lines `# TYPE name kind`.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// Returns the labels of each metric.
fn labels(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let own = rest
            .split("=\"")
            .filter_map(|part| part.rsplit([',', '{']).next());
        labels
            .entry(bare(name))
            .or_default()
            .extend(own.map(|label| label.rsplit('"').next().unwrap().to_owned()));
    }
    labels
}

/// Returns a metric's name; a histogram's parts are named as the histogram is.
fn bare(word: &str) -> String {
    let mut part = ["_bucket", "_count", "_sum"]
        .iter()
        .filter_map(|end| word.strip_suffix(end));
    part.next().unwrap_or(word).to_owned()
}

/// Returns the metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["cloakroom_", "db_client_", "http_server_"]
            .iter()
            .any(|begin| word.starts_with(begin))
    };
    words.filter(is_metric).map(bare).collect()
}

fn without(exposed: &BTreeSet<String>, left_out: &[&str]) -> BTreeSet<String> {
    for name in left_out {
        assert!(exposed.contains(*name), "{name} is left out, and not there");
    }
    let others = exposed
        .iter()
        .filter(|name| !left_out.contains(&name.as_str()));
    others.cloned().collect()
}

fn queries(board: &str) -> Vec<String> {
    let board: serde_json::Value = serde_json::from_str(board).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_alerts_name_what_is_counted_and_nothing_else() {
    let text = both().await;
    let exposed = names(&text);
    let (board, rules) = (
        contrib("grafana/cloakroom.json"),
        contrib("prometheus/alerts.yml"),
    );
    let queries = queries(&board);
    assert_eq!(named(&queries.join("\n")), without(&exposed, &NOT_CHARTED));
    // The variables as well ask for a metric that is there.
    assert!(named(&board).is_subset(&exposed));
    assert_eq!(named(&rules), without(&exposed, &NO_ALARM));
    // A label that no metric has would make a query match nothing, for ever.
    let known: BTreeSet<String> = labels(&text).into_values().flatten().collect();
    // `error_type` comes with the first error.
    let always = ["job", "instance", "le", "error_type"];
    for query in queries.iter().map(String::as_str).chain([rules.as_str()]) {
        for group in query.split("by (").skip(1) {
            for label in group.split(')').next().unwrap().split(", ") {
                let is_known = known.contains(label) || always.contains(&label);
                assert!(is_known, "{label} in {query}");
            }
        }
    }
}

/// Each alert fires on a series that was made for it, and is silent on a healthy day.
#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let promtool = |words: &[&str]| {
        let output = Command::new("promtool")
            .args(words)
            .current_dir(folder().join("prometheus"))
            .output()
            .expect("promtool (Debian: prometheus)");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts.test.yml"]);
    let (rules, tests) = (
        contrib("prometheus/alerts.yml"),
        contrib("prometheus/alerts.test.yml"),
    );
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        assert!(
            tests.contains(&format!("alertname=\"{alert}\"")),
            "{alert} is not tested"
        );
    }
    // A series of the healthy day that no metric has would prove nothing.
    assert_eq!(named(&tests.replace("alertname", "")), named(&rules));
}
