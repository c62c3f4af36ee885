//! Lists the acts of operators: that list stays when the sessions are gone.

use std::time::SystemTime;

use cloakroom::manager::OperatorAct;
use maud::{Markup, html};

use super::View;
use super::frame::Frame;
use super::words::{ago, number, sessions};

/// Returns the list; `done` says that the first one has just been carried out.
pub(crate) fn acts(view: &View<'_>, acts: &[OperatorAct], done: bool) -> Markup {
    let survives = view.console.acts.survives();
    let main = html! {
        h1 { "Ended by operators" }
        @if let Some(act) = acts.first().filter(|act| done && act.actor == view.operator.name) {
            p.done role="status" { strong { (sessions(act.count)) " ended." } " The store was asked once more, and has "
                @if act.count == 1 { "it" } @else { "them" } " no longer." }
        }
        @if acts.is_empty() { p.empty { "Nothing yet." } } @else {
            table.rows.acts {
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "Operator" }
                    th scope="col" { "Act" }
                    th.wide scope="col" { "Meant" }
                    th.num scope="col" { "Sessions" }
                    th.wide scope="col" { "Reason" }
                } }
                tbody { @for act in acts { (row(view, act)) } }
            }
        }
        p.note {
            @if survives { "Kept in the audit file, which the command may write as well; the latest 500 are shown." }
            @else { "Kept until this process ends: give it an audit file to keep them." }
        }
    };
    Frame {
        refreshes: true,
        ..Frame::new("Ended by operators", "/ended")
    }
    .around(view, &main)
}

fn row(view: &View<'_>, act: &OperatorAct) -> Markup {
    let at: Option<SystemTime> = humantime::parse_rfc3339(&act.datetime).ok();
    html! {
        tr {
            td { (ago(at, view.now)) }
            td { (act.actor) }
            td { (words(act.name())) }
            td.wide.meant { (meant(act)) }
            td.num { @if act.name() == "sensitive_read" { "–" } @else { (number(act.count)) } }
            td.wide { (act.reason.as_deref().unwrap_or("–")) }
        }
    }
}

fn words(name: &str) -> String {
    match name {
        "sensitive_read" => "revealed a value".to_owned(),
        name => name.replace('_', " "),
    }
}

fn meant(act: &OperatorAct) -> Markup {
    html! {
        @if !act.filter.is_empty() && act.filter != "no filter" { code { (act.filter) } " " }
        @for handle in act.handles.iter().take(3) { code { (handle) } " " }
        @if act.handles.len() > 3 { "and " (act.handles.len() - 3) " more" }
    }
}
