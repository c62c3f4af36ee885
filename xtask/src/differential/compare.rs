//! The differences between two responses to the same request.

use std::fmt;

use serde_json::Value;

use super::set_cookie::SetCookie;
use super::side::Answer;

/// The part of a response in which a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    Status,
    Session,
    /// The result of a step, counted from 0.
    Result(usize),
    Cookie,
    Records,
}

#[derive(Debug)]
pub(super) struct Difference {
    pub(super) aspect: Aspect,
    pub(super) left: String,
    pub(super) right: String,
}

/// Lists what two answers disagree on; of errors only that there was one counts.
pub(super) fn answers(left: &Answer, right: &Answer) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut note = |agrees: bool, aspect, left: &dyn fmt::Display, right: &dyn fmt::Display| {
        if !agrees {
            differences.push(Difference {
                aspect,
                left: left.to_string(),
                right: right.to_string(),
            });
        }
    };
    note(
        left.status == right.status,
        Aspect::Status,
        &left.status,
        &right.status,
    );
    let (left_session, right_session) = (session(left), session(right));
    note(
        left_session == right_session,
        Aspect::Session,
        &left_session,
        &right_session,
    );
    for index in 0..left.results.len().max(right.results.len()) {
        let (left, right) = (result(left, index), result(right, index));
        note(
            results_agree(left, right),
            Aspect::Result(index),
            &left,
            &right,
        );
    }
    let agree = left.cookies.len() == right.cookies.len()
        && left
            .cookies
            .iter()
            .zip(&right.cookies)
            .all(|(a, b)| a.agrees_with(b));
    note(agree, Aspect::Cookie, &cookies(left), &cookies(right));
    differences
}

fn session(answer: &Answer) -> &str {
    answer.session.as_deref().unwrap_or("no session")
}

fn result(answer: &Answer, index: usize) -> &str {
    answer
        .results
        .get(index)
        .map_or("no result", String::as_str)
}

fn cookies(answer: &Answer) -> String {
    let cookies: Vec<String> = answer.cookies.iter().map(SetCookie::to_string).collect();
    if cookies.is_empty() {
        "no cookie".to_owned()
    } else {
        cookies.join(" and ")
    }
}

fn results_agree(left: &str, right: &str) -> bool {
    left == right || (is_error(left) && is_error(right)) || same_json(left, right)
}

fn is_error(result: &str) -> bool {
    result.starts_with(r#"{"error":"#)
}

/// Returns `true` if two texts are the same value to JavaScript, whatever their spelling; the spelling
/// that Node must find again is the record's, and that is compared byte for byte.
fn same_json(left: &str, right: &str) -> bool {
    match (serde_json::from_str(left), serde_json::from_str(right)) {
        (Ok(left), Ok(right)) => same_value(&left, &right),
        _ => false,
    }
}

fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same_value(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same = |(key, a)| right.get(key).is_some_and(|b| same_value(a, b));
            left.len() == right.len() && left.iter().all(same)
        }
        (left, right) => left == right,
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("the status"),
            Self::Session => f.write_str("the session"),
            Self::Result(index) => write!(f, "the result of step {}", index + 1),
            Self::Cookie => f.write_str("the cookie"),
            Self::Records => f.write_str("the records in the store"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results = self.results.join(",");
        write!(
            f,
            "{} {} [{results}] {}",
            self.status,
            session(self),
            cookies(self)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_agree_by_value_and_errors_by_kind() {
        #[rustfmt::skip]
        let table = [
            (true, "1e+21", "1e21"),
            (true, "100", "100.0"),
            (true, r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#),
            (true, r#"{"error":"no"}"#, r#"{"error":"other words"}"#),
            (true, r#""\ud800""#, r#""\ud800""#),
            (false, r#"{"error":"no"}"#, "null"),
            (false, "0", "null"),
            (false, r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (false, r#""1""#, "1"),
        ];
        for (agree, left, right) in table {
            assert_eq!(results_agree(left, right), agree, "{left} {right}");
        }
    }
}
