//! Tabs, late responses and expiring cookies, as in a real browser.
//!
//! Each test runs on axum and on actix, over TCP, by a clock that it moves; requests and answers
//! overtake one another as it says. Those of [`stores`] run on every store.

mod idle;
mod late;
mod model;
mod remember;
mod renewal;
mod stores;
mod twins;

use std::sync::Arc;

use axum::http::StatusCode;
use cloakroom::policy::PolicyBuilder;
use testbed::browser::{Answer, Ask, Browser, Held, Tab};

use crate::scenarios::app::App;
use crate::scenarios::site::{Framework, Site};
use crate::support::{clock, memory};

/// The scenarios' application, with a policy of the test's own.
async fn site(framework: Framework, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Site {
    let clock = clock();
    let store = Arc::new(memory(&clock));
    Site::serve(framework, App::by(clock, store, change)).await
}

/// Makes each function a test of both frameworks.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_axum {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::scenarios::site::Framework::Axum).await;
                }
            )*
        }
        mod on_actix {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::scenarios::site::Framework::Actix).await;
                }
            )*
        }
    };
}

/// Defines a test on both frameworks, of functions that take a site with the default policy.
macro_rules! on_both_by_default {
    ($($test:ident)*) => {
        mod on_axum {
            $(
                #[tokio::test]
                async fn $test() {
                    let site = super::super::site(crate::scenarios::site::Framework::Axum, |policy| policy);
                    super::$test(&site.await).await;
                }
            )*
        }
        mod on_actix {
            $(
                #[tokio::test]
                async fn $test() {
                    let site = super::super::site(crate::scenarios::site::Framework::Actix, |policy| policy);
                    super::$test(&site.await).await;
                }
            )*
        }
    };
}

use {on_both, on_both_by_default};

/// Returns the user and the data that the site shows to a tab: `ada with a hat`.
async fn who(tab: &Tab) -> String {
    let answer = tab.page("/").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

fn sign_in(user: &str) -> Ask {
    Ask::form("/login", &[("user", user)])
}

async fn signed_in(site: &Site, user: &str) -> Browser {
    let browser = site.tabs();
    let answer = browser.tab().ask(sign_in(user)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    browser
}

/// The orders of a request and one that changes the id, both sent with the same cookie.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Answered before the change, delivered after it.
    AnsweredFirst,
    /// Answered after the change, delivered before it.
    DeliveredFirst,
    /// Answered and delivered after the change.
    Last,
}

impl Order {
    const ALL: [Self; 3] = [Self::AnsweredFirst, Self::DeliveredFirst, Self::Last];

    /// Returns `true` if the server has changed the id when the request arrives.
    fn is_late(self) -> bool {
        !matches!(self, Self::AnsweredFirst)
    }

    /// Plays both in this order: the answers to the late one and to the change.
    async fn play(self, late: Held, change: Held) -> (Answer, Answer) {
        match self {
            Self::AnsweredFirst => {
                let mut late = late.arrive();
                late.answered().await;
                let change = change.arrive().deliver().await;
                (late.deliver().await, change)
            }
            Self::DeliveredFirst => {
                let mut change = change.arrive();
                change.answered().await;
                let late = late.arrive().deliver().await;
                (late, change.deliver().await)
            }
            Self::Last => {
                let change = change.arrive().deliver().await;
                (late.arrive().deliver().await, change)
            }
        }
    }
}
