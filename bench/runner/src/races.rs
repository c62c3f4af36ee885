//! Counts lost steps, and ids that open although a login replaced them, when requests of one visitor meet.

use std::net::SocketAddr;
use std::thread;

use crate::ask::{self, Said};
use crate::bed::Between;
use crate::contenders::Contender;
use crate::measure::Setting;
use crate::visitor::Visitor;

/// Times that requests meet.
pub(crate) const ROUNDS: u64 = 10;
/// Requests that meet.
pub(crate) const AT_ONCE: u64 = 32;

/// Counted over all rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Races {
    /// Steps that were acknowledged and are missing afterwards.
    pub(crate) lost: u64,
    /// Ids that open a session although a login replaced them.
    pub(crate) revived: u64,
}

/// Plays all rounds on a server of its own.
pub(crate) fn play(contender: &Contender, setting: &Setting) -> Result<Races, String> {
    let ground = setting.bed.lay(contender.backing, Between::Nothing);
    let server = setting.start(contender, &ground.url)?;
    let mut races = Races::default();
    for round in 0..ROUNDS {
        let visitor = sign_in(server.at, round)?;
        let before = bumps(server.at, &visitor)?;
        let acknowledged = meet(server.at, &visitor);
        let after = bumps(server.at, &visitor)?;
        races.lost += lost(before, acknowledged, after);
        races.revived += u64::from(is_revived(server.at, &visitor)?);
    }
    Ok(races)
}

/// Returns how many of the acknowledged steps are missing between two that were counted.
fn lost(before: u64, acknowledged: u64, after: u64) -> u64 {
    (before + acknowledged + 1).saturating_sub(after)
}

/// Signs a visitor in, and returns the Cookie field with the end of its line.
fn sign_in(at: SocketAddr, round: u64) -> Result<String, String> {
    let said = ask::send(at, "POST", "/login", "", &format!("user-{round:05}"))?;
    let mut visitor = Visitor::new(0, true);
    said.cookies.iter().for_each(|cookie| visitor.take(cookie));
    Ok(visitor.field().to_owned())
}

fn bump(at: SocketAddr, visitor: &str) -> Result<Said, String> {
    ask::send(at, "POST", "/bump", visitor, "")
}

fn bumps(at: SocketAddr, visitor: &str) -> Result<u64, String> {
    let said = bump(at, visitor)?;
    let number = said.body.parse();
    number.map_err(|_| format!("/bump answered {said:?}"))
}

/// Returns the number of acknowledged steps, of as many as meet.
fn meet(at: SocketAddr, visitor: &str) -> u64 {
    let steps = || {
        let done = bump(at, visitor);
        u64::from(done.is_ok_and(|said| said.status == 200))
    };
    together(AT_ONCE, steps)
}

/// Signs in again while steps on the old id are under way, and asks for the old one.
fn is_revived(at: SocketAddr, visitor: &str) -> Result<bool, String> {
    thread::scope(|scope| {
        let steps = scope.spawn(|| meet(at, visitor));
        let renewed = ask::send(at, "POST", "/login", visitor, "somebody");
        let _ = steps.join();
        renewed
    })?;
    let said = ask::send(at, "GET", "/me", visitor, "")?;
    Ok(said.status == 200 && !said.body.is_empty())
}

/// Runs as many at once, and returns the sum.
fn together(number: u64, act: impl Fn() -> u64 + Sync) -> u64 {
    thread::scope(|scope| {
        let running: Vec<_> = (0..number).map(|_| scope.spawn(&act)).collect();
        let done = running.into_iter().map(|one| one.join().unwrap_or(0));
        done.sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_step_is_one_that_was_acknowledged() {
        #[rustfmt::skip]
        let table = [
            // The first and the last are steps themselves.
            (1, 32, 34, 0),
            (1, 32, 3, 31),
            (1, 30, 32, 0),  // two were refused
            (1, 30, 34, 0),  // two were refused, and done nevertheless
            (1, 0, 2, 0),
        ];
        for (before, acknowledged, after, wanted) in table {
            assert_eq!(
                lost(before, acknowledged, after),
                wanted,
                "{before} {acknowledged} {after}"
            );
        }
    }

    #[test]
    fn all_of_them_run() {
        assert_eq!(together(7, || 2), 14);
    }
}
