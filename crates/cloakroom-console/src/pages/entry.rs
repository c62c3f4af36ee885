//! The way in: the token from the terminal.

use maud::{Markup, html};

use super::frame::bare;

/// Returns the form for the token; `is_wrong` after one that was not accepted.
pub(crate) fn entry(base: &str, is_wrong: bool) -> Markup {
    let main = html! {
        h1 { "cloakroom console" }
        p.lead { "Open the link that the command printed, or paste its token. A token works once; the next one is printed then." }
        @if is_wrong { p.alert role="alert" { "This token is not valid, or was used before. The terminal has the one that is." } }
        form.enter.stack method="post" action=(format!("{base}/enter")) {
            label for="token" { "Token" }
            input #token name="token" type="password" autocomplete="off" spellcheck="false" required;
            button.primary type="submit" { "Enter" }
        }
    };
    bare(base, "Enter", true, &main)
}
