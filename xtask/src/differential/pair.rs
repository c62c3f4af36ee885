//! Two sides under one configuration, and a sequence of requests played against both.

use std::collections::HashSet;

use super::compare::{self, Aspect, Difference};
use super::config::Config;
use super::deviation::{self, Case};
use super::lab::Lab;
use super::sequence::{CookieChoice, Request};
use super::set_cookie::SetCookie;
use super::side::{Answer, Side};

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) config: &'static Config,
    left: Side,
    right: Side,
    /// For each lab of the right side `true` if it is ours, and may deviate.
    ours: Vec<bool>,
    /// Index of the lab that gets the first request of a sequence.
    pub(super) first: usize,
    /// The sessions whose ids our lab has closed in this sequence.
    closed: HashSet<String>,
    /// `true` once our lab has given a cookie a life in this sequence.
    shortened: bool,
}

/// The labs of a side and the store that they share.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) labs: Vec<Command>,
    pub(crate) store: String,
    pub(crate) prefix: String,
}

/// The command that starts a lab.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) line: String,
    /// `true` for a lab of this library.
    pub(crate) is_ours: bool,
}

impl Plan {
    fn start(&self, config: &Config) -> Result<Side, String> {
        let mut flags = config.command_line();
        flags.extend(["--store", &self.store, "--prefix", &self.prefix]);
        let labs = self.labs.iter();
        let labs: Result<Vec<Lab>, String> =
            labs.map(|lab| Lab::start(&lab.line, &flags)).collect();
        let mut side = Side::new(labs?);
        // Skips the records that others have left there.
        side.new_records(0)?;
        Ok(side)
    }
}

/// The result of one sequence; it ends at the first difference that nothing explains.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) exchanges: Vec<(Answer, Answer)>,
    /// The names of the deviations that were met, one for each time.
    pub(super) explained: Vec<&'static str>,
    pub(super) difference: Option<Difference>,
}

impl Pair {
    pub(super) fn start(
        left: &Plan,
        right: &Plan,
        config: &'static Config,
    ) -> Result<Self, String> {
        Ok(Self {
            config,
            left: left.start(config)?,
            right: right.start(config)?,
            ours: right.labs.iter().map(|lab| lab.is_ours).collect(),
            first: 0,
            closed: HashSet::new(),
            shortened: false,
        })
    }

    /// Plays `requests` with fresh clients.
    pub(super) fn play(&mut self, requests: &[Request]) -> Result<Outcome, String> {
        self.left.begin();
        self.right.begin();
        self.closed.clear();
        self.shortened = false;
        let mut outcome = Outcome::default();
        let mut turn = self.first;
        for request in requests {
            let is_ours = self.ours[turn % self.ours.len()];
            if is_ours && self.would_be_refused(request) {
                outcome.explained.push(deviation::LATE_IS_REFUSED);
                let request = Request {
                    cookie: CookieChoice::None,
                    ..request.clone()
                };
                self.exchange(&request, turn, &mut outcome)?;
            } else {
                self.exchange(request, turn, &mut outcome)?;
            }
            turn += 1;
            if outcome.difference.is_some() {
                break;
            }
        }
        self.compare_records(turn, &mut outcome)?;
        Ok(outcome)
    }

    /// Returns `true` if a request comes by an id that our lab has closed, and does more than read.
    fn would_be_refused(&self, request: &Request) -> bool {
        let carried = self.right.carries(request.cookie);
        carried.is_some_and(|carried| self.closed.contains(&carried))
            && (self.config.saves_uninitialized() || !request.only_looks())
    }

    fn exchange(
        &mut self,
        request: &Request,
        turn: usize,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let left = self
            .left
            .exchange(request, turn)
            .map_err(|error| format!("left: {error}"))?;
        let right = self
            .right
            .exchange(request, turn)
            .map_err(|error| format!("right: {error}"))?;
        let case = Case {
            config: self.config,
            request,
            left: &left,
            right: &right,
        };
        let mut as_express = true;
        let is_ours = self.ours[turn % self.ours.len()];
        for difference in compare::answers(&left, &right) {
            let name = deviation::explain(&case, &difference).filter(|_| is_ours);
            if let Some(name) = name {
                outcome.explained.push(name);
                as_express &= difference.aspect != Aspect::Cookie;
            } else if outcome.difference.is_none() {
                outcome.difference = Some(difference);
            }
        }
        self.left.keep(&left);
        // A cookie that Express would not have set is forgotten, and one that it would not have cleared
        // is cleared for both, so that both clients go on alike.
        if as_express {
            self.right.keep(&right);
        } else if right.cookies.iter().any(SetCookie::clears) {
            self.left.clear();
            self.right.clear();
        }
        self.shortened |= is_ours && deviation::shortens(request);
        if is_ours && deviation::closes(self.config, request, &right) {
            self.closed.extend(right.carried.clone());
        }
        outcome.exchanges.push((left, right));
        Ok(())
    }

    fn compare_records(&mut self, turn: usize, outcome: &mut Outcome) -> Result<(), String> {
        // Read in any case: what is found now is old to the next sequence.
        let left = self
            .left
            .new_records(turn)
            .map_err(|error| format!("left: {error}"))?;
        let right = self
            .right
            .new_records(turn)
            .map_err(|error| format!("right: {error}"))?;
        if outcome.difference.is_some() || left.agree_with(&right) {
            return Ok(());
        }
        if self.shortened && left.agree_but_for_lives(&right) {
            outcome.explained.push(deviation::SHORTENED_BY_A_WRITE);
        } else {
            let (left, right) = (left.to_string(), right.to_string());
            outcome.difference = Some(Difference {
                aspect: Aspect::Records,
                left,
                right,
            });
        }
        Ok(())
    }
}
