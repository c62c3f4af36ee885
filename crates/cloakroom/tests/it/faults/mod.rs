//! Injected faults: after each the store is compared with what clients were told.
//!
//! `cargo xtask faults` runs these tests, with more rounds by `CLOAKROOM_ROUNDS`, and makes a table of the
//! lines that they print with [`saw`] and [`control`].

mod calls;
mod delayed;
mod forged;
mod killed;
mod ledger;
mod power;
mod syscalls;
mod visits;

/// Returns the number of rounds to play: `CLOAKROOM_ROUNDS`, or `default`.
pub(crate) fn rounds(default: usize) -> usize {
    let rounds = std::env::var("CLOAKROOM_ROUNDS").ok();
    rounds.map_or(default, |rounds| rounds.parse().expect("a number"))
}

/// Tells the table what a fault was tried on, and what was seen.
pub(crate) fn saw(fault: &str, load: &str, seen: &str) {
    eprintln!("\nfault: {fault} | {load} | {seen}");
}

/// Tells the table what the same does to what is not ours, or is ours without its guard.
pub(crate) fn control(fault: &str, seen: &str) {
    eprintln!("\ncontrol: {fault} | {seen}");
}
