//! The visitor's ticket: the shop's data of them, without the id.

use maud::{Markup, html};

use super::things;
use crate::demo::visitor::Visitor;
use crate::demo::words::in_words;

/// The ticket, or a blank one for a visitor who has left nothing.
pub(super) fn ticket(visitor: &Visitor) -> Markup {
    match visitor.idle {
        None => blank(),
        Some(idle) => {
            let user = visitor.user.as_ref();
            let user = user.map_or("nobody yet", |user| user.id.as_str());
            stub(
                &html! { span.number { "No. " span aria-hidden="true" { "••••••" } span.hidden { "kept from this page" } } },
                &html! {
                    dl {
                        div { dt { "Signed in" } dd { (user) } }
                        div { dt { "Cart" } dd { (things(visitor.cart.count())) } }
                        div { dt { "Group" } dd { (visitor.group.map_or("not drawn", |group| group.name())) } }
                        div { dt { "Kept for" } dd { (in_words(idle)) } }
                    }
                    p { a href="/how" { "See both halves of it" } }
                },
            )
        }
    }
}

fn blank() -> Markup {
    html! {
        section.ticket.blank aria-label="Your ticket" {
            div.stub { span.mark { "Your ticket" } span.number { "not drawn" } }
            div.rest {
                p { "You have left nothing with us, so nothing is stored and no cookie was set." }
                p { "Put something in the cart, or sign in, and you get a ticket." }
            }
        }
    }
}

fn stub(number: &Markup, rest: &Markup) -> Markup {
    html! {
        section.ticket aria-label="Your ticket" {
            div.stub { span.mark { "Your ticket" } (number) }
            div.rest { (rest) }
        }
    }
}
