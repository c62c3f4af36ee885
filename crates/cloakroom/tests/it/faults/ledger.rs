//! The ledger of what clients were told of their sessions, and the rule for what may be stored:
//! `acknowledged ≤ stored ≤ acknowledged + unknown`, for each session.

use std::collections::HashMap;

/// The outcome of an operation, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The operation was acknowledged.
    Done,
    /// The operation was refused, or not answered: it may be done or not.
    Unknown,
}

/// The knowledge that the client of one session has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    begun: Option<Told>,
    /// Steps that were acknowledged, and those that may have been made.
    done: u64,
    unknown: u64,
    ended: Option<Told>,
}

/// Sessions by a name that their client has for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(HashMap<String, Account>);

/// The state of a stored session, compared with what its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// An acknowledged change is missing.
    Lost,
    /// The end was acknowledged, and the session exists.
    Undone,
    /// A change was applied twice, or was never requested.
    TooMuch,
}

impl Account {
    pub(crate) fn begins(&mut self, told: Told) {
        self.begun = Some(told);
    }

    pub(crate) fn steps(&mut self, told: Told) {
        match told {
            Told::Done => self.done += 1,
            Told::Unknown => self.unknown += 1,
        }
    }

    pub(crate) fn ends(&mut self, told: Told) {
        // Once it is acknowledged it is over, whatever a second request is told.
        if self.ended != Some(Told::Done) {
            self.ended = Some(told);
        }
    }

    /// Counts every reply as a success: the control.
    pub(crate) fn believing(mut self) -> Self {
        let believe = |told: Option<Told>| told.map(|_| Told::Done);
        self.begun = believe(self.begun);
        self.ended = believe(self.ended);
        self.done += std::mem::take(&mut self.unknown);
        self
    }

    /// Judges what is stored: the number of steps, or nothing.
    pub(crate) fn judge(&self, stored: Option<u64>) -> Verdict {
        match (stored, self.begun, self.ended) {
            (Some(_), None, _) => Verdict::TooMuch,
            (Some(_), _, Some(Told::Done)) => Verdict::Undone,
            (Some(stored), ..) if stored > self.done + self.unknown => Verdict::TooMuch,
            (Some(stored), ..) if stored < self.done => Verdict::Lost,
            (None, Some(Told::Done), None) => Verdict::Lost,
            _ => Verdict::Kept,
        }
    }

    /// Returns the number of acknowledged operations.
    pub(crate) fn acknowledged(&self) -> u64 {
        let is_done = |told: Option<Told>| u64::from(told == Some(Told::Done));
        is_done(self.begun) + self.done + is_done(self.ended)
    }
}

impl Ledger {
    pub(crate) fn of(&mut self, session: &str) -> &mut Account {
        self.0.entry(session.to_owned()).or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Account)> {
        self.0.iter()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.0.values().map(Account::acknowledged).sum()
    }

    /// Reads what a program has printed, as [`visits`](super::visits) prints it: what it did not live to say
    /// is unknown.
    pub(crate) fn read(said: &str) -> Self {
        let mut ledger = Self::default();
        for line in said.lines() {
            let mut words = line.split(' ');
            let (Some("note"), Some(what), Some(told), Some(session)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            ledger.of(session).note(what, told);
        }
        ledger
    }
}

impl Account {
    /// Notes an operation; it counts as unknown until its outcome is noted.
    fn note(&mut self, what: &str, told: &str) {
        match (what, told) {
            ("begin", "asks" | "unknown") => self.begins(Told::Unknown),
            ("begin", "done") => self.begins(Told::Done),
            ("step", "asks") => self.steps(Told::Unknown),
            ("step", "done") => {
                self.unknown -= 1;
                self.steps(Told::Done);
            }
            ("end", "asks" | "unknown") => self.ends(Told::Unknown),
            ("end", "done") => self.ends(Told::Done),
            _ => {}
        }
    }
}

#[test]
fn the_ledger_tells_lost_undone_and_excess_changes() {
    use Told::{Done, Unknown};
    let table = [
        // begun, done, unknown, ended, stored, verdict
        (Some(Done), 2, 0, None, Some(2), Verdict::Kept),
        (Some(Done), 2, 1, None, Some(3), Verdict::Kept),
        (Some(Done), 2, 1, None, Some(1), Verdict::Lost),
        (Some(Done), 2, 1, None, Some(4), Verdict::TooMuch),
        (Some(Done), 0, 0, None, None, Verdict::Lost),
        (Some(Unknown), 0, 0, None, None, Verdict::Kept),
        (Some(Unknown), 0, 0, None, Some(0), Verdict::Kept),
        (None, 0, 0, None, Some(0), Verdict::TooMuch),
        (Some(Done), 2, 0, Some(Unknown), None, Verdict::Kept),
        (Some(Done), 2, 0, Some(Unknown), Some(2), Verdict::Kept),
        (Some(Done), 2, 0, Some(Unknown), Some(1), Verdict::Lost),
        (Some(Done), 2, 0, Some(Done), None, Verdict::Kept),
        (Some(Done), 2, 0, Some(Done), Some(2), Verdict::Undone),
    ];
    for (begun, done, unknown, ended, stored, verdict) in table {
        let account = Account {
            begun,
            done,
            unknown,
            ended,
        };
        assert_eq!(account.judge(stored), verdict, "{account:?} {stored:?}");
    }
    let said = "note begin asks a\nnote begin done a\nnote step asks a\nnote step done a\nnote step asks a\n\
                noise\nnote end asks b\nnote end done b";
    let ledger = Ledger::read(said);
    assert_eq!(ledger.0["a"].judge(Some(2)), Verdict::Kept);
    assert_eq!(ledger.0["a"].judge(Some(0)), Verdict::Lost);
    assert_eq!(ledger.0["b"].judge(Some(0)), Verdict::TooMuch);
    assert_eq!(ledger.acknowledged(), 3);
}
