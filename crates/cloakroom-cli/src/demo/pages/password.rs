//! A new password.

use maud::{Markup, html};

use super::frame::{Frame, token};
use crate::demo::visitor::Visitor;

/// `GET /password`; `alert` says why the last one was not taken.
pub(crate) fn password(visitor: &Visitor, alert: Option<&str>) -> Markup {
    let frame = Frame {
        title: "Change the password",
        here: "/password",
        visitor: Some(visitor),
    };
    let invalid = alert.map(|_| "true");
    let described = alert.map_or("rule", |_| "refused rule");
    frame.around(&html! {
        div.narrow.column {
            h1 { "A new password" }
            @if let Some(alert) = alert { p.alert #refused role="alert" { (alert) } }
            form.fields method="post" action="/password" {
                (token(visitor))
                // For whatever keeps the visitor's passwords.
                @if let Some(user) = &visitor.user {
                    input type="text" name="username" value=(user.id) autocomplete="username" hidden;
                }
                label for="current" { "Current password" }
                input #current type="password" name="current" autocomplete="current-password" required aria-invalid=[invalid] aria-describedby=[alert.map(|_| "refused")];
                label for="password" { "New password" }
                input #password type="password" name="password" autocomplete="new-password" minlength="8" maxlength="128" required aria-invalid=[invalid] aria-describedby=(described);
                p.note #rule { "8 to 128 characters. The shop forgets it when it closes." }
                button.button type="submit" { "Change it" }
            }
            p.note {
                "Whoever is signed in with the old one, on whatever device, is signed out. This "
                "session stays, under another id."
            }
        }
    })
}
