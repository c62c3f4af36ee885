//! The frame of all pages: head, navigation, search, the state of the connection.

use maud::{DOCTYPE, Markup, html};

use super::View;
use crate::assets::{ENTER, ICON, LIVE, STYLES};
use crate::operator::Right;

/// A page of an operator.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// The path of the page, to mark the link that leads to it.
    pub(super) here: &'a str,
    /// `true` where the page is shown again when an operator has acted.
    pub(super) refreshes: bool,
    /// The text that was searched for.
    pub(super) searched: &'a str,
}

impl<'a> Frame<'a> {
    pub(super) fn new(title: &'a str, here: &'a str) -> Self {
        Self {
            title,
            here,
            refreshes: false,
            searched: "",
        }
    }

    /// Returns the whole document around the page's own part.
    pub(super) fn around(&self, view: &View<'_>, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&view.console.base, self.title))
                body data-live=(view.to("/live")) data-revision=[self.refreshes.then(|| view.console.revision())] {
                    a.skip href="#main" { "Skip to content" }
                    (self.header(view))
                    main #main tabindex="-1" { (main) }
                    script type="module" src=(view.to(&LIVE.path)) {}
                }
            }
        }
    }

    fn header(&self, view: &View<'_>) -> Markup {
        let links = [
            ("/", "Overview"),
            ("/sessions", "Sessions"),
            ("/ended", "Ended by operators"),
        ];
        html! {
            header.top {
                a.brand href=(view.to("/")) { img src=(view.to(&ICON.path)) alt="" width="22" height="22"; "cloakroom" }
                nav aria-label="Main" {
                    @for (path, name) in links {
                        a href=(view.to(path)) aria-current=[(self.here == path).then_some("page")] { (name) }
                    }
                }
                form.search role="search" method="get" action=(view.to("/search")) {
                    label.hidden for="q" { "User or handle" }
                    input #q type="search" name="q" value=(self.searched) placeholder="User or handle" autocomplete="off" spellcheck="false" required;
                    button type="submit" { "Search" }
                }
                div.who {
                    span #live role="status" data-state="still" { "As of this page" }
                    span.operator { (view.operator.name) span.rights { (rights(view)) } }
                    @if view.console.entry.is_some() {
                        form method="post" action=(view.to("/leave")) { (view.token()) button.plain type="submit" { "Sign out" } }
                    }
                }
            }
        }
    }
}

fn rights(view: &View<'_>) -> &'static str {
    match (view.may(Right::End), view.may(Right::Reveal)) {
        (true, true) => "may end and reveal",
        (true, false) => "may end",
        (false, true) => "may reveal",
        (false, false) => "may look",
    }
}

fn head(base: &str, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · cloakroom console" }
            link rel="icon" type="image/svg+xml" href=(format!("{base}{}", ICON.path));
            link rel="stylesheet" href=(format!("{base}{}", STYLES.path));
        }
    }
}

/// Returns a page of nobody: the way in, and refusals.
pub(super) fn bare(base: &str, title: &str, enters: bool, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(base, title))
            body.bare {
                main #main { (main) }
                @if enters { script type="module" src=(format!("{base}{}", ENTER.path)) {} }
            }
        }
    }
}
