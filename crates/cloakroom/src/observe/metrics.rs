//! Counts events through the facade `metrics`, for whatever recorder the program installs.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{EndCause, EventSubject, Observer, RefusalCause, SaveOutcome, StoreOperation};
use crate::store::StoreErrorKind;

/// An observer that counts: `cloakroom_logins_total` and the others of `manual::operations`.
///
/// Labels are closed sets: no id, user, path or address is one. Without a recorder nothing is counted, at the
/// cost of one atomic read for each event.
///
/// ```
/// # fn f(manager: cloakroom::Manager) -> cloakroom::Manager {
/// use cloakroom::observe::MetricsObserver;
///
/// manager.observer(MetricsObserver::new("redis"))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MetricsObserver {
    system: String,
}

impl MetricsObserver {
    /// Creates one for a store of this system, the label `db_system_name`: `AnyStore::kind`. Install the recorder
    /// first: it gets the metrics' descriptions, and every counter at 0, without which `increase` does not see the
    /// first event of its kind.
    pub fn new(system: impl Into<String>) -> Self {
        for (name, about) in DESCRIPTIONS {
            describe_counter!(name, about);
        }
        describe_gauge!(
            CIRCUIT,
            "Circuit breakers that are open: their store does not answer"
        );
        describe_histogram!(
            DURATION,
            "Seconds that operations of the session store took"
        );
        begin_at_nothing();
        Self {
            system: system.into(),
        }
    }
}

/// Adds nothing to each series that is known beforehand.
fn begin_at_nothing() {
    for (name, _) in DESCRIPTIONS {
        match name {
            SAVES => SaveOutcome::ALL
                .iter()
                .for_each(|outcome| counter!(SAVES, "result" => outcome.as_str()).increment(0)),
            ENDED => EndCause::ALL
                .iter()
                .for_each(|cause| counter!(ENDED, "reason" => cause.as_str()).increment(0)),
            REFUSED => RefusalCause::ALL
                .iter()
                .for_each(|cause| counter!(REFUSED, "reason" => cause.as_str()).increment(0)),
            name => counter!(name).increment(0),
        }
    }
    gauge!(CIRCUIT).increment(0.0);
}

const SAVES: &str = "cloakroom_session_saves_total";
const ENDED: &str = "cloakroom_sessions_ended_total";
const REFUSED: &str = "cloakroom_cookies_refused_total";

/// The number of open circuit breakers: one for each manager.
const CIRCUIT: &str = "cloakroom_store_circuit_open";

/// The histogram of the store's operations, by OpenTelemetry's semantic conventions.
const DURATION: &str = "db_client_operation_duration_seconds";

/// Each counter, and its description.
#[rustfmt::skip]
const DESCRIPTIONS: [(&str, &str); 11] = [
    ("cloakroom_sessions_opened_total", "Requests whose cookie opened a live session"),
    ("cloakroom_cookies_old_key_total", "Cookies that an older key of the ring had signed"),
    ("cloakroom_sessions_created_total", "Sessions that were stored for the first time"),
    ("cloakroom_logins_total", "Logins that were stored"),
    ("cloakroom_sessions_renewed_total", "Sessions that got another id"),
    (SAVES, "Saves, by their result"),
    ("cloakroom_session_saves_joined_total", "Saves that became one write with others"),
    (ENDED, "Sessions that were ended, by their reason"),
    (REFUSED, "Cookies that opened no session, by their reason"),
    ("cloakroom_csrf_refused_total", "Requests of other sites that were refused"),
    ("cloakroom_attempts_throttled_total", "Attempts to sign in that had to wait"),
];

impl Observer for MetricsObserver {
    fn asks_who(&self) -> bool {
        false
    }

    fn opened(&self, _: &EventSubject) {
        counter!("cloakroom_sessions_opened_total").increment(1);
    }

    fn opened_by_old_key(&self, _: &EventSubject) {
        counter!("cloakroom_cookies_old_key_total").increment(1);
    }

    fn created(&self, _: &EventSubject) {
        counter!("cloakroom_sessions_created_total").increment(1);
    }

    fn signed_in(&self, _: &EventSubject) {
        counter!("cloakroom_logins_total").increment(1);
    }

    fn renewed(&self, _: &EventSubject) {
        counter!("cloakroom_sessions_renewed_total").increment(1);
    }

    fn saved(&self, _: &EventSubject, outcome: SaveOutcome) {
        counter!(SAVES, "result" => outcome.as_str()).increment(1);
    }

    fn joined(&self, saves: usize) {
        let others = saves.saturating_sub(1) as u64;
        counter!("cloakroom_session_saves_joined_total").increment(others);
    }

    fn ended(&self, _: &EventSubject, cause: EndCause, sessions: u64) {
        counter!(ENDED, "reason" => cause.as_str()).increment(sessions);
    }

    fn refused(&self, _: &EventSubject, cause: RefusalCause) {
        counter!(REFUSED, "reason" => cause.as_str()).increment(1);
    }

    fn csrf_refused(&self, _: &EventSubject) {
        counter!("cloakroom_csrf_refused_total").increment(1);
    }

    fn attempts_throttled(&self, _: &EventSubject, _: Duration) {
        counter!("cloakroom_attempts_throttled_total").increment(1);
    }

    fn circuit_changed(&self, is_open: bool) {
        gauge!(CIRCUIT).increment(if is_open { 1.0 } else { -1.0 });
    }

    fn store_operation(&self, operation: &StoreOperation) {
        let (seconds, system) = (operation.duration.as_secs_f64(), self.system.clone());
        let name = operation.name;
        let took = match error_type(operation) {
            None => histogram!(DURATION, "db_system_name" => system, "db_operation_name" => name),
            Some(error) => histogram!(
                DURATION, "db_system_name" => system, "db_operation_name" => name, "error_type" => error
            ),
        };
        took.record(seconds);
    }
}

/// Returns the label `error_type` of an operation that failed.
fn error_type(operation: &StoreOperation) -> Option<&'static str> {
    match operation.error {
        _ if operation.is_abandoned => Some("timeout"),
        None => None,
        Some(StoreErrorKind::IdTaken) => Some("id_taken"),
        Some(StoreErrorKind::Unavailable) => Some("unavailable"),
        Some(StoreErrorKind::Unknown) => Some("unknown"),
        Some(StoreErrorKind::Corrupt) => Some("corrupt"),
        Some(StoreErrorKind::Invalid) => Some("invalid"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
        Recorder, SharedString, Unit,
    };

    use super::{CIRCUIT, DESCRIPTIONS, DURATION, MetricsObserver};
    use crate::observe::{
        EndCause, EventSubject, Observer as _, RefusalCause, SaveOutcome, StoreOperation,
    };

    /// Records each increment as `name{label=value}=n`.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct One(Lines, String);

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            self.0.0.lock().unwrap().push(format!("{}={value}", self.1));
        }

        fn absolute(&self, _: u64) {}
    }

    impl GaugeFn for One {
        fn increment(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{}+{value}", self.1));
        }

        fn decrement(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{}-{value}", self.1));
        }

        fn set(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{}:{value}", self.1));
        }
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{}={value}", self.1));
        }
    }

    impl Lines {
        fn one(&self, key: &Key) -> Arc<One> {
            let labels = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()));
            let labels: Vec<String> = labels.collect();
            Arc::new(One(
                self.clone(),
                format!("{}{{{}}}", key.name(), labels.join(",")),
            ))
        }
    }

    impl Recorder for Lines {
        fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.0.lock().unwrap().push(format!("# {}", key.as_str()));
        }

        fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.0.lock().unwrap().push(format!("# {}", key.as_str()));
        }

        fn describe_histogram(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            self.0.lock().unwrap().push(format!("# {}", key.as_str()));
        }

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.one(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.one(key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.one(key))
        }
    }

    #[test]
    fn each_event_is_counted_under_its_name_and_each_name_is_described() {
        let (lines, subject) = (Lines::default(), EventSubject::unknown().with_user("ada"));
        metrics::with_local_recorder(&lines, || {
            let metrics = MetricsObserver::new("redis");
            let zeros = std::mem::take(&mut *lines.0.lock().unwrap());
            let (described, begun): (Vec<_>, Vec<_>) =
                zeros.into_iter().partition(|line| line.starts_with('#'));
            assert!(
                begun
                    .iter()
                    .all(|line| line.ends_with("=0") || line.ends_with("+0"))
            );
            // 8 names without labels, 6 results, 7 reasons of ends and 6 of refusals, the circuit.
            assert_eq!(begun.len(), 8 + 6 + 7 + 6 + 1, "{begun:?}");
            lines.0.lock().unwrap().extend(described);
            metrics.opened(&subject);
            metrics.opened_by_old_key(&subject);
            metrics.created(&subject);
            metrics.signed_in(&subject);
            metrics.renewed(&subject);
            metrics.saved(&subject, SaveOutcome::Merged);
            metrics.joined(3);
            metrics.ended(&subject, EndCause::Everywhere, 4);
            metrics.refused(&subject, RefusalCause::Signature);
            metrics.csrf_refused(&subject);
            metrics.attempts_throttled(&subject, Duration::from_secs(1));
            metrics.circuit_changed(true);
            metrics.circuit_changed(false);
            for is_abandoned in [false, true] {
                metrics.store_operation(&StoreOperation {
                    name: "get",
                    duration: Duration::from_millis(250),
                    error: None,
                    is_abandoned,
                });
            }
        });
        let lines = lines.0.lock().unwrap();
        let (described, counted): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.starts_with('#'));
        let expected = [
            "cloakroom_sessions_opened_total{}=1",
            "cloakroom_cookies_old_key_total{}=1",
            "cloakroom_sessions_created_total{}=1",
            "cloakroom_logins_total{}=1",
            "cloakroom_sessions_renewed_total{}=1",
            "cloakroom_session_saves_total{result=merged}=1",
            "cloakroom_session_saves_joined_total{}=2",
            "cloakroom_sessions_ended_total{reason=everywhere}=4",
            "cloakroom_cookies_refused_total{reason=signature}=1",
            "cloakroom_csrf_refused_total{}=1",
            "cloakroom_attempts_throttled_total{}=1",
            "cloakroom_store_circuit_open{}+1",
            "cloakroom_store_circuit_open{}+-1",
            "db_client_operation_duration_seconds{db_system_name=redis,db_operation_name=get}=0.25",
            "db_client_operation_duration_seconds{db_system_name=redis,db_operation_name=get,error_type=timeout}=0.25",
        ];
        assert_eq!(counted, expected);
        let named: BTreeSet<String> = described.iter().map(|line| line[2..].to_owned()).collect();
        let all = DESCRIPTIONS.iter().map(|(name, _)| (*name).to_owned());
        let others = [DURATION, CIRCUIT].map(str::to_owned);
        assert_eq!(named, all.chain(others).collect());
    }
}
