//! `cloakroom gate` as it runs: alone, and behind real proxies with the configurations that it prints.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]
#![expect(
    clippy::type_complexity,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "rows of tables, and requests that are put together piece by piece"
)]

mod attempts;
mod counted;
mod dashboards;
mod fronts;
mod http2;
mod place;
mod running;
mod served;

#[path = "../../../cloakroom-gate/tests/it/support/upstream.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the gate's own tests use more of it"
)]
mod upstream;
#[path = "../../../cloakroom-gate/tests/it/support/wire.rs"]
mod wire;
