//! The frame of all pages: head, navigation, foot.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::demo::assets::{ICON, LIVE, STYLES, TIMES};
use crate::demo::visitor::Visitor;

const LOGO: PreEscaped<&str> = PreEscaped(include_str!("../assets/logo.svg"));

/// A page of the shop.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// The address of the page, to mark the link that leads to it.
    pub(super) here: &'a str,
    /// `None` on pages that ask for no session.
    pub(super) visitor: Option<&'a Visitor>,
}

impl Frame<'_> {
    /// The whole document around the page's own part.
    pub(super) fn around(&self, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Cloakroom" }
                    link rel="icon" type="image/svg+xml" href=(ICON.path);
                    link rel="stylesheet" href=(STYLES.path);
                }
                body data-state=[self.state()] {
                    a.skip href="#main" { "Skip to content" }
                    (self.header())
                    main #main tabindex="-1" { (main) }
                    (footer())
                    @if self.visitor.is_some() { (live()) }
                }
            }
        }
    }

    /// Returns the session's data as the page shows it, for a script that learns of changes; `None` without
    /// a session.
    fn state(&self) -> Option<String> {
        let visitor = self.visitor?;
        visitor.idle.map(|_| visitor.state().to_string())
    }

    fn header(&self) -> Markup {
        let count = self.visitor.map_or(0, |visitor| visitor.cart.count());
        html! {
            header.top {
                a.brand href="/" { (LOGO) span { "Cloakroom" } }
                nav aria-label="Main" {
                    a.how href="/how" aria-current=[self.mark("/how")] { "How it works" }
                    a href="/cart" aria-current=[self.mark("/cart")] {
                        "Cart"
                        @if count > 0 { " " span.count { (count) } }
                    }
                    (self.account())
                }
            }
        }
    }

    fn account(&self) -> Markup {
        let Some(visitor) = self.visitor else {
            return html! {};
        };
        let Some(user) = &visitor.user else {
            return html! {
                a href="/login" aria-current=[self.mark("/login")] { "Sign in" }
            };
        };
        html! {
            a href="/profile" aria-current=[self.mark("/profile")] {
                span.hidden { "Signed in as " } (user.id)
            }
        }
    }

    fn mark(&self, page: &str) -> Option<&'static str> {
        (self.here == page).then_some("page")
    }
}

/// Keeps a page true whose session may change or end elsewhere.
fn live() -> Markup {
    html! {
        template #ended {
            (over("You are signed out", "Your session was ended, here or on another device, and what was in the cart went with it."))
        }
        template #expired {
            (over("Your time was up", "Your session was not used for a while and has ended, with what was in the cart."))
        }
        script type="module" src=(LIVE.path) {}
        script type="module" src=(TIMES.path) {}
    }
}

fn over(title: &str, sentence: &str) -> Markup {
    html! {
        div.failure role="alert" {
            div.ticket.blank aria-hidden="true" {
                div.stub { span.mark { "Ticket" } span.number { "handed back" } }
            }
            h1 { (title) }
            p.lead { (sentence) }
            p.actions {
                a.button href="/login" { "Sign in" }
                a.button.quiet href="/" { "Back to the shop" }
            }
        }
    }
}

/// Returns the form's hidden CSRF token, without which no other site can submit it in the visitor's name.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! {
        @if let Some(token) = &visitor.token { input type="hidden" name="_csrf" value=(token); }
    }
}

fn footer() -> Markup {
    html! {
        footer.foot {
            p { "A demo of " strong { "cloakroom" } ": server-side sessions for Rust web services. Nothing here is for sale." }
            p { a href="/how" { "What your browser holds" } }
        }
    }
}
