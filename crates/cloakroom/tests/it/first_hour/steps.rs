//! Y4, Y5, Y6: cookie attributes, values that are taken once, updates that refuse.

use std::time::Duration;

use cloakroom::SessionError;
use cloakroom::policy::PolicyBuilder;

use super::visitor::Visitor;
use crate::support::servers::on_every_store;

async fn y4_attributes_alone_send_the_cookie_again(url: &str) {
    let mut visitor = Visitor::new(url, PolicyBuilder::no_absolute_timeout).await;
    visitor.visit(async |session| session.insert("a", 1)).await;
    let session = visitor.open().await;
    session.cookie_mut(|cookie| cookie.max_age(Some(Duration::from_hours(1000))));
    let closing = visitor.manager.close(&session).await.unwrap();
    let field = closing.set_cookie.expect("it is a change of its own");
    assert!(field.contains("Max-Age=3600000"), "{field}");
    let session = visitor.open().await;
    assert!(session.cookie().contains("3600000000"), "and it is stored");
}

async fn y5_a_value_is_taken_once(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    let left = async |session: &cloakroom::Session| {
        session.insert("return_to", "/orders")?;
        session.flash("info", "Welcome.")?;
        session.flash("info", "You have mail.")?;
        session.flash("error", "No stamps left.")
    };
    visitor.visit(left).await;
    let session = visitor.open().await;
    // connect-flash's own shape.
    let flash = session.get_raw("flash").unwrap().unwrap();
    let flash: serde_json::Value = serde_json::from_str(&flash).unwrap();
    let expected = serde_json::json!({
        "info": ["Welcome.", "You have mail."], "error": ["No stamps left."],
    });
    assert_eq!(flash, expected);
    for round in [1, 2] {
        let (back, info) = visitor
            .visit(async |session| Ok((session.take("return_to")?, session.take_flash("info")?)))
            .await;
        let (path, messages) = if round == 1 {
            (
                Some("/orders".to_owned()),
                vec!["Welcome.", "You have mail."],
            )
        } else {
            (None, vec![])
        };
        assert_eq!(
            (back, info),
            (path, messages.iter().map(|&m| m.into()).collect())
        );
    }
    let all = visitor.visit(async |session| session.take_flashes()).await;
    assert_eq!(all, [("error".to_owned(), "No stamps left.".to_owned())]);
    let keys = visitor.visit(async |session| Ok(session.keys())).await;
    assert_eq!(keys, [""; 0], "nothing is left behind");
}

/// Flash messages that Node stored, with and without connect-flash, are read.
async fn y5_flash_messages_of_node_are_read(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    // The last is what express-validator and hackathon-starter leave.
    let raw = r#"{"info":["a",7,{"b":1},{"msg":"b"},{"msg":7},{"path":"email","msg":"No such address."}],"empty":[]}"#;
    visitor
        .visit(async |session| session.insert_raw("flash", raw))
        .await;
    let info = visitor
        .visit(async |session| session.take_flash("info"))
        .await;
    let expected = [
        "a",
        "7",
        r#"{"b":1}"#,
        "b",
        r#"{"msg":7}"#,
        "No such address.",
    ];
    assert_eq!(info, expected);
    visitor
        .visit(async |session| session.insert("flash", "lightning"))
        .await;
    let session = visitor.open().await;
    assert!(matches!(
        session.flash("info", "x"),
        Err(SessionError::Value(_))
    ));
    assert!(matches!(
        session.take_flashes(),
        Err(SessionError::Value(_))
    ));
    assert_eq!(
        session.get_raw("flash").unwrap().as_deref(),
        Some("\"lightning\"")
    );
}

#[derive(Debug)]
enum Refused {
    Credit,
    Session(SessionError),
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

async fn y6_an_update_may_refuse_remove_and_borrow(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    visitor
        .visit(async |session| session.insert("credit", 5))
        .await;
    let mut asked = Vec::new();
    let session = visitor.open().await;
    for (price, left) in [(3, Some(2)), (3, None), (2, Some(0))] {
        let price = &price;
        let pay = |credit: Option<u32>| {
            asked.push(credit);
            let left = credit.unwrap_or(0).checked_sub(*price);
            left.map(Some).ok_or(Refused::Credit)
        };
        let paid = session.try_update("credit", pay).await;
        match (paid, left) {
            (Err(Refused::Credit), None) => {}
            (Ok(paid), left) => assert_eq!(paid, left),
            (Err(refused), _) => panic!("{refused:?}"),
        }
    }
    assert_eq!(asked, [Some(5), Some(2), Some(2)]);
    let none = session.try_update("credit", |_| Ok::<_, Refused>(None::<u32>));
    assert_eq!(none.await.unwrap(), None);
    let session = visitor.open().await;
    assert_eq!(session.get_raw("credit").unwrap(), None, "stored at once");
    let reserved = session
        .try_update("id", |_| Ok::<_, Refused>(Some(1)))
        .await;
    let Err(Refused::Session(SessionError::ReservedKey(_))) = reserved else {
        panic!("{reserved:?}");
    };
}

/// A refusal depends on the stored value, not on the one that this request read earlier.
async fn y6_an_update_refuses_by_the_stored_value(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    visitor
        .visit(async |session| session.insert("credit", 0))
        .await;
    let late = visitor.open().await;
    late.get::<u32>("credit").unwrap();
    visitor
        .visit(async |session| session.insert("credit", 10))
        .await;
    let pay = |credit: Option<u32>| {
        let left = credit.unwrap_or(0).checked_sub(3);
        left.map(Some).ok_or(Refused::Credit)
    };
    let paid = late.try_update("credit", pay).await;
    assert!(matches!(paid, Ok(Some(7))), "{paid:?}");
}

/// Of concurrent requests on two servers, one gets the code.
async fn y6_one_of_many_concurrent_requests_takes_a_value(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    let other = Visitor::of(visitor.with(|policy| policy));
    visitor
        .visit(async |session| session.insert("code", "1234"))
        .await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(visitor.open().await);
        let id = sessions[0].id();
        sessions.push(other.manager.find_session(&id).await.unwrap().unwrap());
    }
    let taking = sessions.into_iter().map(|session| {
        tokio::spawn(async move {
            let mut taken = None;
            let take = |code: Option<String>| {
                taken = code;
                Ok::<_, SessionError>(None)
            };
            session.try_update("code", take).await.unwrap();
            taken.is_some()
        })
    });
    let mut winners = 0;
    for taking in taking.collect::<Vec<_>>() {
        winners += u32::from(taking.await.unwrap());
    }
    assert_eq!(winners, 1);
}

on_every_store!(
    y4_attributes_alone_send_the_cookie_again
    y5_a_value_is_taken_once
    y5_flash_messages_of_node_are_read
    y6_an_update_may_refuse_remove_and_borrow
    y6_an_update_refuses_by_the_stored_value
    y6_one_of_many_concurrent_requests_takes_a_value
);
