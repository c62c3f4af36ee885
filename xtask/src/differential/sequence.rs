//! The requests of a client: each with a cookie and steps for the server to take.

use std::fmt;

/// One request to both labs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) cookie: CookieChoice,
    pub(super) target: Target,
}

/// The cookie of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieChoice {
    /// The last one that the server set.
    Current,
    None,
    /// A cookie that the server set earlier, counted from the first.
    Stale(usize),
    /// The current id under a signature that is not its own.
    BadSignature,
    /// The current id without a signature.
    Unsigned,
    /// The current cookie, and a badly signed one of the same name after it.
    Twice,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    Run(Vec<Step>),
    Me,
    Plain,
}

/// A step of the handler; keys and values are JSON texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A step of a name alone: `save`, `reload`, `all`, …
    Bare(&'static str),
    Get(&'static str),
    Set(&'static str, &'static str),
    Remove(&'static str),
    Add(&'static str, &'static str),
    /// Attributes, as the inside of a JSON object.
    Cookie(&'static str),
    Login(&'static str, &'static str),
    Sleep(usize),
}

impl Request {
    pub(super) fn steps(&self) -> &[Step] {
        match &self.target {
            Target::Run(steps) => steps,
            Target::Me | Target::Plain => &[],
        }
    }

    /// Returns `true` if any step is one of these.
    pub(super) fn has_any(&self, ops: &[&str]) -> bool {
        self.steps().iter().any(|step| ops.contains(&step.op()))
    }

    /// Returns `true` if it only reads.
    pub(super) fn only_looks(&self) -> bool {
        let looks = |step: &Step| ["get", "all", "sleep"].contains(&step.op());
        self.steps().iter().all(looks)
    }

    /// Returns `true` if the comparison is fair: the Rust side
    ///
    /// - puts the store's part of `regenerate` off to the next `save` or the end, and stores `add`
    ///   at once (`updated_at_once`), so that what discards changes in between rightly finds another
    ///   store than Node's;
    /// - sends the cookie of a new session that is saved (`saved_new_sends_cookie`), and so keeps
    ///   what it becomes afterwards;
    /// - refuses to save an expired session (`gone_is_gone`).
    pub(super) fn is_fair(&self) -> bool {
        let (mut late, mut early, mut saved, mut over) = (false, false, false, false);
        self.steps().iter().all(|step| {
            match step.op() {
                "add" | "save" | "login" if over => return false,
                "regenerate" => (late, over) = (true, false),
                "login" => (late, early) = (true, true),
                "add" => early = true,
                "save" => (late, early, saved) = (false, false, true),
                "destroy" | "logout" => (late, early) = (false, false),
                "cookie" if saved => return false,
                "cookie" => over = step.ends_session(),
                "reload" if late || early => return false,
                "drop" if early => return false,
                _ => {}
            }
            true
        })
    }
}

impl Step {
    /// Returns `true` if it sets an expiry in the past.
    fn ends_session(&self) -> bool {
        let Self::Cookie(attributes) = self else {
            return false;
        };
        ["\"maxAge\":0", "\"maxAge\":-"]
            .iter()
            .any(|none| attributes.contains(none))
    }

    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Bare(op) => op,
            Self::Get(_) => "get",
            Self::Set(..) => "set",
            Self::Remove(_) => "remove",
            Self::Add(..) => "add",
            Self::Cookie(_) => "cookie",
            Self::Login(..) => "login",
            Self::Sleep(_) => "sleep",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"op":"{}""#, self.op())?;
        match self {
            Self::Bare(_) => {}
            Self::Get(key) | Self::Remove(key) => write!(f, r#","key":{key}"#)?,
            Self::Set(key, value) => write!(f, r#","key":{key},"value":{value}"#)?,
            Self::Add(key, by) => write!(f, r#","key":{key},"by":{by}"#)?,
            Self::Cookie(attributes) => write!(f, ",{attributes}")?,
            Self::Login(user, roles) => write!(f, r#","user":{user},"roles":{roles}"#)?,
            Self::Sleep(ms) => write!(f, r#","ms":{ms}"#)?,
        }
        f.write_str("}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(steps) => write!(f, "POST /run {}", body(steps)),
            Self::Me => f.write_str("GET /me"),
            Self::Plain => f.write_str("GET /plain"),
        }
    }
}

impl fmt::Display for CookieChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("current cookie"),
            Self::None => f.write_str("no cookie"),
            Self::Stale(index) => write!(f, "stale cookie {index}"),
            Self::BadSignature => f.write_str("badly signed cookie"),
            Self::Unsigned => f.write_str("unsigned cookie"),
            Self::Twice => f.write_str("current cookie, then a badly signed one"),
        }
    }
}

/// The JSON text of `steps`, as the labs take it.
pub(super) fn body(steps: &[Step]) -> String {
    let steps: Vec<String> = steps.iter().map(Step::to_string).collect();
    format!("[{}]", steps.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_as_json() {
        let steps = [
            Step::Set(r#""é\"x""#, "1e21"),
            Step::Cookie(r#""maxAge":0"#),
            Step::Bare("save"),
        ];
        let text = body(&steps);
        assert_eq!(
            text,
            r#"[{"op":"set","key":"é\"x","value":1e21},{"op":"cookie","maxAge":0},{"op":"save"}]"#
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn reload_waits_for_the_store_after_regenerate() {
        let fair = |ops: &[&'static str]| {
            let steps = ops.iter().map(|op| Step::Bare(op)).collect();
            Request {
                cookie: CookieChoice::None,
                target: Target::Run(steps),
            }
            .is_fair()
        };
        assert!(fair(&["reload", "regenerate", "save", "reload"]));
        assert!(!fair(&["regenerate", "reload"]));
        assert!(!fair(&["regenerate", "save", "login", "reload"]));
        assert!(fair(&["add", "save", "drop"]));
        assert!(!fair(&["add", "set", "drop"]));
    }
}
