use std::time::Duration;

use super::{Attempts, TIDY_ABOVE, TooManyAttempts};
use crate::clock::{ManualClock, Timestamp};

const MINUTE: Duration = Duration::from_mins(1);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_767_323_045_678))
}

/// Makes an attempt that does not succeed.
async fn fail(attempts: &Attempts, account: &str) -> Result<(), TooManyAttempts> {
    attempts.begin(account, None).await.map(drop)
}

async fn fail_from(
    attempts: &Attempts,
    account: &str,
    address: &str,
) -> Result<(), TooManyAttempts> {
    let address = Some(address.parse().unwrap());
    attempts.begin(account, address).await.map(drop)
}

#[tokio::test]
async fn an_account_has_a_quota_of_attempts_and_regains_them_one_by_one() {
    let clock = clock();
    let attempts = Attempts::with((3, MINUTE), (100, MINUTE), clock.clone());
    for _ in 0..3 {
        fail(&attempts, "ada").await.unwrap();
    }
    let refused = fail(&attempts, "ada").await.unwrap_err();
    assert_eq!(refused.retry_after, MINUTE);
    assert_eq!(
        refused.to_string(),
        "too many attempts: try again in 60 seconds"
    );
    // Another account is counted separately, and so is one that does not exist.
    fail(&attempts, "grace").await.unwrap();
    clock.advance(Duration::from_millis(59_999));
    let refused = fail(&attempts, "ada").await.unwrap_err();
    assert_eq!(refused.seconds(), 1);
    clock.advance(Duration::from_millis(1));
    fail(&attempts, "ada").await.unwrap();
    fail(&attempts, "ada").await.unwrap_err();
    clock.advance(MINUTE * 60);
    for _ in 0..3 {
        fail(&attempts, "ada").await.unwrap();
    }
    fail(&attempts, "ada").await.unwrap_err();
}

#[tokio::test]
async fn the_right_password_restores_the_attempts() {
    let attempts = Attempts::with((3, MINUTE), (100, MINUTE), clock());
    for _ in 0..20 {
        fail(&attempts, "ada").await.unwrap();
        fail(&attempts, "ada").await.unwrap();
        attempts.begin("ada", None).await.unwrap().succeeded();
    }
    // That of another account does not.
    for _ in 0..3 {
        fail(&attempts, "grace").await.unwrap();
        attempts.begin("ada", None).await.unwrap().succeeded();
    }
    fail(&attempts, "grace").await.unwrap_err();
}

#[tokio::test]
async fn an_address_cannot_go_through_all_accounts() {
    let attempts = Attempts::with((3, MINUTE), (5, MINUTE), clock());
    for n in 0..5 {
        let address = Some("192.0.2.1".parse().unwrap());
        let attempt = attempts.begin(&format!("user {n}"), address).await;
        // An account of its own does not help it.
        attempt.unwrap().succeeded();
    }
    for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
        fail_from(&attempts, "ada", address).await.unwrap_err();
    }
    // Attempts that are refused for the address are not counted for the account.
    for host in 2..5 {
        let address = format!("192.0.2.{host}");
        fail_from(&attempts, "ada", &address).await.unwrap();
    }
    fail_from(&attempts, "ada", "192.0.2.5").await.unwrap_err();
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_address() {
    let attempts = Attempts::with((9, MINUTE), (2, MINUTE), clock());
    fail_from(&attempts, "a", "2001:db8::1").await.unwrap();
    fail_from(&attempts, "a", "2001:db8::2").await.unwrap();
    let refused = fail_from(&attempts, "a", "2001:db8::3").await;
    refused.unwrap_err();
    fail_from(&attempts, "a", "2001:db8:0:1::3").await.unwrap();
}

#[tokio::test]
async fn only_accounts_with_a_full_quota_are_removed() {
    let clock = clock();
    let attempts = Attempts::with((3, MINUTE), (9, MINUTE), clock.clone());
    let known = || attempts.limits.accounts.lock().unwrap().known.len();
    for n in 0..=TIDY_ABOVE {
        fail_from(&attempts, &format!("user {n}"), "192.0.2.1")
            .await
            .ok();
        fail(&attempts, &format!("user {n}")).await.unwrap();
    }
    clock.advance(MINUTE * 2);
    for _ in 0..3 {
        fail(&attempts, "ada").await.unwrap();
    }
    assert_eq!(known(), TIDY_ABOVE + 2, "they have one more minute to go");
    clock.advance(MINUTE);
    // It grows to twice as many before it is cleaned up again.
    for n in 0..=TIDY_ABOVE + 2 {
        fail(&attempts, &format!("other {n}")).await.unwrap();
    }
    assert!(known() < TIDY_ABOVE + 10, "{}", known());
    fail(&attempts, "ada").await.unwrap();
    fail(&attempts, "ada").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_attempts_are_all_counted() {
    let attempts = Attempts::with((10, MINUTE), (1000, MINUTE), clock());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let attempts = attempts.clone();
        tasks.spawn(async move {
            let Ok(attempt) = attempts.begin("ada", None).await else {
                return 0;
            };
            tokio::task::yield_now().await;
            drop(attempt);
            1
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u32>(), 10);
    // Just as many concurrent right passwords all pass.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let attempts = attempts.clone();
        tasks.spawn(async move {
            let attempt = attempts.begin("grace", None).await.unwrap();
            tokio::task::yield_now().await;
            attempt.succeeded();
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn zero_quota_and_zero_period_still_allow_one_attempt() {
    let attempts = Attempts::with((0, MINUTE), (0, Duration::ZERO), clock());
    fail(&attempts, "ada").await.unwrap();
    fail(&attempts, "ada").await.unwrap_err();
}

/// A handler whose password check never ends must not lock the account's owner out.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_times_out() {
    let attempts = Attempts::with((3, MINUTE), (100, MINUTE), clock());
    let stuck = attempts.begin("ada", None).await.unwrap();
    let begun = tokio::time::Instant::now();
    let refused = attempts.begin("ada", None).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert_eq!(refused.seconds(), 1);
    // Another account's turn is independent.
    fail(&attempts, "grace").await.unwrap();
    drop(stuck);
    fail(&attempts, "ada").await.unwrap();
}
