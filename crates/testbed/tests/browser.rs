//! Tabs share a jar; cookies go with a request when it is sent, and come when it is delivered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use testbed::browser::{Ask, Browser, Initiator, Jar, Wire};

/// `/set/x` sets the cookie to x, `/go/x` too and leads to `/said`, which says what it was sent.
async fn serve(request: Request<Full<Bytes>>) -> Result<Response<String>, Infallible> {
    let said = |name: &str| {
        let field = request.headers().get(name);
        field
            .map_or("-", |field| field.to_str().unwrap())
            .to_owned()
    };
    let path = request.uri().path();
    let answer = Response::builder();
    let answer = match path.rsplit_once('/').unwrap() {
        ("/set", value) => answer.header("set-cookie", format!("a={value}; Path=/")),
        ("/go", value) => answer
            .status(303)
            .header("location", "../said?next")
            .header("set-cookie", format!("a={value}; Path=/")),
        ("/307", to) => answer.status(307).header("location", format!("/{to}")),
        ("/away", _) => answer
            .status(302)
            .header("location", "https://pay.example/said"),
        ("/round", _) => answer.status(302).header("location", "/round/1"),
        _ => answer,
    };
    let names = [
        "host",
        "cookie",
        "origin",
        "sec-fetch-site",
        "sec-fetch-mode",
    ];
    let names = names.map(said).join(" ");
    Ok(answer
        .body(format!("{} {} {names}", request.method(), request.uri()))
        .unwrap())
}

fn browser() -> Browser {
    let wire = Wire::service(tower::service_fn(serve));
    Browser::new("https://shop.example", wire, Jar::new())
}

#[tokio::test]
async fn cookies_go_when_a_request_is_sent_and_come_when_its_answer_is_delivered() {
    let browser = browser();
    let (one, two) = (browser.tab(), browser.tab());
    one.page("/set/first").await;
    let held = one.hold(Ask::page("/said"));
    let mut answered = two.send(Ask::page("/set/second"));
    answered.answered().await;
    assert_eq!(browser.jar().value("a"), Some("first"), "not delivered");
    let other = one.send(Ask::page("/set/third"));
    other.deliver().await;
    assert_eq!(browser.jar().value("a"), Some("third"));
    answered.deliver().await;
    assert_eq!(
        browser.jar().value("a"),
        Some("second"),
        "what comes last counts"
    );
    assert_eq!(held.cookies(), Some("a=first"));
    let answer = held.arrive().deliver().await;
    assert_eq!(
        answer.body,
        "GET /said shop.example a=first - none navigate"
    );
}

#[tokio::test]
async fn a_copy_has_the_cookies_of_its_moment() {
    let browser = browser();
    browser.tab().page("/set/mine").await;
    let thief = browser.copy();
    browser.tab().page("/set/new").await;
    assert_eq!(thief.jar().value("a"), Some("mine"));
    browser.close();
    assert_eq!(browser.jar().value("a"), None);
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_cookies_that_it_sets() {
    let tab = browser().tab();
    let form = |to: &str| Ask::form(to, &[("user", "ada")]);
    let answer = tab.ask(form("/go/new")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (303, Some("../said?next"))
    );
    let answer = tab.ask(form("/go/newer").following()).await;
    assert_eq!(answer.url.path(), "/said");
    let expected = "GET /said?next shop.example a=newer - same-origin navigate";
    assert_eq!(answer.body, expected);
    let answer = tab.ask(form("/307/said").following()).await;
    let expected = "POST /said shop.example a=newer https://shop.example same-origin navigate";
    assert_eq!(answer.body, expected);
    let answer = tab.ask(form("/away/1").following()).await;
    assert_eq!(answer.body, "GET /said pay.example - - cross-site navigate");
}

#[tokio::test]
async fn a_request_says_where_it_comes_from_as_chromium_does() {
    let tab = browser().tab();
    let post = || Ask::fetch(Method::POST, "/said");
    #[rustfmt::skip]
    let table = [
        (Ask::page("/said"), "GET /said shop.example - - none navigate"),
        (Ask::page("/said").by(Initiator::CrossSite), "GET /said shop.example - - cross-site navigate"),
        (Ask::form("/said", &[]), "POST /said shop.example - https://shop.example same-origin navigate"),
        (Ask::form("/said", &[]).by(Initiator::CrossSite),
            "POST /said shop.example - https://elsewhere.example cross-site navigate"),
        (Ask::fetch(Method::GET, "/said"), "GET /said shop.example - - same-origin cors"),
        (post(), "POST /said shop.example - https://shop.example same-origin cors"),
        (post().by(Initiator::SameSite), "POST /said shop.example - https://sibling.shop.example same-site cors"),
        (post().header("origin", "null"), "POST /said shop.example - null same-origin cors"),
        (Ask::bare(Request::post("/said").body(Bytes::new()).unwrap()), "POST /said shop.example - - - -"),
    ];
    for (ask, expected) in table {
        assert_eq!(tab.ask(ask).await.body, expected);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_answer() {
    let port = testbed::free_port();
    let browser = Browser::new(&format!("http://127.0.0.1:{port}"), Wire::tcp(), Jar::new());
    let lost = browser.tab().send(Ask::page("/")).try_deliver().await;
    assert!(lost.unwrap_err().to_string().starts_with("no answer: "));
}

#[tokio::test]
#[should_panic(expected = "redirects do not end at /round/1")]
async fn endless_redirects_are_an_error() {
    browser().tab().ask(Ask::page("/round/1").following()).await;
}
