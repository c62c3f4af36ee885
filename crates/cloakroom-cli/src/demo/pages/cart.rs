//! The cart.

use maud::{Markup, PreEscaped, html};

use super::frame::{Frame, token};
use crate::demo::cart::MOST;
use crate::demo::catalogue::Product;
use crate::demo::visitor::Visitor;

/// `GET /cart`.
pub(crate) fn cart(visitor: &Visitor) -> Markup {
    let frame = Frame {
        title: "Cart",
        here: "/cart",
        visitor: Some(visitor),
    };
    let main = match visitor.cart.count() {
        0 => empty(),
        _ => full(visitor),
    };
    frame.around(&html! { div.narrow { h1 { "Your cart" } (main) } })
}

fn empty() -> Markup {
    html! {
        p.lead { "There is nothing in it yet." }
        p.actions { a.button href="/#shelf" { "Look around" } }
    }
}

fn full(visitor: &Visitor) -> Markup {
    html! {
        ul.lines role="list" {
            @for (product, quantity) in visitor.cart.lines() { (line(visitor, product, quantity)) }
        }
        p.total { span { "Together" } strong { (visitor.cart.total().to_string()) } }
        p.note {
            "It is kept on the server, under the key " code { "cart" } " of your session. "
            @if visitor.user.is_none() {
                a href="/login?next=/cart" { "Sign in" } " and it stays, while the number on your ticket changes."
            } @else {
                "There is no till: nothing here is for sale."
            }
        }
        p.actions { a.button.quiet href="/#shelf" { "Look around" } }
    }
}

fn line(visitor: &Visitor, product: &Product, quantity: u32) -> Markup {
    let action = format!("/cart/{}", product.sku);
    let field = format!("qty-{}", product.sku);
    html! {
        li {
            div.picture { (PreEscaped(product.picture)) }
            div.about {
                h2 { (product.name) }
                p.price { (product.price.to_string()) }
            }
            form.quantity method="post" action=(action) {
                (token(visitor))
                label.hidden for=(field) { "Quantity of " (product.name) }
                input id=(field) type="number" name="qty" value=(quantity) min="0" max=(MOST) inputmode="numeric" required;
                button.small type="submit" { "Update" span.hidden { " the quantity of " (product.name) } }
            }
            form.remove method="post" action=(action) {
                (token(visitor))
                input type="hidden" name="qty" value="0";
                button.link type="submit" { "Remove" span.hidden { " " (product.name) } }
            }
            p.sum { (product.price.times(quantity).to_string()) }
        }
    }
}
