//! Changing ids under concurrent requests, over one store and a manual clock.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::{AtLimit, PolicyBuilder, RequestInfo};
use cloakroom::store::Store as _;
use cloakroom::{Manager, ManualClock, MemoryStore, Policy, Secure, Session, SessionError};

use crate::support::{clock, keys, memory};

const MINUTE: Duration = Duration::from_mins(1);
const RENEWAL: Duration = Duration::from_mins(10);

struct Shop {
    manager: Manager,
    store: MemoryStore,
    clock: ManualClock,
}

impl Shop {
    fn new(change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let clock = clock();
        let store = memory(&clock);
        let policy = change(Policy::builder(keys()).secure(Secure::Never));
        let policy = policy.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(store.clone()), clock.clone());
        Self {
            manager,
            store,
            clock,
        }
    }

    /// A request with this cookie.
    async fn open(&self, cookie: &str) -> Session {
        let cookies = [cookie.as_bytes()].into_iter();
        let cookies = cookies.filter(|cookie| !cookie.is_empty());
        let opened = self.manager.open(cookies, RequestInfo::default()).await;
        opened.unwrap()
    }

    /// The cookie that its answer sends; a deletion is the empty text.
    async fn close(&self, session: &Session) -> Option<String> {
        let field = self.manager.close(session).await.unwrap().set_cookie?;
        let deletes = field.contains("Expires=Thu, 01 Jan 1970");
        let pair = field.split(';').next().unwrap().to_owned();
        Some(if deletes { String::new() } else { pair })
    }

    /// Somebody who has just signed in.
    async fn signed_in(&self, user: &str) -> String {
        let session = self.open("").await;
        session.login(user).await.unwrap();
        self.close(&session).await.unwrap()
    }

    async fn who(&self, cookie: &str) -> Option<String> {
        self.open(cookie).await.user()
    }

    async fn sessions_of(&self, user: &str) -> usize {
        self.manager.sessions_of(user).await.unwrap().len()
    }
}

fn renewing(policy: PolicyBuilder) -> PolicyBuilder {
    policy.renewal_timeout(RENEWAL)
}

/// V3: of concurrent requests at the renewal one sets the session's id; whichever response the
/// browser gets last, it stays signed in.
#[tokio::test]
async fn v3_concurrent_renewals_leave_a_working_cookie() {
    for hashed in [false, true] {
        let shop = Shop::new(|policy| renewing(policy).hash_ids_at_rest(hashed));
        let old = shop.signed_in("ada").await;
        shop.clock.advance(RENEWAL + MINUTE);
        let (one, two, three) = (
            shop.open(&old).await,
            shop.open(&old).await,
            shop.open(&old).await,
        );
        two.insert("cart", "a hat").unwrap();
        let mut sent = Vec::new();
        for session in [&one, &two, &three] {
            assert_eq!(session.user().as_deref(), Some("ada"));
            sent.extend(shop.close(session).await);
        }
        shop.clock.advance(2 * MINUTE);
        for cookie in &sent {
            let session = shop.open(cookie).await;
            assert_eq!(session.user().as_deref(), Some("ada"), "{}", sent.len());
            let cart: Option<String> = session.get("cart").unwrap();
            assert_eq!(cart.as_deref(), Some("a hat"));
        }
        assert_eq!(sent.len(), 1, "one of them renews it");
        assert_eq!(shop.sessions_of("ada").await, 1);
    }
}

/// V3: a user who ends their other sessions while another tab renews this one keeps it.
#[tokio::test]
async fn v3_ending_the_others_during_a_renewal_keeps_the_own_session() {
    for by_manager in [false, true] {
        let shop = Shop::new(renewing);
        let (old, other) = (shop.signed_in("ada").await, shop.signed_in("ada").await);
        shop.clock.advance(RENEWAL + MINUTE);
        let (ending, renewing) = (shop.open(&old).await, shop.open(&old).await);
        let cookie = shop.close(&renewing).await.unwrap();
        let ended = if by_manager {
            let ending = shop.manager.end_sessions_of("ada", Some(&ending));
            ending.await.unwrap()
        } else {
            ending.end_others().await.unwrap()
        };
        assert_eq!(ended, 1, "by the manager: {by_manager}");
        shop.close(&ending).await;
        assert_eq!(shop.who(&cookie).await.as_deref(), Some("ada"));
        assert_eq!(shop.who(&other).await, None);
    }
}

/// V3: a step-up where one session is allowed counts the own one once, renewed or not.
#[tokio::test]
async fn v3_a_step_up_during_a_renewal_does_not_exceed_the_session_limit() {
    let shop = Shop::new(|policy| renewing(policy).max_sessions(1, AtLimit::Refuse));
    let old = shop.signed_in("ada").await;
    shop.clock.advance(RENEWAL + MINUTE);
    let (step_up, renewing) = (shop.open(&old).await, shop.open(&old).await);
    shop.close(&renewing).await.unwrap();
    step_up.login("ada").await.unwrap();
    let cookie = shop.close(&step_up).await.unwrap();
    assert_eq!(shop.who(&cookie).await.as_deref(), Some("ada"));
    assert_eq!(shop.sessions_of("ada").await, 1);
}

/// W8: impersonation proves no login, and a logout meanwhile ends it, too.
#[tokio::test]
async fn w8_impersonation_does_not_outlive_a_logout() {
    for everywhere in [false, true] {
        for stops in [false, true] {
            let shop = Shop::new(|policy| policy);
            let mut cookie = shop.signed_in("root").await;
            if stops {
                let session = shop.open(&cookie).await;
                session.impersonate("ada").unwrap();
                cookie = shop.close(&session).await.unwrap();
            }
            let (acting, leaving) = (shop.open(&cookie).await, shop.open(&cookie).await);
            if everywhere {
                shop.manager
                    .end_sessions_of("root", Some(&leaving))
                    .await
                    .unwrap();
            }
            leaving.logout().await.unwrap();
            shop.close(&leaving).await;
            if stops {
                acting.stop_impersonating().unwrap();
            } else {
                acting.impersonate("ada").unwrap();
            }
            let sent = shop.close(&acting).await;
            let what = format!("everywhere {everywhere}, stops {stops}");
            assert_eq!(sent, None, "{what}");
            assert_eq!(shop.store.count().await.unwrap(), 0, "{what}");
        }
    }
}

/// W8: nor does it outlive an operator's end of all sessions, which leaves no note of the id.
#[tokio::test]
async fn w8_impersonation_does_not_outlive_an_end_by_an_operator() {
    for stops in [false, true] {
        let shop = Shop::new(|policy| policy);
        let mut cookie = shop.signed_in("root").await;
        if stops {
            let session = shop.open(&cookie).await;
            session.impersonate("ada").unwrap();
            cookie = shop.close(&session).await.unwrap();
        }
        let acting = shop.open(&cookie).await;
        shop.manager.end_sessions_of("root", None).await.unwrap();
        if stops {
            acting.stop_impersonating().unwrap();
        } else {
            acting.impersonate("ada").unwrap();
        }
        let sent = shop.close(&acting).await;
        assert_eq!(sent, None, "stops {stops}");
        assert_eq!(shop.store.count().await.unwrap(), 0, "stops {stops}");
    }
}

/// V6: nor does a step-up outlive it, whether or not a login clears the data.
#[tokio::test]
async fn v6_a_step_up_does_not_outlive_an_end_by_an_operator() {
    for clears in [false, true] {
        let shop = Shop::new(|policy| policy.clear_on_login(clears));
        let cookie = shop.signed_in("ada").await;
        let step_up = shop.open(&cookie).await;
        shop.manager.end_sessions_of("ada", None).await.unwrap();
        step_up.login("ada").await.unwrap();
        assert_eq!(shop.close(&step_up).await, None, "clears {clears}");
        assert_eq!(shop.sessions_of("ada").await, 0, "clears {clears}");
    }
}

/// V6: a login whose anonymous session expires while it runs succeeds all the same.
#[tokio::test]
async fn v6_a_login_outlives_the_anonymous_session_that_it_began_in() {
    let shop = Shop::new(|policy| policy);
    let visitor = shop.open("").await;
    visitor.insert("cart", "a hat").unwrap();
    let cookie = shop.close(&visitor).await.unwrap();
    let login = shop.open(&cookie).await;
    shop.store.destroy(&login.id()).await.unwrap();
    login.login("ada").await.unwrap();
    let cookie = shop.close(&login).await.expect("a cookie");
    assert_eq!(shop.who(&cookie).await.as_deref(), Some("ada"));
    assert_eq!(shop.open(&cookie).await.get_raw("cart").unwrap(), None);
}

/// V6: a step-up does not outlive a logout everywhere where logins clear the data either.
#[tokio::test]
async fn v6_a_step_up_that_clears_the_data_does_not_outlive_a_logout_everywhere() {
    for clears in [false, true] {
        let shop = Shop::new(|policy| policy.clear_on_login(clears));
        let cookie = shop.signed_in("ada").await;
        let (step_up, leaving) = (shop.open(&cookie).await, shop.open(&cookie).await);
        leaving.end_all().await.unwrap();
        leaving.logout().await.ok();
        shop.close(&leaving).await;
        step_up.login("ada").await.unwrap();
        shop.close(&step_up).await;
        assert_eq!(shop.sessions_of("ada").await, 0, "clears {clears}");

        // The same where the id itself was closed.
        let cookie = shop.signed_in("ada").await;
        let (step_up, leaving) = (shop.open(&cookie).await, shop.open(&cookie).await);
        leaving.logout().await.unwrap();
        shop.close(&leaving).await;
        step_up.login("ada").await.unwrap();
        shop.close(&step_up).await;
        assert_eq!(shop.sessions_of("ada").await, 0, "closed, clears {clears}");
    }
}

/// V2: an impersonation, or a login by a key of the application's own, that comes by the id from before a
/// renewal, has a session afterwards, and its cookie.
#[tokio::test]
async fn v2_a_change_of_user_by_a_renewed_id_ends_no_session() {
    for saves in [false, true] {
        for own in [false, true] {
            let shop = Shop::new(renewing);
            let old = shop.signed_in("root").await;
            shop.clock.advance(RENEWAL + MINUTE);
            let renewing = shop.open(&old).await;
            shop.close(&renewing).await.unwrap();
            let late = shop.open(&old).await;
            if own {
                late.reset().unwrap();
                late.insert("userId", "ada").unwrap();
            } else {
                late.impersonate("ada").unwrap();
            }
            if saves {
                late.save().await.unwrap();
            }
            let what = format!("own {own}, saves {saves}");
            let sent = shop.close(&late).await.expect(&what);
            assert_eq!(shop.who(&sent).await.as_deref(), Some("ada"), "{what}");
        }
    }
}

/// V6, V7: a sign-in by a key of the application's own that is saved at once sends its cookie.
#[tokio::test]
async fn v6_a_saved_login_by_the_applications_own_key_sends_its_cookie() {
    for saves in [false, true] {
        let shop = Shop::new(|policy| policy);
        let first = shop.open("").await;
        first.insert("cart", "a hat").unwrap();
        let anonymous = shop.close(&first).await.unwrap();
        let winner = shop.open(&anonymous).await;
        winner.login("ada").await.unwrap();
        shop.close(&winner).await.unwrap();
        let late = shop.open(&anonymous).await;
        late.regenerate().unwrap();
        late.insert("userId", "ada").unwrap();
        if saves {
            late.save().await.unwrap();
        }
        let sent = shop.close(&late).await.expect("it has a session");
        assert_eq!(shop.who(&sent).await.as_deref(), Some("ada"), "{saves}");
        assert_eq!(late.get::<String>("cart").unwrap(), None);
    }
}

/// V7: what a late tab begins after its logout leaves no record whose cookie no client has.
#[tokio::test]
async fn v7_a_late_logout_leaves_no_record_without_a_cookie() {
    let shop = Shop::new(renewing);
    let old = shop.signed_in("ada").await;
    shop.clock.advance(RENEWAL + MINUTE);
    let renewing = shop.open(&old).await;
    shop.close(&renewing).await.unwrap();
    let late = shop.open(&old).await;
    late.logout().await.unwrap();
    late.reset().unwrap();
    late.insert("flash", "goodbye").unwrap();
    let sent = shop
        .manager
        .close(&late)
        .await
        .ok()
        .and_then(|it| it.set_cookie);
    assert_eq!(shop.sessions_of("ada").await, 0);
    let stored = shop.store.count().await.unwrap();
    assert_eq!(stored, u64::from(sent.is_some()));
}

/// W2: another user was signed in, by a key of the application's own, between two logins of one user.
#[tokio::test]
async fn w2_data_of_another_user_between_two_logins_of_one_is_discarded() {
    let shop = Shop::new(|policy| policy);
    let cookie = shop.signed_in("ada").await;
    for (user, cart) in [(None, None), (Some("bob"), Some("bob's")), (None, None)] {
        let session = shop.open(&cookie).await;
        match user {
            Some(user) => session.insert("userId", user).unwrap(),
            None => session.remove("userId").unwrap(),
        }
        if let Some(cart) = cart {
            session.insert("cart", cart).unwrap();
        }
        shop.close(&session).await;
    }
    let session = shop.open(&cookie).await;
    assert_eq!(
        session.get::<String>("cart").unwrap().as_deref(),
        Some("bob's")
    );
    session.login("ada").await.unwrap();
    assert_eq!(session.get::<String>("cart").unwrap(), None);
    shop.close(&session).await.unwrap();
}

/// W5: an impersonator that another writer left in the metadata, or made up, keeps no role.
#[tokio::test]
async fn w5_rights_are_withdrawn_where_a_former_impersonation_was_signed_over() {
    let shop = Shop::new(|policy| policy);
    let cookie = shop.signed_in("root").await;
    let session = shop.open(&cookie).await;
    session.impersonate("ada").unwrap();
    let cookie = shop.close(&session).await.unwrap();
    let session = shop.open(&cookie).await;
    session.insert("userId", "bob").unwrap();
    session.insert("roles", ["admin"]).unwrap();
    shop.close(&session).await;
    let none: [&str; 0] = [];
    shop.manager.set_roles_of("bob", none).await.unwrap();
    let session = shop.open(&cookie).await;
    assert_eq!(session.user().as_deref(), Some("bob"));
    assert_eq!(session.impersonator(), None);
    assert_eq!(session.get::<Vec<String>>("roles").unwrap(), Some(vec![]));
    assert_eq!(session.devices().await.unwrap().len(), 1, "bob's own");
}

/// V7: after the head, an impersonation is refused as a whole.
#[tokio::test]
async fn v7_impersonation_after_the_head_changes_nothing() {
    let shop = Shop::new(|policy| policy);
    let cookie = shop.signed_in("root").await;
    let session = shop.open(&cookie).await;
    shop.close(&session).await;
    let refused = session.impersonate("ada");
    assert!(
        matches!(refused, Err(SessionError::HeadersSent)),
        "{refused:?}"
    );
    assert_eq!(session.user().as_deref(), Some("root"));
    session.insert("note", "seen").unwrap();
    session.save().await.unwrap();
    let session = shop.open(&cookie).await;
    assert_eq!(
        session.get::<String>("note").unwrap().as_deref(),
        Some("seen")
    );
}

/// V4: a renewed or closed id before the live one, and the reverse, with another user's.
#[tokio::test]
async fn v4_a_retired_id_beside_a_live_one_is_neither_opened_nor_followed() {
    let shop = Shop::new(renewing);
    let old = shop.signed_in("ada").await;
    shop.clock.advance(RENEWAL + MINUTE);
    let renewing = shop.open(&old).await;
    shop.close(&renewing).await.unwrap();
    let eve = shop.signed_in("eve").await;
    for cookies in [format!("{old}; {eve}"), format!("{eve}; {old}")] {
        assert_eq!(shop.who(&cookies).await.as_deref(), Some("eve"));
    }
    // A thief who signs in by it gets none of what the user had.
    let session = shop.open(&old).await;
    session.insert("cart", "ada's").unwrap();
    session.login("mallory").await.unwrap();
    let thief = shop.close(&session).await.unwrap();
    let session = shop.open(&thief).await;
    assert_eq!(session.user().as_deref(), Some("mallory"));
    assert_eq!(session.get::<String>("cart").unwrap(), None);
}

/// Whatever a user's name, the index finds and ends their sessions and no others.
#[tokio::test]
async fn unusual_user_names_are_one_user_each() {
    let long = "x".repeat(4000);
    let names = [
        "\u{1f}",
        "\u{1f}\u{1f}",
        "\u{1f}x\u{1f}7",
        "7",
        "a\0b",
        "a",
        "a\nb",
        "b",
        "\u{1e}a",
        "61",
        "\u{0}",
        " ",
        "__proto__",
        "a.b",
        "\u{feff}a",
        &long,
    ];
    for realm in [None, Some("x")] {
        let shop = Shop::new(|policy| match realm {
            Some(realm) => policy.realm(realm),
            None => policy,
        });
        let mut cookies = Vec::new();
        for name in names {
            cookies.push(shop.signed_in(name).await);
        }
        for (at, name) in names.iter().enumerate() {
            assert_eq!(shop.who(&cookies[at]).await.as_deref(), Some(*name));
            assert_eq!(shop.sessions_of(name).await, 1, "{name:?} in {realm:?}");
            let ended = shop.manager.end_sessions_of(name, None).await.unwrap();
            assert_eq!(ended, 1, "{name:?} in {realm:?}");
            assert_eq!(shop.who(&cookies[at]).await, None);
        }
    }
}

/// V1: in the last second before the absolute time-out no cookie is sent that deletes itself.
#[tokio::test]
async fn v1_a_cookie_in_the_last_second_deletes_nothing() {
    let life = Duration::from_secs(100);
    for left in [1999, 1000, 999, 500, 1] {
        let shop = Shop::new(|policy| {
            policy
                .idle_timeout(life)
                .absolute_timeout(life)
                .rolling(true)
        });
        let cookie = shop.signed_in("ada").await;
        shop.clock
            .advance(life.saturating_sub(Duration::from_millis(left)));
        let session = shop.open(&cookie).await;
        let sent = shop.manager.close(&session).await.unwrap();
        let sent = sent.set_cookie.unwrap();
        assert!(!sent.contains("Max-Age=0"), "{left}: {sent}");
        assert!(sent.contains("Max-Age="), "{left}: {sent}");
        shop.clock.advance(Duration::from_millis(left));
        assert_eq!(shop.who(&cookie).await, None, "{left}");
    }
}
