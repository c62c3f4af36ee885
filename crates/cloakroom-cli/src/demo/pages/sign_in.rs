//! The sign-in page.

use maud::{Markup, html};

use super::frame::Frame;
use crate::demo::accounts::SEEDS;
use crate::demo::visitor::Visitor;

/// `GET /login`; `refused` is the name that was typed with a wrong password.
pub(crate) fn sign_in(visitor: &Visitor, next: &str, refused: Option<&str>) -> Markup {
    let frame = Frame {
        title: if refused.is_some() {
            "Wrong name or password"
        } else {
            "Sign in"
        },
        here: "/login",
        visitor: Some(visitor),
    };
    frame.around(&html! {
        div.narrow.two {
            div {
                h1 { "Sign in" }
                @if let Some(user) = &visitor.user {
                    p.note {
                        "You are signed in as " strong { (user.id) } ". Signing in as somebody "
                        "else begins a new session, without the cart of this one."
                    }
                }
                @if refused.is_some() {
                    p.alert #refused role="alert" { "That name and password do not belong together. Try again." }
                }
                (form(next, refused))
            }
            (accounts())
        }
    })
}

fn form(next: &str, refused: Option<&str>) -> Markup {
    let invalid = refused.map(|_| "true");
    let described = refused.map(|_| "refused");
    html! {
        form.fields method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label for="username" { "Username" }
            input #username name="username" value=[refused] autocomplete="username" autocapitalize="none" spellcheck="false" required aria-invalid=[invalid] aria-describedby=[described];
            label for="password" { "Password" }
            input #password type="password" name="password" autocomplete="current-password" required aria-invalid=[invalid] aria-describedby=[described];
            button.button type="submit" { "Sign in" }
        }
    }
}

fn accounts() -> Markup {
    html! {
        aside.aside aria-labelledby="accounts" {
            h2 #accounts { "Accounts to try" }
            dl.accounts {
                @for seed in &SEEDS {
                    div {
                        dt { (seed.name) }
                        dd { code { (seed.password) } span.roles { (seed.roles.join(", ")) } }
                    }
                }
            }
            p.note {
                "Signing in gives your session another id and ends the old one, so that a ticket "
                "somebody slipped you opens nothing. The cart stays."
            }
        }
    }
}
