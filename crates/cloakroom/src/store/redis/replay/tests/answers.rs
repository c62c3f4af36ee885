//! Answers that are older than the moment at which they are looked at.

use std::sync::Arc;
use std::time::Duration;

use super::super::{End, Generation, Limits, Replay};
use crate::id::SessionId;
use crate::store::redis::RedisOptions;
use crate::store::redis::keys::RedisKeys;

fn replay() -> Replay {
    let limits = Limits {
        age: Duration::from_mins(1),
        ids: 10,
    };
    let keys = RedisKeys::new(&RedisOptions::default(), false);
    Replay::new(limits, Arc::new(keys), false, Arc::default())
}

/// The server answered before it was told, and was told before the answer arrived.
#[test]
fn r1_an_answer_is_judged_by_what_held_when_it_was_asked_for() {
    let (replay, id) = (replay(), SessionId::random());
    let end = End {
        id: id.clone(),
        note: None,
    };
    assert!(replay.acknowledge(end, Generation::default()));
    let before = replay.stamp();
    assert!(!replay.bars(&id, before), "nothing has happened");
    replay.bar.raise(&replay.log());
    let meanwhile = replay.stamp();
    assert!(replay.bars(&id, before) && replay.bars(&id, meanwhile));
    assert!(replay.settle(), "all of it is known");
    for stamp in [before, meanwhile] {
        assert!(replay.bars(&id, stamp), "{stamp:?}");
        assert!(!replay.bars(&SessionId::random(), stamp), "of another");
    }
    assert!(!replay.bars(&id, replay.stamp()));
}
