//! V3: a page that loads several things at the moment of renewal stays signed in.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use testbed::browser::Ask;

use super::{Order, on_both, signed_in, site, who};
use crate::scenarios::site::Framework;

on_both!(
    v3_three_concurrent_requests_at_renewal_all_succeed
    v2_a_request_from_before_the_renewal_uses_the_successor
);

const RENEWAL: Duration = Duration::from_mins(10);

async fn v3_three_concurrent_requests_at_renewal_all_succeed(framework: Framework) {
    let site = site(framework, |policy| policy.renewal_timeout(RENEWAL)).await;
    #[rustfmt::skip]
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let user = site.user("ada");
        let browser = signed_in(&site, &user).await;
        site.app.clock.advance(RENEWAL + Duration::from_secs(1));
        let tab = browser.tab();
        let fetch = || tab.hold(Ask::fetch(Method::GET, "/"));
        let mut flights = [fetch(), fetch(), fetch()].map(|held| Some(held.arrive()));
        for flight in flights.iter_mut().flatten() {
            flight.answered().await;
        }
        for at in order {
            let answer = flights[at].take().unwrap().deliver().await;
            let expected = format!("{user} with nothing");
            assert_eq!(answer.body, expected, "{at} of {order:?}");
        }
        let answer = tab.form("/cart", &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{order:?}: {}", answer.body);
        assert_eq!(who(&tab).await, format!("{user} with a hat"), "{order:?}");
        assert_eq!(site.sessions_of(&user).await, 1, "{order:?}");
    }
}

async fn v2_a_request_from_before_the_renewal_uses_the_successor(framework: Framework) {
    let site = site(framework, |policy| policy.renewal_timeout(RENEWAL)).await;
    for order in [Order::DeliveredFirst, Order::Last] {
        let user = site.user("ada");
        let browser = signed_in(&site, &user).await;
        site.app.clock.advance(RENEWAL + Duration::from_secs(1));
        let (one, two) = (browser.tab(), browser.tab());
        let (late, renewing) = (one.hold(Ask::form("/cart", &[])), two.hold(Ask::page("/")));
        let (late, renewing) = order.play(late, renewing).await;
        assert!(
            renewing.set_cookie().is_some(),
            "{order:?}: it has a new id"
        );
        assert_eq!(late.status, StatusCode::OK, "{order:?}: {}", late.body);
        assert_eq!(late.set_cookies(), [""; 0], "{order:?}");
        assert_eq!(who(&two).await, format!("{user} with a hat"), "{order:?}");
    }
}
