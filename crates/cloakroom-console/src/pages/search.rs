//! The results of a search that is no user's name by itself.

use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::words::{age, number, sessions};
use crate::inventory::{Counted, Stock};

/// The users whose name contains the text.
pub(crate) struct Results<'a> {
    pub(crate) text: &'a str,
    pub(crate) users: Vec<(String, usize)>,
    pub(crate) stock: Option<&'a Counted<Stock>>,
}

pub(crate) fn search(view: &View<'_>, results: &Results<'_>) -> Markup {
    let main = html! {
        h1 { "No user or handle “" (results.text) "”" }
        p.note { "The store was asked just now for a user of exactly this name, and has no session of one." }
        @match results.stock {
            Some(stock) => {
                h2 { "Users with this in their name" }
                @if results.users.is_empty() { p.empty { "None." } } @else {
                    table.rows {
                        thead { tr { th scope="col" { "User" } th.num scope="col" { "Sessions" } } }
                        tbody { @for (user, count) in &results.users {
                            tr { td { a href=(view.with("/user", &[("name", user.clone())])) { (user) } } td.num { (number(*count as u64)) } }
                        } }
                    }
                }
                p.note { "By the inventory of " (age(stock.at, view.now)) ", of " (sessions(stock.value.tally.live)) "." }
            }
            None => { p.note { "The first inventory is under way: names that contain this text are found once it is complete." } }
        }
    };
    Frame {
        searched: results.text,
        ..Frame::new("Search", "")
    }
    .around(view, &main)
}
