//! What the pages show, and what they never do.

use std::time::Duration;

use axum::http::StatusCode;
use cloakroom_console::Rights;

use crate::{Desk, express, own};

#[tokio::test]
async fn a_listing_has_the_sessions_of_express_and_of_rust() {
    for desk in Desk::each("console_listing", Rights::look()).await {
        let said = desk.get("/sessions").await;
        for text in [
            "ada",
            "bob",
            "nobody",
            "unreadable",
            "Firefox on Linux",
            "a-device",
            "1–5",
            "all of them",
        ] {
            assert!(said.has(text), "{text}: {}", said.text);
        }
        assert!(!said.has("hunter2"));
        for (conditions, count) in [
            ("user=ada", 2),
            ("older=1h", 1),
            ("older=3h", 0),
            ("agent=firefox", 1),
            ("where=role%3Dadmin", 1),
            ("where=role%3Dadmin&where=userId%3Dbob", 0),
            ("anonymous=1", 1),
            ("unreadable=1", 1),
            ("expires-before=2h", 5),
        ] {
            let said = desk.get(&format!("/sessions?{conditions}")).await;
            let rows = said.text.matches("<tr><td class=\"user\"").count();
            assert_eq!(rows, count, "{conditions}: {}", said.text);
        }
    }
}

#[tokio::test]
async fn a_condition_that_cannot_be_read_is_named_and_kept() {
    let desk = Desk::memory(Rights::look()).await;
    let said = desk.get("/sessions?older=soon&agent=%22%3E%3Cb%3E").await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    assert!(
        said.has("“older”") && said.has("value=\"soon\"") && !said.has("<b>"),
        "{}",
        said.text
    );
}

#[tokio::test]
async fn a_listing_goes_on_where_it_was_and_its_address_holds_no_cursor_of_the_store() {
    for desk in Desk::each("console_pages", Rights::look()).await {
        for number in 0..230 {
            desk.put(
                &format!("secret-id-{number:03}"),
                &express(&format!(r#","userId":"user{number:03}""#)),
            )
            .await;
        }
        let (mut path, mut seen, mut pages) =
            ("/sessions".to_owned(), std::collections::HashSet::new(), 0);
        loop {
            let said = desk.get(&path).await;
            assert!(!said.has("secret-id"), "an id is shown");
            let rows: Vec<&str> = said
                .text
                .split("/user?name=")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap())
                .collect();
            assert!(rows.len() <= 100, "{}", rows.len());
            seen.extend(rows.into_iter().map(str::to_owned));
            pages += 1;
            assert!(pages < 20, "it begins again and again");
            if !said.has("rel=\"next\"") {
                break;
            }
            path = said.after(r#"rel="next" href=""#);
        }
        // All users, those of `fill` as well.
        assert_eq!(seen.len(), 232, "{pages} pages");
        assert!(pages >= 3);
        assert_eq!(
            desk.get("/sessions?rest=nothing").await.status,
            StatusCode::GONE
        );
    }
}

#[tokio::test]
async fn a_search_finds_a_user_a_handle_and_parts_of_names() {
    for desk in Desk::each("console_search", Rights::look()).await {
        let said = desk.get("/search?q=+ada+").await;
        assert_eq!(
            (said.status, said.field("location")),
            (StatusCode::SEE_OTHER, "/user?name=ada")
        );
        let page = desk.get("/user?name=ada").await;
        assert!(
            page.has("2 sessions") && page.has("Firefox on Linux") && !page.has("bob"),
            "{}",
            page.text
        );
        // The first request begins the inventory.
        inventory(&desk).await;
        let said = desk.get("/search?q=a-device").await;
        assert_eq!(said.field("location"), "/session?handle=a-device");
        let said = desk.get("/search?q=AD").await;
        assert!(
            said.status == StatusCode::OK && said.has("/user?name=ada"),
            "{}",
            said.text
        );
        assert!(
            desk.get("/search?q=%3Cscript%3E")
                .await
                .has("&lt;script&gt;")
        );
    }
}

/// Waits until the overview has the figures of an inventory.
pub(crate) async fn inventory(desk: &Desk) -> crate::Said {
    for _ in 0..600 {
        let said = desk.get("/").await;
        if said.has("Counted one by one") {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no inventory is made");
}

#[tokio::test]
async fn the_overview_counts_what_could_be_opened_now_and_says_how_it_knows() {
    for desk in Desk::each("console_overview", Rights::look()).await {
        // Its absolute time-out has passed, its expiry has not.
        let over =
            own(r#","userId":"eve""#, "x").replace("\"deadline\":", "\"deadline\":1,\"was\":");
        desk.put("over", &over).await;
        let said = inventory(&desk).await;
        for text in [
            "Signed in</dt><dd class=\"value\">3<",
            "Users</dt><dd class=\"value\">2<",
            "Anonymous</dt><dd class=\"value\">1<",
            "Unreadable</dt><dd class=\"value\">1<",
            "data-kind=\"exact\"",
            "data-kind=\"sampled\"",
            "data-kind=\"unknown\"",
            "4 sessions do not say when they began",
            "<th scope=\"row\">1–4 h</th><td class=\"num\">1</td>",
        ] {
            assert!(said.has(text), "{text}: {}", said.text);
        }
        assert!(!desk.get("/search?q=eve").await.has("/user?name=eve"));
    }
}

#[tokio::test]
async fn values_are_masked_until_they_are_revealed_and_secrets_always() {
    for desk in Desk::each("console_reveal", Rights::all()).await {
        let handle = desk.handle("where=role%3Dadmin").await;
        let page = desk
            .get(&format!("/session?handle={handle}&user=ada"))
            .await;
        assert!(
            page.has("object of 2 members") && page.has("stays masked"),
            "{}",
            page.text
        );
        for value in ["hunter2", "4111", "beret"] {
            assert!(!page.has(value), "{value}");
        }
        let named = format!("handle={handle}&user=ada");
        let said = desk
            .post("/session/reveal", &format!("{named}&key=cart"))
            .await;
        assert_eq!(said.status, StatusCode::OK);
        assert!(
            said.has("beret") && !said.has("4111") && !said.has("hunter2"),
            "{}",
            said.text
        );
        for key in ["password", "cookie", "_ck", "nothing"] {
            let said = desk
                .post("/session/reveal", &format!("{named}&key={key}"))
                .await;
            assert_eq!(said.status, StatusCode::FORBIDDEN, "{key}");
            assert!(!said.has("hunter2"));
        }
        let audit = desk.audit();
        assert_eq!(audit.len(), 1, "{audit:?}");
        assert_eq!(audit[0]["event"], format!("sensitive_read:grace,{handle}"));
        assert_eq!(audit[0]["filter"], "key cart");
        assert!(!audit[0].to_string().contains("beret"));
    }
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said_to_be_gone() {
    let desk = Desk::memory(Rights::look()).await;
    for path in [
        "/session?handle=nothing",
        "/session",
        "/user",
        "/user?name=",
    ] {
        assert_eq!(desk.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(
        desk.get("/user?name=eve")
            .await
            .has("No live session of this user")
    );
}
