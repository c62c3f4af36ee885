//! Keys over time: what verifiers know, and what signs.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Keys, Rotation};

const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Returns the names of all published keys, and that of the current one.
fn published(keys: &Keys, now: u64) -> (BTreeSet<String>, String) {
    let set: serde_json::Value = serde_json::from_str(&keys.jwks()).unwrap();
    let names = set["keys"].as_array().unwrap().iter();
    let names = names
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    (names, keys.current(at(now)).unwrap().kid.clone())
}

fn fresh(folder: &tempfile::TempDir) -> Keys {
    let keys = Keys {
        place: Some(super::KeyFile::new(folder.path().join("keys.json"))),
        rotation: Rotation::default(),
        held: arc_swap::ArcSwap::default(),
    };
    keys.refresh(at(START)).unwrap();
    keys
}

#[test]
fn g20_a_verifier_that_keeps_the_set_for_ten_minutes_knows_every_key_that_signs() {
    let folder = tempfile::tempdir().unwrap();
    let keys = fresh(&folder);
    let mut cached: Vec<(u64, BTreeSet<String>)> = Vec::new();
    let mut used = BTreeSet::new();
    // Every 5 seconds for an hour around each rotation, by age and by request.
    let hours = [0, 30 * DAY - 1_800, 30 * DAY + 10_000, 60 * DAY];
    for (index, hour) in hours.into_iter().enumerate() {
        cached.clear();
        for step in (0..3_600).step_by(5) {
            let now = START + hour + step;
            if step % 700 == 0 && index == 2 {
                keys.rotate(at(now)).unwrap();
            }
            keys.refresh(at(now)).unwrap();
            let (set, current) = published(&keys, now);
            assert!(set.len() <= 3, "{set:?}");
            cached.push((now, set));
            for (_, known) in cached.iter().filter(|(when, _)| now - when <= 590) {
                assert!(
                    known.contains(&current),
                    "{hour} {step}: {current} is not known"
                );
            }
            // A token of the last 65 seconds is still verified.
            used.insert((now, current));
            for (_, kid) in used.range((now - 65, String::new())..) {
                assert!(cached.last().unwrap().1.contains(kid), "{hour} {step}");
            }
        }
    }
    let signed: BTreeSet<&String> = used.iter().map(|(_, kid)| kid).collect();
    assert!(signed.len() >= 6, "{} keys have signed", signed.len());
}

#[test]
fn g20_keys_are_rotated_by_age_and_on_request_and_dropped_after_their_last_life() {
    let folder = tempfile::tempdir().unwrap();
    let keys = fresh(&folder);
    let (first_set, first) = published(&keys, START);
    assert_eq!(first_set.len(), 2, "the current key and the next");
    // The next key is too young to sign.
    keys.rotate(at(START + 100)).unwrap();
    assert_eq!(published(&keys, START + 599).1, first);
    keys.refresh(at(START + 600)).unwrap();
    let (set, second) = published(&keys, START + 600);
    assert!(
        second != first && set.contains(&first) && set.len() == 3,
        "{set:?}"
    );
    // One signal for each replica is one rotation.
    keys.rotate(at(START + 610)).unwrap();
    assert_eq!(published(&keys, START + 1_300).1, second);
    keys.refresh(at(START + 600 + 3_599)).unwrap();
    assert!(published(&keys, START + 4_199).0.contains(&first));
    keys.refresh(at(START + 600 + 3_600)).unwrap();
    assert!(!published(&keys, START + 4_200).0.contains(&first));
    let due = START + 600 + 30 * DAY;
    keys.refresh(at(due - 1)).unwrap();
    assert_eq!(published(&keys, due - 1).1, second);
    keys.refresh(at(due)).unwrap();
    assert_ne!(published(&keys, due).1, second);
}

#[test]
fn g20_replicas_share_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let one = fresh(&folder);
    let other = fresh(&folder);
    assert_eq!(one.jwks(), other.jwks());
    one.rotate(at(START + 700)).unwrap();
    // The other has not looked yet: its set holds the key that signs already.
    assert!(
        published(&other, START + 700)
            .0
            .contains(&published(&one, START + 700).1)
    );
    other.refresh(at(START + 705)).unwrap();
    assert_eq!(one.jwks(), other.jwks());
    let threads = (0..8).map(|_| {
        let path = folder.path().join("keys.json");
        std::thread::spawn(move || {
            let keys = Keys {
                place: Some(super::KeyFile::new(path)),
                rotation: Rotation::default(),
                held: arc_swap::ArcSwap::default(),
            };
            keys.rotate(at(START + 5_000)).unwrap();
            keys.jwks()
        })
    });
    let sets: BTreeSet<String> = threads
        .collect::<Vec<_>>()
        .into_iter()
        .map(|it| it.join().unwrap())
        .collect();
    assert_eq!(sets.len(), 1, "eight replicas have rotated once");
}

#[cfg(unix)]
#[test]
fn g20_keys_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let keys = fresh(&folder);
    let path = folder.path().join("keys.json");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = keys.jwks();
    let error = keys.refresh(at(START + 5)).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    assert_eq!(keys.jwks(), before);
    Keys::open(&path, Rotation::default()).unwrap_err();
}

#[test]
fn a_file_that_is_no_keys_is_refused_without_a_word_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = fresh(&folder);
    let path = folder.path().join("keys.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for broken in [
        String::new(),
        "{}".to_owned(),
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("\"from\"", "\"since\""),
        text.replace("\"kid\": \"", "\"kid\": \"x"),
    ] {
        std::fs::write(&path, &broken).unwrap();
        let error = keys.refresh(at(START + 5)).unwrap_err().to_string();
        assert!(error.len() < 300 && !error.contains("\"seed\""), "{error}");
    }
}
