//! Decides when a key is drawn, used and dropped.

use super::{KeysError, Rotation, SigningKey};

/// Time within which a second request for a rotation is the same one: replicas get one signal each.
const SAME: u64 = 60;

/// Keys as they are to be.
pub(super) struct Advanced {
    pub(super) keys: Vec<SigningKey>,
    pub(super) is_changed: bool,
}

/// Returns the keys for a time in seconds, in the order of their use: at most one before the current one, and
/// one after it.
pub(super) fn advance(
    mut keys: Vec<SigningKey>,
    now: u64,
    rotation: &Rotation,
    is_asked: bool,
    draw: impl Fn(u64, u64) -> Result<SigningKey, KeysError>,
) -> Result<Advanced, KeysError> {
    let before: Vec<(String, u64)> = keys.iter().map(|key| (key.kid.clone(), key.from)).collect();
    keys.sort_by_key(|key| key.from);
    if keys.is_empty() {
        // No verifier has an older set.
        keys.push(draw(now, now)?);
    }
    let mut current = current(&keys, now);
    if is_asked && now.saturating_sub(keys[current].from) >= SAME {
        let notice = rotation.notice.as_secs();
        if let Some(next) = keys.get_mut(current + 1) {
            next.from = next.from.min(now.max(next.published + notice));
        }
        current = self::current(&keys, now);
    }
    let is_over = now >= keys[current].from.saturating_add(rotation.keep.as_secs());
    let kept = if is_over {
        current
    } else {
        current.saturating_sub(1)
    };
    keys.drain(..kept);
    let current = current - kept;
    keys.truncate(current + 2);
    if keys.len() == current + 1 {
        let due = keys[current].from.saturating_add(rotation.age.as_secs());
        keys.push(draw(now, due.max(now + rotation.notice.as_secs()))?);
    }
    let after = keys.iter().map(|key| (&key.kid, key.from));
    let is_changed = !after.eq(before.iter().map(|(kid, from)| (kid, *from)));
    Ok(Advanced { keys, is_changed })
}

/// Returns the index of the key that is used at a time: the first, by a clock that was set back.
fn current(keys: &[SigningKey], now: u64) -> usize {
    keys.iter().rposition(|key| key.from <= now).unwrap_or(0)
}
