use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::{CookieName, KeyRing, cookie_value, sign};
use super::{Ticket, find, valid_tickets};
use crate::id::{IdGrammar, SessionId};

const SECRET: &str = "the secret of these tests, long enough";

fn keys() -> KeyRing {
    KeyRing::new(SECRET).unwrap()
}

fn value(id: &SessionId) -> String {
    let mut value = String::new();
    super::codec::encode(&format!("s:{}", sign(id.expose(), &keys())), &mut value);
    value
}

fn found(field: &[u8]) -> Option<Ticket> {
    found_by("connect.sid", field)
}

fn found_by(name: &str, field: &[u8]) -> Option<Ticket> {
    find(
        [field],
        &CookieName::parse(name).unwrap(),
        &keys(),
        &IdGrammar::default(),
    )
}

#[test]
fn the_first_valid_one_of_several_wins() {
    let (first, second) = (SessionId::random(), SessionId::random());
    let field = format!(
        "connect.sid=stale; connect.sid={}; connect.sid={}",
        value(&first),
        value(&second)
    );
    assert_eq!(found(field.as_bytes()).unwrap().id, first);
    let second_field = format!("connect.sid={}", value(&second));
    let fields = [b"a=1".as_slice(), second_field.as_bytes()];
    let name = CookieName::default();
    assert_eq!(
        find(fields, &name, &keys(), &IdGrammar::default())
            .unwrap()
            .id,
        second
    );
}

#[test]
fn malformed_neighbours_hide_no_valid_cookie() {
    let id = SessionId::random();
    for neighbour in [
        "a=\"x",
        "=__Host-x",
        "caf\u{e9}=1",
        "$Version=1",
        "\0",
        "a=b,c=d",
        "=",
        ";;",
    ] {
        let field = format!("{neighbour}; connect.sid={}; z={neighbour}", value(&id));
        assert_eq!(found(field.as_bytes()).unwrap().id, id, "{neighbour:?}");
    }
    let mut field = b"x=\xff\xfe; connect.sid=".to_vec();
    field.extend(value(&id).bytes());
    assert_eq!(found(&field).unwrap().id, id);
}

#[test]
fn a_name_is_matched_byte_for_byte() {
    let value = value(&SessionId::random());
    let name = "__Host-sid";
    assert!(found_by(name, format!("__Host-sid={value}").as_bytes()).is_some());
    assert!(found_by(name, format!("\t __Host-sid \t=\t {value}").as_bytes()).is_some());
    for other in [
        "%5F%5FHost-sid",
        "__host-sid",
        "..Host-sid",
        "_[Host-sid",
        "__Host-sidx",
        "\"__Host-sid\"",
    ] {
        assert_eq!(
            found_by(name, format!("{other}={value}").as_bytes()),
            None,
            "{other}"
        );
    }
    assert_eq!(
        found_by(name, format!("=__Host-sid={value}").as_bytes()),
        None
    );
    let blanks = [
        '\u{b}', '\u{c}', '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}', '\u{200a}', '\u{2028}',
        '\u{202f}', '\u{205f}', '\u{3000}', '\u{feff}',
    ];
    for blank in blanks {
        assert_eq!(
            found_by(name, format!("{blank}__Host-sid={value}").as_bytes()),
            None
        );
        assert_eq!(
            found_by(name, format!("__Host-sid{blank}={value}").as_bytes()),
            None
        );
    }
    for byte in 0..=255_u8 {
        let mut field = vec![byte];
        field.extend(format!("__Host-sid={value}").bytes());
        let harmless = matches!(byte, b' ' | b'\t' | b';');
        assert_eq!(found_by(name, &field).is_some(), harmless, "{byte}");
    }
}

#[test]
fn no_forged_value_is_taken() {
    let id = SessionId::random();
    let valid = value(&id);
    assert!(found(format!("connect.sid={valid}").as_bytes()).is_some());
    for at in 0..valid.len() {
        let mut forged = valid.clone().into_bytes();
        forged[at] ^= 1;
        let field = [b"connect.sid=".as_slice(), &forged].concat();
        assert!(
            found(&field).is_none_or(|ticket| ticket.id == id && at < 4),
            "bit flipped at {at}"
        );
        let field = [b"connect.sid=", &valid.as_bytes()[..at]].concat();
        assert_eq!(found(&field), None, "cut at {at}");
    }
    for forged in [
        format!("{valid}="),
        format!("{valid}%3D"),
        valid.replace("%3A", "%253A"),
        format!("\"{valid}"),
    ] {
        assert_eq!(
            found(format!("connect.sid={forged}").as_bytes()),
            None,
            "{forged}"
        );
    }
}

#[test]
fn a_signed_id_outside_the_grammar_is_no_ticket() {
    let long = "x".repeat(6000);
    for id in ["../../admin {\"$gt\":\"\"}", "a\0b", "", "short", &long] {
        let mut value = String::new();
        super::codec::encode(&format!("s:{}", sign(id, &keys())), &mut value);
        assert_eq!(
            found(format!("connect.sid={value}").as_bytes()),
            None,
            "{id:.20}"
        );
    }
}

#[test]
fn a_hostile_header_costs_linear_time() {
    let id = SessionId::random();
    let many = format!(
        "connect.sid=s%3Ax.y; {}",
        "connect.sid=s%3Aabc.def; ".repeat(10_000)
    );
    let long = format!("connect.sid={}", "%41".repeat(350_000));
    let pairs = "a; ".repeat(350_000);
    for field in [&many, &long, &pairs] {
        // The control: the first part of the same field. Quadratic work would take a hundred times as long
        // for ten times as much; taking the shortest of several runs leaves out other load of the machine.
        let cost = |bytes: &[u8]| {
            let once = || {
                let begin = Instant::now();
                assert_eq!(found(bytes), None);
                begin.elapsed()
            };
            (0..5).map(|_| once()).min().unwrap()
        };
        let (whole, tenth) = (
            cost(field.as_bytes()),
            cost(&field.as_bytes()[..field.len() / 10]),
        );
        let most = 40 * tenth + Duration::from_millis(20);
        assert!(whole < most, "{whole:?}, a tenth of it {tenth:?}");
    }
    let behind = format!("{pairs}; connect.sid={}", value(&id));
    assert_eq!(found(behind.as_bytes()).unwrap().id, id);
}

proptest! {
    #[test]
    fn no_header_panics(field in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(found(&field), None);
    }
}

#[test]
fn an_adapter_gets_the_first_two_tickets_and_whether_they_are_outdated() {
    let old = KeyRing::new("an old secret of these tests, long enough").unwrap();
    let ring = keys()
        .with_verification_key("an old secret of these tests, long enough")
        .unwrap();
    let ids = [(); 3].map(|()| SessionId::random());
    let field = format!(
        "connect.sid=x; connect.sid={}; connect.sid={1}; connect.sid={1}; connect.sid={2}",
        cookie_value(&ids[0], &old),
        value(&ids[1]),
        value(&ids[2])
    );
    let name = CookieName::default();
    let tickets = valid_tickets([field.as_bytes()], &name, &ring, &IdGrammar::default());
    let found: Vec<_> = tickets
        .iter()
        .map(|t| (t.id().clone(), t.is_outdated()))
        .collect();
    assert_eq!(found, [(ids[0].clone(), true), (ids[1].clone(), false)]);
    assert_eq!(
        valid_tickets([b"a=1".as_slice()], &name, &ring, &IdGrammar::default()),
        []
    );
}
