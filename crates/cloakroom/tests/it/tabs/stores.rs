//! The cases of several tabs on every store, by the clocks of their servers, and with a near cache.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use cloakroom::policy::PolicyBuilder;
use cloakroom::store::Store;
use cloakroom::store::near::{NearOptions, NearStore};
use cloakroom::{Clock, ManualClock};
use futures_util::future::join_all;
use testbed::browser::{Ask, Tab};
use tokio::time::{Instant, sleep_until};

use super::{late, signed_in, who};
use crate::scenarios::app::App;
use crate::scenarios::site::{Framework, Site};
use crate::support::servers::{STORES, connect, on_every_store, on_one_store, url};

const BOTH: [Framework; 2] = [Framework::Axum, Framework::Actix];
const SECOND: Duration = Duration::from_secs(1);
const IDLE: u32 = 4;
const ABSOLUTE: u32 = 10;

on_every_store!(v2_late_requests_change_nothing);

mod near {
    super::on_one_store!(redis: v2_late_requests_change_nothing_through_a_near_cache);
    super::on_one_store!(postgres: v2_late_requests_change_nothing_through_a_near_cache);

    use super::v2_late_requests_change_nothing_through_a_near_cache;
}

async fn v2_late_requests_change_nothing(url: &str) {
    late_requests(connect(url).await).await;
}

async fn v2_late_requests_change_nothing_through_a_near_cache(url: &str) {
    late_requests(near_cache(url).await).await;
}

/// All stores at once, because each waits for eleven seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn v1_visits_keep_a_session_until_the_absolute_timeout_on_every_store() {
    let mut stores = Vec::new();
    for name in STORES {
        stores.push((name.to_owned(), connect(&url(name)).await));
    }
    for name in ["redis", "postgres"] {
        stores.push((format!("{name}, near"), near_cache(&url(name)).await));
    }
    join_all(
        stores
            .into_iter()
            .map(|(name, store)| time_outs(name, store)),
    )
    .await;
}

async fn near_cache(url: &str) -> Arc<dyn Store> {
    Arc::new(NearStore::with(connect(url).await, &NearOptions::default()))
}

async fn late_requests(store: Arc<dyn Store>) {
    for framework in BOTH {
        let site = Site::serve(framework, App::new(Arc::clone(&store))).await;
        late::v2_a_late_request_does_not_end_a_new_login(&site).await;
        late::v2_an_id_from_before_the_login_opens_nothing(&site).await;
        late::v2_a_late_request_does_not_undo_a_change_of_the_id(&site).await;
    }
}

/// The request that a visitor sends each second.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Reads,
    Polls,
    Writes,
    /// Comes back once, after the idle time-out.
    StaysAway,
}

impl Habit {
    const ALL: [Self; 4] = [Self::Reads, Self::Polls, Self::Writes, Self::StaysAway];

    fn ask(self) -> Option<Ask> {
        match self {
            Self::Reads => Some(Ask::page("/")),
            Self::Polls => Some(Ask::fetch(Method::GET, "/")),
            Self::Writes => Some(Ask::form("/cart", &[])),
            Self::StaysAway => None,
        }
    }
}

fn bounded(policy: PolicyBuilder) -> PolicyBuilder {
    policy
        .idle_timeout(IDLE * SECOND)
        .absolute_timeout(ABSOLUTE * SECOND)
}

/// The clocks of the servers go by themselves; that of the site and its visitors follows them.
async fn time_outs(name: String, store: Arc<dyn Store>) {
    let clock = ManualClock::at(Clock::System.now());
    let (mut sites, mut visitors) = (Vec::new(), Vec::new());
    for framework in BOTH {
        let app = App::by(clock.clone(), Arc::clone(&store), bounded);
        sites.push(Site::serve(framework, app).await);
    }
    let begin = Instant::now();
    for site in &sites {
        for habit in Habit::ALL {
            let user = site.user("ada");
            let tab = signed_in(site, &user).await.tab();
            visitors.push((tab, habit, user));
        }
    }
    let mut last = begin;
    // When all of them had been there for the last time.
    let mut been = begin;
    for second in 1..=ABSOLUTE + 2 {
        sleep_until(begin + second * SECOND).await;
        let now = Instant::now();
        clock.advance(now - last);
        last = now;
        let seen = join_all(
            visitors
                .iter()
                .map(|(tab, habit, _)| comes(&name, tab, *habit, second)),
        )
        .await;
        let took = Visit {
            since: been,
            from: now - begin,
            to: begin.elapsed(),
        };
        for ((_, habit, user), seen) in visitors.iter().zip(seen) {
            took.judge(&name, *habit, user, seen);
        }
        been = now;
    }
}

/// The times of the visits: a busy machine delays them, and the delay is not judged.
struct Visit {
    /// Start of the visit before this one.
    since: Instant,
    from: Duration,
    to: Duration,
}

impl Visit {
    /// Compares what a visitor saw with what is promised at any time between the two.
    fn judge(&self, name: &str, habit: Habit, user: &str, seen: Option<String>) {
        let Some(seen) = seen else {
            return;
        };
        let expected = if matches!(habit, Habit::StaysAway) || self.from > (ABSOLUTE + 1) * SECOND {
            "nobody"
        } else if self.to < (ABSOLUTE - 1) * SECOND && self.since.elapsed() < (IDLE - 1) * SECOND {
            user
        } else {
            // Nothing is promised within the last second, nor for a visit that comes too late.
            return;
        };
        let at = (self.from, self.to);
        assert!(
            seen.starts_with(expected),
            "{name}, {habit:?}, {at:?}: {seen}"
        );
    }
}

/// Returns the user that the site sees for a visitor of this habit; `None` where no request is sent.
async fn comes(name: &str, tab: &Tab, habit: Habit, second: u32) -> Option<String> {
    match habit.ask() {
        Some(ask) => {
            let answer = tab.ask(ask).await;
            let status = answer.status;
            assert!(status.is_success(), "{name}, {habit:?}: {}", answer.body);
        }
        None if second == IDLE + 2 => {}
        None => return None,
    }
    Some(who(&tab.browser().copy().tab()).await)
}
