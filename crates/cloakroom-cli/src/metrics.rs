//! The endpoint for Prometheus of the commands that serve.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
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
/// Upper bounds of the durations of responses, in seconds: OpenTelemetry's.
const RESPONSES: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// The histogram of responses, by OpenTelemetry's semantic conventions.
const HTTP: &str = "http_server_request_duration_seconds";
/// Interval at which old samples of histograms are put together.
const UPKEEP: Duration = Duration::from_secs(5);

/// Times the responses of a server, by method and status; until their heads are there, for bodies may be endless.
pub(crate) fn timed(router: Router) -> Router {
    router.layer(axum::middleware::from_fn(async |request: Request, next: Next| {
        let (method, begin) = (method(request.method()), Instant::now());
        let response = next.run(request).await;
        let status = response.status().as_str().to_owned();
        metrics::histogram!(HTTP, "http_request_method" => method, "http_response_status_code" => status)
            .record(begin.elapsed().as_secs_f64());
        response
    }))
}

/// Returns a method's label: a closed set, whatever clients send.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("_OTHER")
}

/// The metrics of this process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder, once for each process; before whatever counts is made.
    pub(crate) fn install() -> Result<Self, Problem> {
        let failed =
            |error: &dyn std::fmt::Display| Problem::failed(format!("no metrics: {error}"));
        let durations = Matcher::Full("db_client_operation_duration_seconds".to_owned());
        let responses = Matcher::Full(HTTP.to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(durations, &DURATIONS)
            .and_then(|builder| builder.set_buckets_for_metric(responses, &RESPONSES))
            .map_err(|error| failed(&error))?;
        let handle = builder.install_recorder().map_err(|error| failed(&error))?;
        metrics::describe_histogram!(HTTP, "Seconds until the heads of responses were there");
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

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::method;

    #[test]
    fn a_client_s_own_method_is_no_label() {
        for (sent, label) in [
            ("GET", "GET"),
            ("PATCH", "PATCH"),
            ("get", "_OTHER"),
            ("X-1", "_OTHER"),
        ] {
            let sent = Method::from_bytes(sent.as_bytes()).unwrap();
            assert_eq!(method(&sent), label);
        }
    }
}
