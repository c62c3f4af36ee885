//! The protocol of repeated ends, checked against a model: servers restart from snapshots, are resynchronised
//! and taken over from, replies are late or lost, a second restart interrupts the repetition, and a
//! repetition fails half way.
//!
//! Spoiled protocols, each of them a plausible error, must be told apart from the good one.

mod answers;
mod spoiled;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::spoiled::Spoil;
use self::world::{Step, World};

/// Number of sequences that are played; `CLOAKROOM_SEQUENCES` for more.
const SEQUENCES: u32 = 2000;
const MAX_STEPS: usize = 80;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Create),
        2 => Just(Step::Snapshot),
        6 => any::<usize>().prop_map(Step::End),
        6 => any::<usize>().prop_map(Step::WriteReply),
        3 => Just(Step::Restart),
        1 => Just(Step::FillAnew),
        2 => Just(Step::TakeOver),
        1 => Just(Step::Cut),
        6 => any::<bool>().prop_map(Step::Connect),
        8 => (1..4_usize, any::<bool>()).prop_map(|(most, fails)| Step::Tell { most, fails }),
        5 => Just(Step::Told),
        1 => (1..60_u64).prop_map(Step::Wait),
    ]
}

fn play(sequences: u32, spoil: Option<Spoil>) -> Result<(), String> {
    let config = Config {
        cases: sequences,
        failure_persistence: None,
        // For a spoiled protocol it is enough that something is found.
        max_shrink_iters: if spoil.is_some() { 0 } else { 10_000 },
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let played = runner.run(
        &(any::<bool>(), vec(step(), 1..MAX_STEPS)),
        |(names, steps)| {
            let mut world = World::new(names, spoil);
            for step in &steps {
                world.play(step).map_err(TestCaseError::fail)?;
            }
            Ok(())
        },
    );
    played.map_err(|error| match error {
        TestError::Fail(reason, steps) => format!("{reason}, after {steps:?}"),
        abort @ TestError::Abort(_) => abort.to_string(),
    })
}

#[test]
fn r1_no_sequence_undoes_an_acknowledged_end() {
    let said = std::env::var("CLOAKROOM_SEQUENCES").ok();
    let sequences = said.map_or(SEQUENCES, |said| said.parse().expect("a number"));
    play(sequences, None).unwrap_or_else(|error| panic!("{error}"));
}

/// The control: every spoiled protocol is detected.
#[test]
fn model_detects_every_spoiled_protocol() {
    for spoil in Spoil::ALL {
        let begin = std::time::Instant::now();
        let found = play(20_000, Some(spoil));
        eprintln!("{spoil:?} {:?}", begin.elapsed());
        assert!(found.is_err(), "{spoil:?} was not found out");
    }
}

/// The steps cover every part of the protocol.
#[test]
fn sequences_cover_the_whole_protocol() {
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..SEQUENCES {
        let steps = vec(step(), 1..MAX_STEPS)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut world = World::new(true, None);
        for step in &steps {
            world.play(step).unwrap();
        }
        seen.extend(world.seen);
    }
    #[rustfmt::skip]
    let all = [
        "an end by a server that was replaced", "an end out of the bound", "told", "told half", "told nothing",
        "told what had come back", "told while another took over",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
