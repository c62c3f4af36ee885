//! A user's page: the devices, and the end of all of them.

use cloakroom::manager::FoundSession;
use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::list::table;
use super::words::{age, sessions};
use crate::operator::Right;

pub(crate) fn user(view: &View<'_>, name: &str, found: &[FoundSession]) -> Markup {
    let has_own = found.iter().any(|session| view.operator.owns(&session.id));
    let main = html! {
        h1 { (name) }
        div.bar {
            p { (sessions(found.len() as u64)) ", read just now by the store's index"
                @if let Some(stock) = view.console.inventory.stock() { ", and what the inventory of " (age(stock.at, view.now)) " knows besides" } "." }
        }
        @if found.is_empty() {
            p.empty { "No live session of this user." }
        } @else {
            (table(view, found))
            @if view.may(Right::End) { (end_all(view, name, found.len() as u64, has_own)) }
        }
    };
    Frame {
        refreshes: true,
        searched: name,
        ..Frame::new(name, "")
    }
    .around(view, &main)
}

fn end_all(view: &View<'_>, name: &str, count: u64, has_own: bool) -> Markup {
    html! {
        section.act {
            h2 { "End all sessions of this user" }
            form.stack method="post" action=(view.to("/user/end")) {
                (view.token())
                input type="hidden" name="user" value=(name);
                label for="reason" { "Reason, for the audit" }
                input #reason name="reason" autocomplete="off" maxlength="500";
                @if has_own { label.check { input type="checkbox" name="own" value="1"; " My own session as well: I will be signed out" } }
                button.danger type="submit" { "End " (sessions(count)) }
            }
        }
    }
}
