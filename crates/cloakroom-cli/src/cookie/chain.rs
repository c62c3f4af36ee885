//! The way of a cookie from the server to its session: puts the stages' decisions together.

use cloakroom::id::{IdGrammar, SessionId};

use super::accepted::accepted;
use super::back::{Later, sent_back};
use super::field::Field;
use super::request::Request;
use super::sent::{Background, Response, dangers, missing};
use super::situation::{Finding, Stage};
use super::situations::{accepted as accepted_table, back as back_table, sent as sent_table};
use super::stored::{Arrival, Kept, stored};
use crate::secret_args::Secrets;

/// The facts about a cookie's way.
pub(super) struct Facts {
    pub(super) name: String,
    /// The Set-Cookie fields, in their order.
    pub(super) fields: Vec<String>,
    /// Cookies that the browser had before, as Set-Cookie fields.
    pub(super) had: Vec<String>,
    /// The response; `None`: nothing is known of one.
    pub(super) response: Option<Response>,
    /// `true` if the client got no cookie, whatever the fields say.
    pub(super) none_arrived: bool,
    pub(super) background: Background,
    /// The request whose response set the cookie.
    pub(super) first: Option<Request>,
    /// The request that is to carry it.
    pub(super) later: Option<Request>,
    /// The Cookie field of that request; `None`: not known.
    pub(super) cookie: Option<String>,
    pub(super) arrival: Arrival,
    pub(super) age: std::time::Duration,
    /// `true` if a recording lacks all cookies.
    pub(super) is_sanitized: bool,
}

/// The verdict on a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// The facts do not say.
    NotChecked,
}

/// The findings of all stages.
#[derive(Default)]
pub(super) struct Chain {
    checked: Vec<(Stage, Vec<Finding>)>,
    /// The id that the server would look up.
    pub(super) id: Option<SessionId>,
}

impl Chain {
    /// Adds the findings of a stage that was checked.
    pub(super) fn add(&mut self, stage: Stage, findings: Vec<Finding>) {
        self.checked.push((stage, findings));
    }

    /// Returns the verdict on a stage, with its findings.
    pub(super) fn verdict(&self, stage: Stage) -> (Verdict, Vec<&Finding>) {
        let mut own = self
            .checked
            .iter()
            .filter(|(known, _)| *known == stage)
            .peekable();
        if own.peek().is_none() {
            return (Verdict::NotChecked, Vec::new());
        }
        let findings: Vec<&Finding> = own.flat_map(|(_, findings)| findings).collect();
        let failed = findings.iter().any(|finding| finding.is_fault());
        (
            if failed {
                Verdict::Failed
            } else {
                Verdict::Passed
            },
            findings,
        )
    }

    /// Returns the finding that the explanation begins with: the first fault, else the first warning.
    pub(super) fn cause(&self) -> Option<&Finding> {
        use super::situation::Weight;
        let all = || self.checked.iter().flat_map(|(_, findings)| findings);
        let first = |weight| all().find(move |finding| finding.situation.weight == weight);
        first(Weight::Fault).or_else(|| first(Weight::Warning))
    }

    /// Returns `true` if the cookie is lost somewhere.
    pub(super) fn fails(&self) -> bool {
        self.cause().is_some_and(Finding::is_fault)
    }

    /// Returns the last stage that was checked.
    pub(super) fn reached(&self) -> Option<Stage> {
        self.checked.iter().map(|(stage, _)| *stage).max()
    }
}

/// Decides on all stages but that of the store.
pub(super) fn explain(facts: &Facts, secrets: &Secrets, grammar: &IdGrammar) -> Chain {
    let mut chain = Chain::default();
    let fields: Vec<Field> = facts.fields.iter().map(|text| Field::parse(text)).collect();
    let own = fields.iter().filter(|field| field.name == facts.name);
    sent(facts, own.clone().count(), &mut chain);
    if let Some(field) = own.clone().next_back().filter(|_| !facts.none_arrived) {
        browser(facts, field, &mut chain);
    } else if let [nameless] = fields.as_slice()
        && nameless.name.is_empty()
        && !facts.none_arrived
    {
        browser(facts, nameless, &mut chain);
    }
    if let Some(header) = &facts.cookie {
        server(facts, header, secrets, grammar, &mut chain);
    }
    chain
}

fn sent(facts: &Facts, count: usize, chain: &mut Chain) {
    let nameless = facts.fields.len() == 1 && Field::parse(&facts.fields[0]).name.is_empty();
    if facts.response.is_none() && facts.fields.is_empty() && !facts.none_arrived {
        return;
    }
    let none = Response::default();
    let response = facts.response.as_ref().unwrap_or(&none);
    let mut found = Vec::new();
    if facts.is_sanitized {
        found.push(sent_table::RECORDING_WITHOUT.found());
    } else if (count > 0 || nameless) && !facts.none_arrived {
        found.extend(dangers(&facts.name, count, response));
    } else if let Some(request) = &facts.first {
        let background = Background {
            sent_by_application: facts.none_arrived && count > 0,
            ..facts.background
        };
        found.extend(missing(&facts.name, response, request, background));
    }
    chain.add(Stage::Sent, found);
}

/// The browser's half: stored, and sent back.
fn browser(facts: &Facts, field: &Field, chain: &mut Chain) {
    let Some(first) = &facts.first else {
        return;
    };
    let had: Vec<Field> = facts.had.iter().map(|text| Field::parse(text)).collect();
    let found = stored(field, &had, first, &facts.arrival);
    let refused = found.iter().any(Finding::is_fault);
    chain.add(Stage::Stored, found);
    if refused {
        return;
    }
    let kept = Kept::of(field, first, &facts.arrival);
    let later = Later {
        age: facts.age,
        blocks_third_parties: facts.arrival.blocks_third_parties,
    };
    let request = facts.later.as_ref().unwrap_or(first);
    chain.add(Stage::SentBack, sent_back(field, &kept, request, later));
}

/// The server's half: what the request really carries.
fn server(facts: &Facts, header: &str, secrets: &Secrets, grammar: &IdGrammar, chain: &mut Chain) {
    let (found, id) = accepted(header, &facts.name, secrets, grammar);
    let absent = [
        &accepted_table::NO_COOKIE,
        &accepted_table::OTHER_NAME,
        &accepted_table::OTHER_CASE,
        &accepted_table::OTHER_PREFIX,
    ];
    let is_absent = found.iter().any(|found| absent.contains(&found.situation));
    let (stored, _) = chain.verdict(Stage::Stored);
    match (stored, is_absent) {
        (Verdict::Passed, true) if !chain.fails() => {
            chain.add(Stage::SentBack, vec![back_table::NOT_IN_REQUEST.found()]);
            return;
        }
        // The browser's half has the cause already.
        (Verdict::Failed | Verdict::Passed, true) => return,
        (_, false) if chain.fails() && stored != Verdict::NotChecked => {
            chain.add(Stage::SentBack, vec![back_table::OLDER_COOKIE.found()]);
        }
        _ => {}
    }
    chain.add(Stage::Accepted, found);
    chain.id = id;
}

#[cfg(test)]
mod tests;
