//! V1: a visitor who comes within the idle time-out is signed in until the absolute one, and no longer.

use std::time::Duration;

use axum::http::Method;
use cloakroom::policy::PolicyBuilder;
use testbed::browser::Ask;

use super::{on_both, signed_in, site, who};
use crate::scenarios::site::Framework;

const SECOND: Duration = Duration::from_secs(1);

on_both!(
    v1_reads_keep_a_session_until_the_absolute_timeout
    v1_without_an_absolute_timeout_reads_keep_a_session
    v1_an_idle_session_ends
    v1_writes_and_polls_keep_a_session_as_long_as_reads
);

fn bounded(policy: PolicyBuilder) -> PolicyBuilder {
    policy
        .idle_timeout(4 * SECOND)
        .absolute_timeout(30 * SECOND)
}

fn unbounded(policy: PolicyBuilder) -> PolicyBuilder {
    policy.idle_timeout(4 * SECOND).no_absolute_timeout()
}

async fn v1_reads_keep_a_session_until_the_absolute_timeout(framework: Framework) {
    // Each second, and just within the idle time-out.
    for pause in [1, 3] {
        let site = site(framework, bounded).await;
        let tab = signed_in(&site, "ada").await.tab();
        for second in (pause..30).step_by(pause as usize) {
            site.app.clock.advance(pause * SECOND);
            assert_eq!(who(&tab).await, "ada with nothing", "second {second}");
        }
        site.app.clock.advance(pause * SECOND);
        assert_eq!(who(&tab).await, "nobody with nothing", "second 30");
    }
}

async fn v1_without_an_absolute_timeout_reads_keep_a_session(framework: Framework) {
    for pause in [1, 3] {
        let site = site(framework, unbounded).await;
        let browser = signed_in(&site, "ada").await;
        for second in 1..=60 {
            site.app.clock.advance(pause * SECOND);
            let tab = browser.tab();
            assert_eq!(who(&tab).await, "ada with nothing", "look {second}");
        }
    }
}

async fn v1_an_idle_session_ends(framework: Framework) {
    for policy in [bounded, unbounded] {
        let site = site(framework, policy).await;
        let tab = signed_in(&site, "ada").await.tab();
        site.app.clock.advance(2 * SECOND);
        assert_eq!(who(&tab).await, "ada with nothing");
        site.app.clock.advance(5 * SECOND);
        assert_eq!(who(&tab).await, "nobody with nothing");
    }
}

async fn v1_writes_and_polls_keep_a_session_as_long_as_reads(framework: Framework) {
    let asks = [
        Ask::fetch(Method::GET, "/"),
        Ask::fetch(Method::GET, "/token"),
        Ask::fetch(Method::GET, "/count"),
        Ask::form("/cart", &[]),
    ];
    for (number, ask) in asks.into_iter().enumerate() {
        for policy in [bounded, unbounded] {
            let site = site(framework, policy).await;
            let tab = signed_in(&site, "ada").await.tab();
            for second in 1..30 {
                site.app.clock.advance(SECOND);
                assert!(tab.ask(ask.clone()).await.status.is_success());
                let seen = tab.browser().copy().tab();
                let seen = who(&seen).await;
                assert!(seen.starts_with("ada with"), "{number}, {second}: {seen}");
            }
        }
    }
}
