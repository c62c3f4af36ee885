//! The overview: how many are signed in, what comes and goes, how old and how large sessions are.

use std::time::SystemTime;

use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::words::{age, bytes, length, number, sessions, short};
use crate::chart;
use crate::inventory::{Counted, Stock};
use crate::minutes::MINUTES;

/// The figures of the page.
pub(crate) struct Figures<'a> {
    pub(crate) live: Option<Counted<u64>>,
    pub(crate) stock: Option<&'a Counted<Stock>>,
    /// Sessions that the first inventory has seen so far.
    pub(crate) seen: u64,
    pub(crate) is_failing: bool,
    /// Logins and endings of the application's own process.
    pub(crate) events: Option<([u64; MINUTES], [u64; MINUTES])>,
    /// Sessions that operators ended, by the minute.
    pub(crate) by_operators: [u64; MINUTES],
}

/// A figure: its name, its value, and how it is known.
struct Tile {
    name: &'static str,
    figure: &'static str,
    value: String,
    known: (&'static str, String),
}

pub(crate) fn overview(view: &View<'_>, figures: &Figures<'_>) -> Markup {
    let main = html! {
        h1 { "Overview" }
        @if figures.is_failing {
            p.alert role="alert" { "The store cannot be read at the moment: the figures are those of the last time that it could." }
        }
        dl.tiles { @for tile in tiles(view, figures) {
            div {
                dt { (tile.name) }
                dd.value data-figure=[(!tile.figure.is_empty()).then_some(tile.figure)] { (tile.value) }
                dd.known { span.tag data-kind=(tile.known.0) { (tile.known.0) } " " (tile.known.1) }
            }
        } }
        div.columns {
            section { h2 { "Logins per minute" } (logins(view.now, figures)) }
            section { h2 { "Endings per minute" } (endings(view.now, figures)) }
        }
        @if let Some(stock) = figures.stock { (histograms(view, stock)) } @else { (under_way(figures)) }
    };
    Frame {
        refreshes: true,
        ..Frame::new("Overview", "/")
    }
    .around(view, &main)
}

fn tiles(view: &View<'_>, figures: &Figures<'_>) -> Vec<Tile> {
    let (live, known) = match &figures.live {
        Some(live) => (
            number(live.value),
            ("exact", format!("by the store, {}", age(live.at, view.now))),
        ),
        None => (
            "–".to_owned(),
            ("unknown", "the store counts them now".to_owned()),
        ),
    };
    let mut tiles = vec![Tile {
        name: "Sessions now",
        figure: "live",
        value: live,
        known,
    }];
    let Some(stock) = figures.stock else {
        return tiles;
    };
    let tally = &stock.value.tally;
    let seen = format!("inventory, {}", age(stock.at, view.now));
    let tile = |name, value: u64| Tile {
        name,
        figure: "",
        value: number(value),
        known: ("exact", seen.clone()),
    };
    tiles.push(tile("Signed in", tally.signed_in));
    tiles.push(Tile {
        known: if tally.is_complete {
            ("exact", seen.clone())
        } else {
            ("sampled", "of the first million sessions".to_owned())
        },
        ..tile("Users", tally.users() as u64)
    });
    tiles.push(tile(
        "Anonymous",
        tally
            .live
            .saturating_sub(tally.signed_in + tally.unreadable),
    ));
    if tally.unreadable > 0 {
        tiles.push(tile("Unreadable", tally.unreadable));
    }
    let mean = tally.bytes.checked_div(tally.live).unwrap_or(0);
    tiles.push(Tile {
        value: bytes(tally.bytes),
        known: ("exact", format!("{} each", bytes(mean))),
        ..tile("Records", 0)
    });
    tiles
}

fn logins(now: SystemTime, figures: &Figures<'_>) -> Markup {
    match (&figures.events, figures.stock) {
        (Some((logins, _)), _) => html! {
            (chart::by_minute("Logins", logins, now))
            p.note { span.tag data-kind="exact" { "exact" } " Logins of this process; other servers' are not among them." }
        },
        (None, Some(stock)) => html! {
            (chart::by_minute("Logins", &stock.value.tally.logins.at(now), now))
            p.note {
                span.tag data-kind="sampled" { "sampled" }
                " At least so many: by the records of " (age(stock.at, now)) ". Sessions that have ended since are not among them"
                @if stock.value.tally.of_unknown_login > 0 {
                    ", nor " (number(stock.value.tally.of_unknown_login)) " whose record does not say when their user signed in, as Express's do not"
                }
                "."
            }
        },
        (None, None) => unknown("Known once the first inventory is complete."),
    }
}

fn endings(now: SystemTime, figures: &Figures<'_>) -> Markup {
    if let Some((_, ends)) = &figures.events {
        return html! {
            (chart::by_minute("Endings", ends, now))
            p.note { span.tag data-kind="exact" { "exact" } " Endings by this process; a session that expires is none, and other servers' are not among them." }
        };
    }
    let gone = figures.stock.and_then(|stock| stock.value.gone);
    html! {
        (chart::by_minute("Sessions ended by operators", &figures.by_operators, now))
        p.note {
            span.tag data-kind="exact" { "exact" } " Ended by operators. "
            span.tag data-kind="unknown" { "unknown" } " Logouts and expiries: a store does not tell when they happen. "
            @if let Some(gone) = gone {
                (sessions(gone.sessions)) " were gone between the last two inventories, which were " (length(gone.within)) " apart."
            }
        }
    }
}

fn histograms(view: &View<'_>, stock: &Counted<Stock>) -> Markup {
    let tally = &stock.value.tally;
    html! {
        div.columns {
            section {
                h2 { "Age" }
                (chart::histogram("Sessions by the time since they began", "Age", &tally.ages.bars()))
                @if tally.of_unknown_age > 0 {
                    p.note { span.tag data-kind="unknown" { "unknown" } " " (sessions(tally.of_unknown_age)) " do not say when they began, as Express's do not." }
                }
            }
            section {
                h2 { "Size" }
                (chart::histogram("Sessions by the size of their record", "Size", &tally.sizes.bars()))
            }
        }
        p.note { "Counted one by one " (age(stock.at, view.now)) ", which took " (short(stock.took)) "." }
    }
}

fn under_way(figures: &Figures<'_>) -> Markup {
    html! {
        section {
            h2 { "Age and size" }
            p.note { "The first inventory is under way: " span data-figure="seen" { (number(figures.seen)) } " sessions so far." }
        }
    }
}

fn unknown(why: &str) -> Markup {
    html! { p.note { span.tag data-kind="unknown" { "unknown" } " " (why) } }
}
