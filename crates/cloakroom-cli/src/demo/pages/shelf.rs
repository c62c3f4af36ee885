//! The front page.

use maud::{Markup, PreEscaped, html};

use super::frame::{Frame, token};
use super::ticket::ticket;
use crate::demo::catalogue::{CATALOGUE, Product};
use crate::demo::visitor::{Group, Visitor};

/// `GET /`.
pub(crate) fn shelf(visitor: &Visitor) -> Markup {
    let frame = Frame {
        title: "The shelf",
        here: "/",
        visitor: Some(visitor),
    };
    frame.around(&html! {
        div.hero {
            div {
                p.eyebrow { "A small shop with a memory" }
                h1 { (headline(visitor.group)) }
                p.lead {
                    "What you put in the cart stays here, on the server. Your browser carries a "
                    "signed ticket number, and nothing else."
                }
                p.actions {
                    a.button href="#shelf" { "Look around" }
                    @if visitor.user.is_none() { a.button.quiet href="/login" { "Sign in" } }
                }
            }
            (ticket(visitor))
        }
        section aria-labelledby="shelf" {
            div.heading {
                h2 #shelf { "The shelf" }
                (experiment(visitor))
            }
            ul.shelf role="list" {
                @for product in ordered(visitor.group) { (card(product, visitor)) }
            }
        }
    })
}

fn headline(group: Option<Group>) -> &'static str {
    match group {
        None => "Hand over your coat. Keep the ticket.",
        Some(Group::A) => "Leave your coat with us.",
        Some(Group::B) => "Travel light. We keep the rest.",
    }
}

/// Group A sees the shelf as it stands, group B the cheapest first.
fn ordered(group: Option<Group>) -> Vec<&'static Product> {
    let mut products: Vec<&Product> = CATALOGUE.iter().collect();
    if group == Some(Group::B) {
        products.sort_by_key(|product| product.price);
    }
    products
}

fn experiment(visitor: &Visitor) -> Markup {
    let Some(group) = visitor.group else {
        return html! {
            div.note {
                "Visitors with a ticket are in one half of an experiment. "
                form method="post" action="/experiment" {
                    (token(visitor))
                    button.link type="submit" { "Draw my group" }
                }
            }
        };
    };
    html! {
        p.note {
            "You are in group " strong { (group.name()) } " of an experiment: it sets the "
            "headline and the order, and your session remembers it."
        }
    }
}

fn card(product: &Product, visitor: &Visitor) -> Markup {
    let quantity = visitor.cart.quantity(product.sku);
    html! {
        li.card id=(product.sku) {
            div.picture { (PreEscaped(product.picture)) }
            div.about {
                h3 { (product.name) }
                p.blurb { (product.blurb) }
                div.buy {
                    p.price { (product.price.to_string()) }
                    form method="post" action="/cart" {
                        (token(visitor))
                        input type="hidden" name="sku" value=(product.sku);
                        button.small type="submit" {
                            @if quantity > 0 { "Add another" } @else { "Add to cart" }
                            span.hidden { ": " (product.name) }
                        }
                    }
                }
            }
            @if quantity > 0 {
                a.kept href="/cart" { (quantity) span.hidden { " of " (product.name) } " in your cart" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, ordered};
    use crate::demo::visitor::Group;

    #[test]
    fn group_b_sees_the_cheapest_first() {
        let prices =
            |group| -> Vec<_> { ordered(group).iter().map(|product| product.price).collect() };
        assert!(prices(Some(Group::B)).is_sorted());
        let shelf: Vec<_> = CATALOGUE.iter().map(|product| product.price).collect();
        assert_eq!(prices(Some(Group::A)), shelf);
        assert_eq!(prices(None), shelf);
    }
}
