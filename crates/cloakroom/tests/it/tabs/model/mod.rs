//! The protocol of changing ids, checked against a model: requests of several tabs and of a thief are
//! delayed, reordered and lost, while the clock moves and operators end sessions.
//!
//! Spoiled stores and answers, each with a plausible defect, must be distinguished from
//! good ones.

mod oracle;
mod play;
mod site;
mod spoiled;

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Store;
use cloakroom::store::sqlite::SqliteStore;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use testbed::browser::Wire;

use self::oracle::Do;
use self::play::{Play, Step, Who};
use self::spoiled::{Spoil, SpoiledStore, spoil_answers};
use crate::support::{clock, memory};

const RENEWED_AFTER: Duration = Duration::from_secs(oracle::RENEWED_AFTER);

/// Number of sequences to play; `CLOAKROOM_SEQUENCES` sets more.
const SEQUENCES: u32 = 300;
/// The most steps of a sequence.
const MAX_STEPS: usize = 24;

/// Returns the text of a page.
fn seen(user: &str, hat: bool) -> String {
    format!("{user} with {}", if hat { "a hat" } else { "nothing" })
}

fn name(user: u8) -> String {
    ["ada", "bob"][usize::from(user)].to_owned()
}

fn ask() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => Just(Do::Look),
        3 => Just(Do::Put),
        3 => (0..2_u8).prop_map(Do::Login),
        1 => Just(Do::Logout),
        2 => Just(Do::Regenerate),
    ]
}

/// Generates the steps of a browser and its tabs.
fn browse(who: impl Strategy<Value = Who> + Clone) -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (who.clone(), ask()).prop_map(|(who, ask)| Step::Ask(who, ask)),
        2 => (who.clone(), ask()).prop_map(|(who, ask)| Step::Send(who, ask)),
        2 => any::<usize>().prop_map(Step::Arrive),
        2 => any::<usize>().prop_map(Step::Deliver),
        1 => who.prop_map(Step::BeginPut),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![4 => Just(Who::Visitor), 1 => Just(Who::Thief)];
    prop_oneof![
        18 => browse(who),
        1 => any::<usize>().prop_map(Step::Lose),
        // No sum of them is when an id is forgotten or renewed.
        2 => prop_oneof![Just(26_u64), Just(70)].prop_map(Step::Wait),
        1 => Just(Step::Steal),
        1 => (0..2_u8).prop_map(Step::EndReason),
    ]
}

/// Plays sequences of `step` against a site on the store that `open` opens again for each.
fn play(
    (sequences, step): (u32, impl Strategy<Value = Step>),
    hashes_ids: bool,
    open: impl Fn(&cloakroom::ManualClock) -> Arc<dyn Store>,
    spoil: impl Fn(Wire) -> Wire + Copy,
) -> Result<(), String> {
    let config = Config {
        cases: sequences,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let played = runner.run(&vec(step, 1..MAX_STEPS), |steps| {
        let clock = clock();
        let store = open(&clock);
        let played = runtime.block_on(Play::new(store, &clock, hashes_ids, spoil).all(&steps));
        played.map_err(TestCaseError::fail)
    });
    played.map_err(|error| match error {
        TestError::Fail(reason, steps) => format!("{reason}, after {steps:?}"),
        abort @ TestError::Abort(_) => abort.to_string(),
    })
}

fn sequences() -> u32 {
    let said = std::env::var("CLOAKROOM_SEQUENCES").ok();
    said.map_or(SEQUENCES, |said| said.parse().expect("a number"))
}

fn as_they_are(wire: Wire) -> Wire {
    wire
}

#[test]
fn v2_every_sequence_of_requests_matches_the_model() {
    for hashes_ids in [false, true] {
        let open = |clock: &_| Arc::new(memory(clock)) as Arc<dyn Store>;
        let played = play((sequences(), step()), hashes_ids, open, as_they_are);
        played.unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn v2_a_client_that_gets_every_response_has_a_session_as_long_as_a_cookie() {
    let open = |clock: &_| Arc::new(memory(clock)) as Arc<dyn Store>;
    let steps = browse(Just(Who::Visitor));
    let played = play((sequences(), steps), false, open, as_they_are);
    played.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn v2_every_sequence_matches_the_model_on_sqlite() {
    let folder = testbed::directory().leave();
    let opened = std::cell::Cell::new(0);
    let open = |clock: &cloakroom::ManualClock| {
        opened.set(opened.get() + 1);
        let file = folder.join(format!("{}.db", opened.get()));
        Arc::new(SqliteStore::with_clock(file, clock.clone()).unwrap()) as Arc<dyn Store>
    };
    let played = play((sequences() / 10, step()), false, open, as_they_are);
    played.unwrap_or_else(|error| panic!("{error}"));
}

/// The control: every spoiled store is detected.
#[test]
fn the_model_finds_every_spoiled_store_out() {
    for spoil in Spoil::ALL {
        let open = |clock: &_| Arc::new(SpoiledStore::new(memory(clock), spoil)) as Arc<dyn Store>;
        let played = play((4000, step()), false, open, as_they_are);
        assert!(played.is_err(), "{spoil:?} was not found out");
    }
}

#[test]
fn the_model_finds_every_spoiled_answer_out() {
    let open = |clock: &_| Arc::new(memory(clock)) as Arc<dyn Store>;
    for spoil in spoiled::Answers::ALL {
        let played = play((4000, step()), false, open, move |wire| {
            spoil_answers(wire, spoil)
        });
        assert!(played.is_err(), "{spoil:?} was not found out");
    }
}
