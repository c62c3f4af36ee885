use super::{Report, sentence, text};
use crate::cookie::chain::Chain;
use crate::cookie::situation::Stage;
use crate::cookie::situations::{accepted, all, session, stored};
use crate::output::Output;

fn chain(parts: Vec<(Stage, Vec<crate::cookie::situation::Finding>)>) -> Chain {
    let mut chain = Chain::default();
    for (stage, findings) in parts {
        chain.add(stage, findings);
    }
    chain
}

#[test]
fn the_first_sentence_is_the_cause_or_how_far_it_gets() {
    let lost = chain(vec![
        (Stage::Sent, vec![]),
        (
            Stage::Stored,
            vec![
                stored::BROWSER_SESSION.found(),
                stored::SECURE_OVER_HTTP.found(),
            ],
        ),
    ]);
    assert!(sentence(&lost).starts_with("The browser refuses the cookie because it is Secure"));
    let sent = chain(vec![(Stage::Stored, vec![]), (Stage::SentBack, vec![])]);
    assert_eq!(
        sentence(&sent),
        "The browser stores the cookie and sends it with this request."
    );
    let live = chain(vec![
        (Stage::Accepted, vec![accepted::NEWEST_KEY.found()]),
        (
            Stage::Session,
            vec![
                session::LIVE
                    .with("user", "")
                    .with("since", "")
                    .with("left", "9m"),
            ],
        ),
    ]);
    assert_eq!(
        sentence(&live),
        "The session is live, and ends 9m from now unless it is used."
    );
    assert_eq!(sentence(&Chain::default()), "Nothing was given to look at.");
}

#[test]
fn a_terminal_of_any_width_gets_all_of_it() {
    let lost = chain(vec![
        (Stage::Sent, vec![]),
        (
            Stage::Stored,
            vec![
                stored::SECURE_OVER_HTTP.found(),
                stored::UNKNOWN_ATTRIBUTE.with("attribute", "HttpsOnly"),
            ],
        ),
    ]);
    for width in [40, 80] {
        let text = text(Output::plain(Some(width)), &lost);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} > {width}\n{text}");
        for part in ["SecureOnly", "not reached", "HttpsOnly", "Secure::Auto"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    let piped = text(Output::plain(None), &lost);
    let first = piped.lines().next().unwrap();
    assert_eq!(first, sentence(&lost), "one line in a pipe");
    assert!(!piped.contains('\x1b'));
}

#[test]
fn json_has_the_names_of_chromium() {
    let lost = chain(vec![(
        Stage::Stored,
        vec![stored::SECURE_OVER_HTTP.found()],
    )]);
    let json = serde_json::to_value(Report::of("sid", &lost)).unwrap();
    assert_eq!(json["works"], false);
    assert_eq!(json["cause"]["id"], "secure-over-http");
    assert_eq!(json["cause"]["chromium"], "SecureOnly");
    assert_eq!(json["stages"][1]["verdict"], "failed");
    assert_eq!(json["stages"][3]["verdict"], "not-checked");
}

/// Each situation is reached by the row of some table above: whoever adds one adds its test.
#[test]
fn every_situation_has_a_row() {
    let tables = concat!(
        include_str!("../stored/tests.rs"),
        include_str!("../back/tests.rs"),
        include_str!("../sent.rs"),
        include_str!("../accepted/tests.rs"),
        include_str!("../chain/tests.rs"),
        include_str!("../session/tests.rs"),
    );
    for situation in all() {
        let row = format!("\"{}\"", situation.id);
        assert!(
            tables.contains(&row) || situation.id == "browser-session",
            "{row}"
        );
    }
}
