//! The gate in use, attacked: what reaches the upstream is the judge. The numbers of the tests are those of the
//! groups of attempts, `g01` to `g30`; what is beyond them has a name alone.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]
#![expect(
    clippy::type_complexity,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "rows of tables, and requests that are put together piece by piece"
)]

mod proxy;
mod support;
mod verify;
