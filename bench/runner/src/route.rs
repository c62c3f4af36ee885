//! The routes that every contender has, and their responses.

/// A request of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// Outside the session layer.
    Plain,
    /// Inside it, by a handler that does not ask for its session.
    Unasked,
    /// The handler asks for its session, the visitor has no cookie.
    Anon,
    /// Reads who it is.
    Me,
    /// Adds one to a number.
    Bump,
    /// Signs in under a new id, and fills the session.
    Login,
}

/// The expected state of a visitor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) user: &'a str,
    pub(crate) bumps: u64,
    /// `false` on a server without sessions.
    pub(crate) is_known: bool,
}

impl Route {
    /// The routes that show what a layer costs whose session no handler asks for: beside it, and inside it.
    pub(crate) const LAYER: [Self; 2] = [Self::Plain, Self::Unasked];
    /// The routes that are measured with every contender.
    pub(crate) const MEASURED: [Self; 4] = [Self::Anon, Self::Me, Self::Bump, Self::Login];

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Plain | Self::Unasked | Self::Anon | Self::Me => "GET",
            Self::Bump | Self::Login => "POST",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Plain => "/plain",
            Self::Unasked => "/unasked",
            Self::Anon => "/anon",
            Self::Me => "/me",
            Self::Bump => "/bump",
            Self::Login => "/login",
        }
    }

    /// Returns its name in a table.
    pub(crate) fn title(self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    /// Returns `true` if the request sends the visitor's cookie and follows `Set-Cookie`.
    pub(crate) fn carries_cookie(self) -> bool {
        matches!(self, Self::Me | Self::Bump | Self::Login)
    }

    /// Returns the body of the request.
    pub(crate) fn body(self, user: &str) -> Option<&str> {
        match self {
            Self::Login => Some(user),
            Self::Bump => Some(""),
            Self::Plain | Self::Unasked | Self::Anon | Self::Me => None,
        }
    }

    /// Returns `true` if `body` is the right response.
    pub(crate) fn is_answered(self, body: &[u8], visit: Visit<'_>) -> bool {
        let number = |wanted: u64| {
            let text = std::str::from_utf8(body).ok();
            text.and_then(|text| text.parse().ok()) == Some(wanted)
        };
        match self {
            Self::Plain => body == b"plain",
            Self::Unasked | Self::Anon => body == b"anon",
            Self::Me if !visit.is_known => body == b"user-00000",
            Self::Bump if !visit.is_known => number(1),
            Self::Bump => number(visit.bumps + 1),
            Self::Me | Self::Login => body == visit.user.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_answer_counts() {
        let known = Visit {
            user: "user-00007",
            bumps: 4,
            is_known: true,
        };
        let unknown = Visit {
            is_known: false,
            ..known
        };
        #[rustfmt::skip]
        let table: [(Route, &str, Visit<'_>, bool); 9] = [
            (Route::Anon,  "anon",       known,   true),
            (Route::Anon,  "",           known,   false),
            (Route::Me,    "user-00007", known,   true),
            (Route::Me,    "user-00008", known,   false), // another user's session
            (Route::Me,    "user-00000", unknown, true),
            (Route::Bump,  "5",          known,   true),
            (Route::Bump,  "4",          known,   false), // a step was lost
            (Route::Bump,  "1",          unknown, true),
            (Route::Login, "user-00007", unknown, true),
        ];
        for (route, body, visit, is_right) in table {
            assert_eq!(
                route.is_answered(body.as_bytes(), visit),
                is_right,
                "{route:?} {body}"
            );
        }
    }
}
