//! Replies that are older than the moment at which they are read.

use std::sync::Arc;
use std::time::Duration;

use super::super::{End, Generation, LogLimits, Replay};
use crate::id::SessionId;
use crate::store::redis::RedisOptions;
use crate::store::redis::keys::RedisKeys;

fn replay() -> Replay {
    let limits = LogLimits {
        age: Duration::from_mins(1),
        ids: 10,
    };
    let keys = RedisKeys::new(&RedisOptions::default(), false);
    Replay::new(limits, Arc::new(keys), false, Arc::default())
}

/// The server replied before the ends were repeated, which completed before the reply arrived.
#[test]
fn r1_reply_is_judged_by_the_state_at_its_request() {
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
    assert!(replay.settle(replay.look()), "all of it is known");
    for stamp in [before, meanwhile] {
        assert!(replay.bars(&id, stamp), "{stamp:?}");
        assert!(!replay.bars(&SessionId::random(), stamp), "of another");
    }
    assert!(!replay.bars(&id, replay.stamp()));
}

/// A checking task may end with its connection before it is done: another does it then.
#[test]
fn r1_suspicion_stays_until_a_check_is_completed() {
    let (replay, end) = (
        replay(),
        End {
            id: SessionId::random(),
            note: None,
        },
    );
    assert!(replay.acknowledge(end, Generation::default()));
    replay.suspect();
    let unfinished = replay.look();
    assert!(replay.is_suspicious(), "it was only begun");
    replay.suspect();
    replay.looked_into(unfinished);
    assert!(replay.is_suspicious(), "something happened meanwhile");
    let barred = replay.stamp();
    replay.bar.raise(&replay.log());
    assert!(replay.settle(unfinished));
    assert_ne!(replay.stamp(), barred, "nothing is lifted by an older look");
    replay.looked_into(replay.look());
    assert!(!replay.is_suspicious());
}

/// Two keepers wait, and the one that is about to end is woken as well as the other.
#[tokio::test]
async fn r1_all_waiting_keepers_are_woken() {
    let replay = replay();
    let end = End {
        id: SessionId::random(),
        note: None,
    };
    assert!(replay.acknowledge(end, Generation::default()));
    let (ending, staying) = (replay.trouble.notified(), replay.trouble.notified());
    replay.suspect();
    drop(ending);
    staying.await;
}
