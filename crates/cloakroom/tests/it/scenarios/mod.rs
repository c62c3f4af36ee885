//! One table of scenarios: each runs against each framework, on every store, over TCP.
//!
//! To add one: an `async fn name(site: Arc<Site>)` in one of the files here, and its line in the
//! table. The routes are in `app.rs`; users are `site.user("ada")`, so that no run meets the
//! sessions of another.

pub(crate) mod app;
mod attacks;
mod browser;
mod cookies;
mod counted;
mod csrf;
mod guards;
mod logins;
mod observed;
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

/// Time limit of a scenario; one that takes longer has failed.
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
        sessions::a_logout_ends_the_session_for_every_copy_of_its_cookie,
        sessions::a_logout_everywhere_ends_all_sessions_of_one_user,
        sessions::a_session_that_ends_while_a_request_runs_stays_ended,
        sessions::an_error_is_answered_with_the_session_stored,
        sessions::a_client_that_disconnects_fails_no_other_save,
        sessions::a_store_that_is_down_is_no_empty_session,
        cookies::a_cookie_has_the_attributes_of_its_policy,
        cookies::a_trusted_proxys_https_makes_it_secure,
        cookies::a_response_without_a_session_carries_no_session_fields,
        cookies::two_layers_keep_two_sessions_apart,
        attacks::a_planted_id_opens_nothing_after_the_login,
        attacks::a_tampered_cookie_is_anonymous,
        attacks::an_id_that_the_store_does_not_know_is_not_adopted,
        attacks::a_large_cookie_field_hides_no_session_and_is_no_error,
        attacks::a_login_redirects_within_the_site_only,
        guards::a_program_gets_401_and_a_browser_a_login_redirect,
        guards::a_user_without_the_role_gets_403_and_no_login_redirect,
        guards::a_login_that_is_too_long_ago_is_asked_for_again,
        guards::a_guard_lets_no_request_through_while_the_store_is_down,
        csrf::fetch_metadata_and_origin_decide,
        csrf::a_token_decides_without_fetch_metadata_and_origin,
        csrf::a_form_body_is_read_for_its_token_and_restored,
        csrf::a_tab_from_before_the_login_is_out_of_date,
        csrf::another_site_cannot_log_a_visitor_in,
        logins::guesses_are_slowed_down,
        logins::a_user_lists_their_sessions_and_ends_one,
        logins::a_password_change_ends_the_others,
        logins::above_the_limit_the_oldest_session_ends,
        logins::above_the_limit_a_login_is_refused,
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
