use std::time::Duration;

use super::{Attempts, TIDY_AFTER, TooManyAttempts};
use crate::clock::{ManualClock, Timestamp};

const MINUTE: Duration = Duration::from_mins(1);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_767_323_045_678))
}

fn check(attempts: &Attempts, account: &str, address: &str) -> Result<(), TooManyAttempts> {
    attempts.check(account, Some(address.parse().unwrap()))
}

#[test]
fn an_account_has_so_many_attempts_and_gets_them_back_one_by_one() {
    let clock = clock();
    let attempts = Attempts::with((3, MINUTE), (100, MINUTE), clock.clone());
    for _ in 0..3 {
        attempts.check("ada", None).unwrap();
    }
    let refused = attempts.check("ada", None).unwrap_err();
    assert_eq!(refused.retry_after, MINUTE);
    assert_eq!(
        refused.to_string(),
        "too many attempts: try again in 60 seconds"
    );
    // Another account is another matter, and so is one that nobody has.
    attempts.check("grace", None).unwrap();
    clock.advance(Duration::from_millis(59_999));
    let refused = attempts.check("ada", None).unwrap_err();
    assert_eq!(refused.seconds(), 1);
    clock.advance(Duration::from_millis(1));
    attempts.check("ada", None).unwrap();
    attempts.check("ada", None).unwrap_err();
    clock.advance(MINUTE * 60);
    for _ in 0..3 {
        attempts.check("ada", None).unwrap();
    }
    attempts.check("ada", None).unwrap_err();
}

#[test]
fn an_address_cannot_go_through_all_accounts() {
    let attempts = Attempts::with((3, MINUTE), (5, MINUTE), clock());
    for n in 0..5 {
        check(&attempts, &format!("user {n}"), "192.0.2.1").unwrap();
    }
    check(&attempts, "ada", "192.0.2.1").unwrap_err();
    check(&attempts, "ada", "::ffff:192.0.2.1").unwrap_err();
    // What the address was refused is not counted for the account.
    for host in 2..5 {
        check(&attempts, "ada", &format!("192.0.2.{host}")).unwrap();
    }
    check(&attempts, "ada", "192.0.2.5").unwrap_err();
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let attempts = Attempts::with((3, MINUTE), (2, MINUTE), clock());
    check(&attempts, "a", "2001:db8::1").unwrap();
    check(&attempts, "b", "2001:db8::2").unwrap();
    check(&attempts, "c", "2001:db8::3").unwrap_err();
    check(&attempts, "c", "2001:db8:0:1::3").unwrap();
}

#[test]
fn those_who_have_all_attempts_back_are_forgotten() {
    let clock = clock();
    let attempts = Attempts::with((3, MINUTE), (5, MINUTE), clock.clone());
    for n in 0..TIDY_AFTER {
        attempts.check(&format!("user {n}"), None).unwrap();
    }
    assert_eq!(attempts.0.accounts.len(), TIDY_AFTER as usize);
    clock.advance(MINUTE * 10);
    for _ in 0..2 {
        attempts.check("ada", None).unwrap();
    }
    assert!(attempts.0.accounts.len() <= 2);
}

#[test]
fn of_many_attempts_at_once_none_is_free() {
    let attempts = Attempts::with((10, MINUTE), (100, MINUTE), clock());
    let passed: usize = std::thread::scope(|scope| {
        let tries = (0..8).map(|_| {
            scope.spawn(|| {
                (0..50)
                    .filter(|_| attempts.check("ada", None).is_ok())
                    .count()
            })
        });
        let tries: Vec<_> = tries.collect();
        tries.into_iter().map(|tries| tries.join().unwrap()).sum()
    });
    assert_eq!(passed, 10);
}

#[test]
fn bounds_that_make_no_sense_let_one_through() {
    let attempts = Attempts::with((0, MINUTE), (0, Duration::ZERO), clock());
    attempts.check("ada", None).unwrap();
    attempts.check("ada", None).unwrap_err();
}
