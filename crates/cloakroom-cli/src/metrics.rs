//! The endpoint for Prometheus of the commands that serve.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::problem::Problem;

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of the store's durations, in seconds.
const DURATIONS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];
/// Interval at which old samples of histograms are put together.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder, once for each process; before whatever counts is made.
    pub(crate) fn install() -> Result<Self, Problem> {
        let failed =
            |error: &dyn std::fmt::Display| Problem::failed(format!("no metrics: {error}"));
        let durations = Matcher::Full("db_client_operation_duration_seconds".to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(durations, &DURATIONS)
            .map_err(|error| failed(&error))?;
        let handle = builder.install_recorder().map_err(|error| failed(&error))?;
        metrics::describe_gauge!("cloakroom_build_info", "The version that runs; always 1");
        metrics::gauge!("cloakroom_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// Keeps the memory of histograms bounded, as long as the process runs.
    pub(crate) async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }

    /// Returns `/metrics`, for a listener that clients cannot reach; `refresh` sets the gauges before each answer.
    pub(crate) fn routes(&self, refresh: impl Fn() + Clone + Send + Sync + 'static) -> Router {
        let show = async move |State(Self(handle)): State<Self>| {
            refresh();
            ([(CONTENT_TYPE, FORMAT)], handle.render()).into_response()
        };
        Router::new()
            .route("/metrics", get(show))
            .with_state(self.clone())
    }
}
