//! The gate in use, attacked: what reaches the upstream is the judge. The numbers of the tests are those of the
//! groups of attempts, `g01` to `g30`; what is beyond them has a name alone.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod proxy;
mod support;
mod verify;
