//! The native core of the npm package `cloakroom`.
//!
//! Decisions are made here, synchronously and on flat values; the JavaScript side holds the session's
//! object and the response. Every exported function catches panics: one that escaped would end the process.

pub mod account;
pub mod bell;
pub mod csrf;
mod failure;
pub mod guard;
pub mod job;
pub mod keep;
pub mod layer;
pub mod place;
pub mod plan;
mod policy;
pub mod record;
pub mod visit;

use napi_derive::napi;

/// Returns the version of the library behind the package.
#[napi(catch_unwind)]
pub fn core_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Panics, so that a test can see that a panic is an `Error` and not the end of the process.
///
/// # Panics
///
/// Always.
#[napi(catch_unwind)]
pub fn panic_probe() {
    panic!("a panic that was asked for");
}
