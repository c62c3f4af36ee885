//! The sign-in page.

use maud::{Markup, html};

use super::frame::{Frame, token};
use crate::demo::accounts::SEEDS;
use crate::demo::visitor::Visitor;

/// The contents of the sign-in form.
#[derive(Clone, Default)]
pub(crate) struct SignIn<'a> {
    /// The page that it leads to.
    pub(crate) next: &'a str,
    /// `true` if a signed-in user has to sign in again.
    pub(crate) again: bool,
    /// The name that was typed.
    pub(crate) username: Option<&'a str>,
    /// Reason for which the last attempt was refused.
    pub(crate) alert: Option<String>,
}

/// `GET /login`.
pub(crate) fn sign_in(visitor: &Visitor, form: &SignIn<'_>) -> Markup {
    let frame = Frame {
        title: if form.alert.is_some() {
            "Not signed in"
        } else {
            "Sign in"
        },
        here: "/login",
        visitor: Some(visitor),
    };
    let again = visitor.user.as_ref().filter(|_| form.again);
    frame.around(&html! {
        div.narrow.two {
            div {
                h1 { @if again.is_some() { "Is it still you?" } @else { "Sign in" } }
                (note(visitor, form))
                @if let Some(alert) = &form.alert { p.alert #refused role="alert" { (alert) } }
                (fields(visitor, form, again.map(|user| user.id.as_str())))
            }
            (accounts())
        }
    })
}

fn note(visitor: &Visitor, form: &SignIn<'_>) -> Markup {
    let Some(user) = &visitor.user else {
        return html! {};
    };
    html! {
        p.note {
            @if form.again {
                "This needs your password once more: you are signed in as " strong { (user.id) }
                ", and that was a while ago."
            } @else {
                "You are signed in as " strong { (user.id) } ". Signing in as somebody else leaves "
                "the cart of this session behind."
            }
        }
    }
}

fn fields(visitor: &Visitor, form: &SignIn<'_>, known: Option<&str>) -> Markup {
    let username = form.username.or(known);
    let invalid = form.alert.as_ref().map(|_| "true");
    let described = form.alert.as_ref().map(|_| "refused");
    html! {
        form.fields method="post" action="/login" {
            (token(visitor))
            input type="hidden" name="next" value=(form.next);
            label for="username" { "Username" }
            input #username name="username" value=[username] autocomplete="username" autocapitalize="none" spellcheck="false" required aria-invalid=[invalid] aria-describedby=[described];
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
