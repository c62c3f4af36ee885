use cloakroom::Timestamp;

use super::{Entry, Journal, Known, PageOutcome, Phase, Reject};
use crate::migrate::decide::{Digest, Seen};

fn seen(byte: u8) -> Seen {
    Seen {
        digest: Digest {
            text: [byte; 8],
            value: [byte + 1; 8],
        },
        expires: Timestamp::from_millis(i64::from(byte)),
    }
}

#[test]
fn a_journal_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let mut journal = Journal::open(&path, "a to b").unwrap();
    let since = Timestamp::from_millis(99);
    let entries = [
        Known::Copied {
            copied: seen(1),
            pending: None,
        },
        Known::Copied {
            copied: seen(1),
            pending: Some(seen(3)),
        },
        Known::Intended {
            pending: seen(5),
            since,
        },
        Known::EndedAtSource,
        Known::EndedAtTarget,
        Known::Rejected(seen(7)),
    ];
    let named: Vec<_> = (0_u8..).map(|at| [at; 16]).zip(entries).collect();
    journal.state.pass = 4;
    journal.state.phase = Phase::Ready;
    journal.enter(named).unwrap();
    journal.state.pass = 5;
    let reject = Reject {
        handle: "h".into(),
        reason: "r".into(),
    };
    let page = PageOutcome {
        passed: vec![[1; 16]],
        rejects: vec![([5; 16], reject.clone())],
        ..PageOutcome::default()
    };
    journal.commit(&page).unwrap();
    journal.forget_rejects().unwrap();
    assert_eq!(journal.copied().unwrap(), 3);
    assert_eq!(journal.missed(Timestamp::from_millis(0)).unwrap(), 2);
    assert_eq!(journal.missed(Timestamp::from_millis(4)).unwrap(), 1);
    let digester = journal.digester().clone();
    drop(journal);
    let journal = Journal::open(&path, "a to b").unwrap();
    let ids: Vec<_> = (0..7_u8).map(|at| [at; 16]).collect();
    let read = journal.entries(&ids).unwrap();
    for (at, known) in entries.into_iter().enumerate() {
        let pass = if at == 1 { 5 } else { 4 };
        assert_eq!(read[at], Some(Entry { known, pass }), "{at}");
    }
    assert_eq!(read[6], None);
    assert_eq!((journal.state.phase, journal.state.pass), (Phase::Ready, 5));
    let mut rejects = Vec::new();
    let each = journal.each_reject(|reject| {
        rejects.push(reject);
        Ok(())
    });
    each.unwrap().unwrap();
    assert_eq!(rejects, [reject]);
    assert_eq!(
        journal.digester().identity("x"),
        digester.identity("x"),
        "its key stays"
    );
}

#[test]
fn a_journal_is_of_one_move_and_one_process_and_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let refused = |identity| Journal::open(&path, identity).err().unwrap();
    let journal = Journal::open(&path, "a to b").unwrap();
    assert!(
        refused("a to b")
            .message()
            .contains("another `cloakroom migrate`")
    );
    drop(journal);
    assert!(refused("a to c").message().contains("of another move"));
    assert!(Journal::open(&path, "a to b").is_ok());
    #[cfg(unix)]
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &file.unwrap().metadata().unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0);
    }
}
