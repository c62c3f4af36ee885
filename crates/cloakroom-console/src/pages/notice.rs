//! A refusal or a failure, and the next step.

use maud::{Markup, html};

use super::View;
use super::frame::{Frame, bare};

/// Returns the page; without a view, of nobody.
pub(crate) fn notice(base: &str, view: Option<&View<'_>>, title: &str, sentence: &str) -> Markup {
    let main = html! {
        h1 { (title) }
        p.lead { (sentence) }
        @if let Some(view) = view { p { a.button href=(view.to("/")) { "To the overview" } } }
    };
    match view {
        Some(view) => Frame::new(title, "").around(view, &main),
        None => bare(base, title, false, &main),
    }
}
