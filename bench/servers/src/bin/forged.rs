//! Refuses cookies whose signature is wrong, for a second or so: prints how many per second, and the
//! bytes that stay allocated after all of them.

use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cloakroom::cookie::sign;
use cloakroom::{KeyRing, Manager, MemoryStore, Policy, SessionId};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Different ones, so that nothing can be remembered.
const COOKIES: usize = 1_000;

fn main() {
    let ring = || KeyRing::new(contender::SECRET).expect("it is long enough");
    let other =
        KeyRing::new("another secret, which nobody has and which is long").expect("so is it");
    let policy = Policy::builder(ring()).build().expect("a policy");
    let manager = Manager::new(policy, MemoryStore::new());
    let field = |keys: &KeyRing| {
        let signed = sign(SessionId::random().expose(), keys);
        format!(
            "theme=dark; connect.sid=s%3A{}",
            signed.replace('/', "%2F").replace('+', "%2B")
        )
    };
    let right = field(&ring());
    assert!(
        manager.ticket([right.as_bytes()]).is_some(),
        "a right one is taken"
    );
    let forged: Vec<String> = (0..COOKIES).map(|_| field(&other)).collect();
    let refuse = || {
        for field in &forged {
            assert!(black_box(manager.ticket([black_box(field.as_bytes())])).is_none());
        }
    };
    refuse();
    // A thread that the store has started may still be giving back what its start took.
    std::thread::sleep(Duration::from_millis(100));
    let (region, begin) = (Region::new(ALLOCATOR), Instant::now());
    let mut refused = 0;
    while begin.elapsed() < Duration::from_millis(1500) {
        refuse();
        refused += COOKIES;
    }
    let (took, change) = (begin.elapsed(), region.change());
    let kept = change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed();
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    let per_second = refused as f64 / took.as_secs_f64();
    contender::say(format_args!("{per_second:.0} {kept}"));
}
