//! Both labs under one configuration, and a sequence of requests played against the two.

use super::compare::{self, Aspect, Difference};
use super::config::Config;
use super::deviation::{self, Case};
use super::lab::Lab;
use super::sequence::Request;
use super::side::{Answer, Side};

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) config: &'static Config,
    left: Side,
    right: Side,
}

/// What came of one sequence; it ends at the first difference that nothing explains.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) exchanges: Vec<(Answer, Answer)>,
    /// The names of the deviations that were met, one for each time.
    pub(super) explained: Vec<&'static str>,
    pub(super) difference: Option<Difference>,
}

impl Pair {
    pub(super) fn start(left: &str, right: &str, config: &'static Config) -> Result<Self, String> {
        let flags = config.command_line();
        let left = Side::new(Lab::start(left, &flags)?);
        let right = Side::new(Lab::start(right, &flags)?);
        Ok(Self {
            config,
            left,
            right,
        })
    }

    /// Plays `requests` with fresh clients.
    pub(super) fn play(&mut self, requests: &[Request]) -> Result<Outcome, String> {
        self.left.begin();
        self.right.begin();
        let mut outcome = Outcome::default();
        for request in requests {
            self.exchange(request, &mut outcome)?;
            if outcome.difference.is_some() {
                break;
            }
        }
        self.compare_records(&mut outcome)?;
        Ok(outcome)
    }

    fn exchange(&mut self, request: &Request, outcome: &mut Outcome) -> Result<(), String> {
        let left = self
            .left
            .exchange(request)
            .map_err(|error| format!("left: {error}"))?;
        let right = self
            .right
            .exchange(request)
            .map_err(|error| format!("right: {error}"))?;
        let case = Case {
            config: self.config,
            request,
            left: &left,
            right: &right,
        };
        let mut as_express = true;
        for difference in compare::answers(&left, &right) {
            if let Some(name) = deviation::explain(&case, &difference) {
                outcome.explained.push(name);
                as_express &= difference.aspect != Aspect::Cookie;
            } else if outcome.difference.is_none() {
                outcome.difference = Some(difference);
            }
        }
        self.left.keep(&left);
        // A cookie that Express would not have set is forgotten, so that both clients go on alike.
        if as_express {
            self.right.keep(&right);
        }
        outcome.exchanges.push((left, right));
        Ok(())
    }

    fn compare_records(&mut self, outcome: &mut Outcome) -> Result<(), String> {
        // Read in any case: what is found now is old to the next sequence.
        let left = self
            .left
            .new_records()
            .map_err(|error| format!("left: {error}"))?;
        let right = self
            .right
            .new_records()
            .map_err(|error| format!("right: {error}"))?;
        if outcome.difference.is_none() && !left.agree_with(&right) {
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
