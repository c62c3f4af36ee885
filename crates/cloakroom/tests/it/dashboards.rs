//! The dashboard and the alerts of `contrib` name what a real `/metrics` has, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cloakroom::observe::{
    EndCause, EventSubject, MetricsObserver, Observer, RefusalCause, SaveOutcome,
};
use cloakroom::{KeyRing, Manager, MemoryStore, Policy};
use metrics_exporter_prometheus::PrometheusBuilder;

/// Metrics that no panel has, each for a reason.
const NOT_CHARTED: [&str; 0] = [];

/// Metrics without an alarm: no fault shows in them.
const NO_ALARM: [&str; 2] = [
    // Renewals follow the policy's clock.
    "cloakroom_sessions_renewed_total",
    // Concurrent saves are a matter of the pages, and each costs less than a write of its own.
    "cloakroom_session_saves_joined_total",
];

fn contrib(file: &str) -> String {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib");
    std::fs::read_to_string(contrib.join(file)).unwrap()
}

/// Returns what Prometheus reads of a process in which each event has happened once.
fn rendered() -> String {
    let recorder = PrometheusBuilder::new().set_buckets(&[0.1, 1.0]);
    let recorder = recorder.unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, every_event);
    recorder.handle().render()
}

fn every_event() {
    let (observer, subject) = (MetricsObserver::new("memory"), EventSubject::unknown());
    observer.opened(&subject);
    observer.opened_by_old_key(&subject);
    observer.created(&subject);
    observer.signed_in(&subject);
    observer.renewed(&subject);
    observer.saved(&subject, SaveOutcome::Written);
    observer.joined(2);
    observer.ended(&subject, EndCause::Logout, 1);
    observer.refused(&subject, RefusalCause::Signature);
    observer.csrf_refused(&subject);
    observer.attempts_throttled(&subject, Duration::from_secs(1));
    let keys = KeyRing::new("a secret that is long enough for a ring 7").unwrap();
    let policy = Policy::builder(keys).build().unwrap();
    let manager = Manager::new(policy, MemoryStore::new()).observer(observer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(manager.check()).unwrap();
}

/// Returns the metrics of an exposition, by its lines `# TYPE name kind`.
fn exposed() -> BTreeSet<String> {
    let text = rendered();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// Returns the metrics that a text names; a histogram's parts are named as the histogram is.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("cloakroom_") || word.starts_with("db_client_");
    let whole = |word: &str| {
        let part = ["_bucket", "_count", "_sum"].iter();
        let mut bare = part.filter_map(|end| word.strip_suffix(end));
        bare.next().unwrap_or(word).to_owned()
    };
    words.filter(is_metric).map(whole).collect()
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

#[test]
fn the_dashboard_charts_what_is_counted_and_nothing_else() {
    let text = contrib("grafana/cloakroom.json");
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let queries: Vec<&str> = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert_eq!(
        named(&queries.join("\n")),
        without(&exposed(), &NOT_CHARTED)
    );
    // The variables as well ask for a metric that is there.
    assert!(named(&text).is_subset(&exposed()));
}

#[test]
fn the_alerts_ask_for_what_is_counted_and_nothing_else() {
    let rules = named(&contrib("prometheus/alerts.yml"));
    assert_eq!(rules, without(&exposed(), &NO_ALARM));
}

/// A label that no metric has would make a rule match nothing, for ever.
#[test]
fn the_labels_of_dashboard_and_alerts_are_those_of_the_metrics() {
    let text = rendered();
    for label in ["reason", "result", "db_operation_name"] {
        assert!(text.contains(&format!("{label}=\"")), "{label}: {text}");
    }
    let used = format!(
        "{}{}",
        contrib("grafana/cloakroom.json"),
        contrib("prometheus/alerts.yml")
    );
    for group in used.split("by (").skip(1) {
        let labels = group.split(')').next().unwrap().split(", ");
        for label in labels {
            let known = [
                "job",
                "le",
                "reason",
                "result",
                "db_operation_name",
                "error_type",
            ];
            assert!(known.contains(&label), "{label}");
        }
    }
}
