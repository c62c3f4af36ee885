use std::time::Duration;

use cloakroom::KeyRing;
use cloakroom::cookie::cookie_value;
use cloakroom::id::{IdGrammar, SessionId};

use super::{Chain, Facts, Verdict, explain};
use crate::cookie::request::Request;
use crate::cookie::sent::{Background, Response};
use crate::cookie::situation::Stage;
use crate::cookie::stored::tests::arrival;
use crate::secret_args::Secrets;

const SECRET: &str = "a secret of the chain's tests, long enough";
const LOST: &str = "connect.sid=x; Secure";
const GOOD: &str = "connect.sid=x; Secure; Path=/; Max-Age=60";

fn facts(fields: &[&str], url: &str, cookie: Option<&str>) -> Facts {
    let request: Option<Request> = url.parse().ok().map(Request::page);
    Facts {
        name: "connect.sid".to_owned(),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        had: Vec::new(),
        response: None,
        none_arrived: false,
        background: Background::default(),
        later: request.clone(),
        first: request,
        cookie: cookie.map(str::to_owned),
        arrival: arrival(),
        age: Duration::ZERO,
        is_sanitized: false,
    }
}

fn ticket() -> String {
    let ring = KeyRing::new(SECRET).unwrap();
    format!("connect.sid={}", cookie_value(&SessionId::random(), &ring))
}

fn chain(facts: &Facts) -> Chain {
    explain(facts, &Secrets::of(SECRET), &IdGrammar::default())
}

fn verdicts(chain: &Chain) -> String {
    let letter = |stage| match chain.verdict(stage).0 {
        Verdict::Passed => 'y',
        Verdict::Failed => 'n',
        Verdict::NotChecked => '-',
    };
    Stage::ALL.map(letter).iter().collect()
}

/// Fields, URL, Cookie, stages, cause.
type Row<'a> = (
    &'a [&'a str],
    &'a str,
    Option<&'a str>,
    &'a str,
    Option<&'a str>,
);

#[test]
fn the_cause_is_the_first_stage_that_fails() {
    let ticket = ticket();
    let (https, http) = ("https://shop.example/", "http://shop.example/");
    #[rustfmt::skip]
    let table: [Row<'_>; 11] = [
        (&[GOOD],         https, None,                   "yyy--", None),
        (&[GOOD],         http,  None,                   "yn---", Some("secure-over-http")),
        (&[GOOD],         https, Some(&ticket),          "yyyy-", None),
        (&[GOOD],         https, Some("lang=en"),        "yyn--", Some("not-in-request")),
        (&[LOST],         http,  Some("lang=en"),        "yn---", Some("secure-over-http")),
        (&[LOST],         http,  Some(&ticket),          "ynyy-", Some("secure-over-http")),
        (&["lang=en"],    https, None,                   "n----", Some("server-other-name")),
        (&[],             "",    Some(&ticket),          "---y-", None),
        (&[],             "",    Some("lang=en"),        "---n-", Some("other-name")),
        (&[GOOD, GOOD],   https, None,                   "yyy--", Some("server-sent-twice")),
        (&["=x"],         https, None,                   "yyy--", Some("nameless")),
    ];
    for (fields, url, cookie, stages, cause) in table {
        let mut facts = facts(fields, url, cookie);
        let names = facts
            .fields
            .iter()
            .map(|field| field.split('=').next().unwrap().to_owned());
        facts.response = Some(Response {
            cookies: names.filter(|name| !name.is_empty()).collect(),
            ..Response::default()
        });
        if fields.is_empty() {
            facts.response = None;
        }
        let chain = chain(&facts);
        assert_eq!(verdicts(&chain), stages, "{fields:?} {url}");
        let id = chain.cause().map(|cause| cause.situation.id);
        assert_eq!(id, cause, "{fields:?} {url}");
    }
}

#[test]
fn a_response_without_the_cookie_is_explained_by_the_server() {
    let mut none = facts(&[], "https://shop.example/", None);
    none.none_arrived = true;
    assert_eq!(
        chain(&none).cause().unwrap().situation.id,
        "server-stored-nothing"
    );
    let mut dropped = facts(&[GOOD], "https://shop.example/", None);
    dropped.none_arrived = true;
    assert_eq!(
        chain(&dropped).cause().unwrap().situation.id,
        "lost-at-a-hop"
    );
    let mut sanitized = facts(&[], "https://shop.example/", None);
    sanitized.response = Some(Response::default());
    sanitized.is_sanitized = true;
    assert_eq!(
        chain(&sanitized).cause().unwrap().situation.id,
        "recording-without-cookies"
    );
}

#[test]
fn an_older_cookie_is_said() {
    let lost = facts(&[LOST], "http://shop.example/", Some(&ticket()));
    let chain = chain(&lost);
    let (_, found) = chain.verdict(Stage::SentBack);
    assert_eq!(found[0].situation.id, "older-cookie");
}
