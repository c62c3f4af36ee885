//! One table of scenarios: each runs against each framework, on every store, over TCP.
//!
//! To add one: an `async fn name(site: Arc<Site>)` in one of the files here, and its line in the
//! table. The routes are in `app.rs`; users are `site.user("ada")`, so that no run meets the
//! sessions of another.

pub(crate) mod app;
mod attacks;
mod browser;
mod cookies;
mod csrf;
mod guards;
mod logins;
mod on_actix;
mod on_axum;
mod sessions;
pub(crate) mod site;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::site::{Framework, Site};
use crate::support::servers::on_every_store;

/// No scenario takes as long; one that waits for what does not come has failed.
const LIMIT: Duration = Duration::from_secs(30);

type Scenario = (
    &'static str,
    fn(Arc<Site>) -> Pin<Box<dyn Future<Output = ()> + Send>>,
);

macro_rules! table {
    ($($scenario:path,)*) => {
        [$((
            stringify!($scenario),
            |site| Box::pin($scenario(site)),
        )),*]
    };
}

fn table() -> impl IntoIterator<Item = Scenario> {
    #[rustfmt::skip]
    let table: [Scenario; _] = table![
        sessions::a_visitor_is_known_again,
        sessions::a_redirect_that_is_followed_at_once_finds_its_session,
        sessions::another_user_finds_nothing_of_the_first,
        sessions::a_logout_ends_the_session_for_whoever_has_its_cookie,
        sessions::a_logout_everywhere_ends_all_sessions_of_one_user,
        sessions::a_session_that_ends_while_a_request_runs_stays_ended,
        sessions::an_error_is_answered_with_the_session_stored,
        sessions::a_client_that_hangs_up_takes_nobodys_save_with_it,
        sessions::a_store_that_is_down_is_no_empty_session,
        cookies::a_cookie_has_the_attributes_of_its_policy,
        cookies::the_word_of_a_trusted_proxy_makes_it_secure,
        cookies::a_response_without_a_session_owes_nothing,
        cookies::two_layers_keep_two_sessions_apart,
        attacks::a_planted_id_is_worth_nothing_after_the_login,
        attacks::a_tampered_cookie_is_a_strangers,
        attacks::an_id_that_the_store_does_not_know_is_not_adopted,
        attacks::a_large_cookie_field_hides_nobody_and_breaks_nothing,
        attacks::no_login_leads_out_of_the_site,
        guards::a_program_gets_a_status_and_a_browser_the_way_to_the_login,
        guards::who_may_not_is_not_asked_to_sign_in,
        guards::a_login_that_is_too_long_ago_is_asked_for_again,
        guards::a_guard_lets_nobody_in_while_the_store_is_down,
        csrf::where_a_request_comes_from_decides,
        csrf::a_token_decides_where_the_browser_says_nothing,
        csrf::a_form_is_read_for_its_token_and_put_back,
        csrf::a_tab_from_before_the_login_is_out_of_date,
        csrf::nobody_is_signed_in_by_another_site,
        logins::guesses_are_slowed_down,
        logins::a_user_lists_their_sessions_and_ends_one,
        logins::a_password_change_ends_the_others,
        logins::beyond_the_bound_the_oldest_session_ends,
        logins::beyond_the_bound_a_login_is_refused,
    ];
    table
}

/// Runs the table on one site; a scenario that fails does not keep the others from running.
async fn all(framework: Framework, store: &str) {
    let site = Arc::new(Site::open(framework, store).await);
    let mut failed = Vec::new();
    for (name, scenario) in table() {
        site.restore();
        let task = tokio::spawn(timeout(LIMIT, scenario(Arc::clone(&site))));
        if !matches!(task.await, Ok(Ok(()))) {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed under {framework:?}: {failed:#?}");
}

async fn axum(url: &str) {
    all(Framework::Axum, url).await;
}

async fn actix(url: &str) {
    all(Framework::Actix, url).await;
}

on_every_store!(axum actix);
