//! A move of a few sessions, with writers on both sides and crashes at every step: nothing is lost, and nothing
//! that ended comes back. Spoiled moves must be found out.

use std::collections::{BTreeMap, BTreeSet};

use cloakroom::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{
    AtSource, Backward, Digest, Forward, Known, Rules, Seen, There, Why, backward, forward,
};

/// Sessions read or written at a time.
const PAGE: usize = 2;
/// Seconds for which a store remembers an end.
const MARKED: i64 = 60;
/// Seconds that a session lives unless it is touched.
const LIFE: i64 = 500;
/// The first id of sessions that begin at the target.
const OWN: u8 = 100;

type Id = u8;

#[derive(Clone, Copy, Debug)]
enum Event {
    Create(Id),
    Change(Id),
    Touch(Id),
    End(Id),
    /// The visitors' acts at the target, once it may serve.
    ChangeThere(Id),
    EndThere(Id),
    CreateThere(Id),
    Wait(i64),
    /// The command goes on by one step.
    Step,
    Crash,
    Cutover,
}

/// The part of the move that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoiled {
    Nothing,
    DiffPasses,
    /// The last pass makes the target equal to the source, as those before it.
    OneDirection,
    Journal,
    Marks,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    version: u32,
    expires: i64,
}

impl Session {
    fn seen(self) -> Seen {
        let [.., a, b] = self.version.to_be_bytes();
        Seen {
            digest: Digest {
                text: [a, b, 0, 0, 0, 0, 0, 0],
                value: [a, b, 0, 0, 0, 0, 0, 0],
            },
            expires: Timestamp::from_millis(self.expires * 1000),
        }
    }
}

#[derive(Debug, Default)]
struct Shop {
    sessions: BTreeMap<Id, Session>,
    /// Until when an end is remembered.
    marks: BTreeMap<Id, i64>,
}

impl Shop {
    fn live(&self, id: Id, now: i64) -> Option<Session> {
        let session = self.sessions.get(&id).copied();
        session.filter(|session| session.expires > now)
    }

    fn end(&mut self, id: Id, now: i64) {
        self.sessions.remove(&id);
        self.marks.insert(id, now + MARKED);
    }

    fn page(&self, after: Option<Id>, now: i64) -> Vec<Id> {
        let ids = self.sessions.keys().copied();
        let ids = ids.filter(|id| after.is_none_or(|after| *id > after));
        ids.filter(|id| self.live(*id, now).is_some())
            .take(PAGE)
            .collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Copy,
    Diff,
    Follow,
    Last,
    Done,
}

/// The state that survives a crash.
#[derive(Debug)]
struct Journal {
    phase: Phase,
    /// Of the copy alone: passes begin again.
    cursor: Option<Id>,
    entries: BTreeMap<Id, Known>,
    passed: BTreeSet<Id>,
}

/// The state that does not.
#[derive(Clone, Debug)]
enum At {
    Begin,
    Read(Option<Id>),
    Decided(Vec<(Id, Seen)>),
    Intended(Vec<(Id, Seen)>),
    Stored(Vec<(Id, Seen)>, Vec<(Id, Known)>),
    Backward(Option<Id>),
}

#[derive(Debug)]
struct World {
    now: i64,
    versions: u32,
    source: Shop,
    target: Shop,
    journal: Journal,
    at: At,
    spoiled: Spoiled,
    used: BTreeSet<Id>,
    ended: BTreeSet<Id>,
    changed_there: BTreeMap<Id, Session>,
    unsure: BTreeSet<Id>,
    /// Those that ended at the source, or expired there: no pass came in time to tell.
    unnoticed: BTreeSet<Id>,
}

impl World {
    fn new(spoiled: Spoiled) -> Self {
        Self {
            now: 1_000,
            versions: 0,
            source: Shop::default(),
            target: Shop::default(),
            journal: Journal {
                phase: Phase::Copy,
                cursor: None,
                entries: BTreeMap::new(),
                passed: BTreeSet::new(),
            },
            at: At::Begin,
            spoiled,
            used: BTreeSet::new(),
            ended: BTreeSet::new(),
            changed_there: BTreeMap::new(),
            unsure: BTreeSet::new(),
            unnoticed: BTreeSet::new(),
        }
    }

    fn target_may_serve(&self) -> bool {
        matches!(
            self.journal.phase,
            Phase::Follow | Phase::Last | Phase::Done
        )
    }

    fn rules(&self) -> Rules {
        match self.journal.phase {
            Phase::Last if self.spoiled == Spoiled::OneDirection => Rules::Filling,
            _ if self.target_may_serve() => Rules::Serving,
            _ => Rules::Filling,
        }
    }

    fn session(&mut self) -> Session {
        self.versions += 1;
        Session {
            version: self.versions,
            expires: self.now + LIFE,
        }
    }

    fn happens(&mut self, event: Event) {
        let source_serves = !matches!(self.journal.phase, Phase::Last | Phase::Done);
        match event {
            Event::Create(id) if source_serves && self.used.insert(id) => {
                let session = self.session();
                self.source.sessions.insert(id, session);
            }
            Event::Change(id) if source_serves && self.source.live(id, self.now).is_some() => {
                let session = self.session();
                self.source.sessions.insert(id, session);
            }
            Event::Touch(id) if source_serves => {
                if let Some(session) = self.source.live(id, self.now) {
                    let expires = self.now + LIFE;
                    self.source
                        .sessions
                        .insert(id, Session { expires, ..session });
                }
            }
            Event::End(id) if source_serves && self.source.live(id, self.now).is_some() => {
                self.source.end(id, self.now);
                self.ended.insert(id);
            }
            Event::ChangeThere(id)
                if self.target_may_serve() && self.target.live(id, self.now).is_some() =>
            {
                let session = self.session();
                self.target.sessions.insert(id, session);
                self.changed_there.insert(id, session);
            }
            Event::EndThere(id)
                if self.target_may_serve() && self.target.live(id, self.now).is_some() =>
            {
                self.target.end(id, self.now);
                self.ended.insert(id);
            }
            Event::CreateThere(id) if self.target_may_serve() && self.used.insert(OWN + id) => {
                let session = self.session();
                self.target.sessions.insert(OWN + id, session);
                self.changed_there.insert(OWN + id, session);
            }
            Event::Wait(seconds) => self.now += seconds,
            Event::Step => self.step(),
            Event::Crash => {
                self.at = At::Begin;
                if self.spoiled == Spoiled::Journal {
                    self.journal.entries.clear();
                }
            }
            Event::Cutover if self.journal.phase == Phase::Follow => {
                self.journal.phase = Phase::Last;
                self.at = At::Begin;
                if self.spoiled == Spoiled::Journal {
                    self.journal.entries.clear();
                }
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        self.at = match std::mem::replace(&mut self.at, At::Begin) {
            At::Begin if self.journal.phase == Phase::Done => At::Begin,
            At::Begin if self.journal.phase == Phase::Copy => At::Read(self.journal.cursor),
            At::Begin => {
                self.journal.passed.clear();
                At::Read(None)
            }
            At::Read(after) => self.read(after),
            At::Decided(page) => self.intend(page),
            At::Intended(page) => self.store(page),
            At::Stored(page, entries) => self.commit(&page, entries),
            At::Backward(after) => self.backward(after),
        };
    }

    fn read(&mut self, after: Option<Id>) -> At {
        let ids = self.source.page(after, self.now);
        if ids.is_empty() {
            return match self.journal.phase {
                Phase::Copy => self.next_phase(),
                _ => At::Backward(None),
            };
        }
        let seen = |id| self.source.sessions[&id].seen();
        At::Decided(ids.into_iter().map(|id| (id, seen(id))).collect())
    }

    /// Decides as the command does: unread first.
    fn decide(&self, id: Id, seen: &Seen) -> (Forward, There) {
        let known = self.journal.entries.get(&id);
        let now = Timestamp::from_millis(self.now * 1000);
        let live = self.target.live(id, self.now).map(Session::seen);
        let is_marked = self
            .target
            .marks
            .get(&id)
            .is_some_and(|until| *until > self.now);
        let unread = match live {
            Some(live) => There::Unread(live.expires),
            None if is_marked && self.spoiled != Spoiled::Marks => There::Retired,
            None => There::Absent,
        };
        match (forward(self.rules(), seen, known, &unread, now), live) {
            (Forward::Read, Some(live)) => {
                let there = There::Read(live);
                (forward(self.rules(), seen, known, &there, now), there)
            }
            (decided, _) => (decided, unread),
        }
    }

    fn intend(&mut self, page: Vec<(Id, Seen)>) -> At {
        for (id, seen) in &page {
            let (decided, there) = self.decide(*id, seen);
            if !matches!(decided, Forward::Create | Forward::Overwrite) {
                continue;
            }
            let known = self.journal.entries.get(id).copied();
            let now = Timestamp::from_millis(self.now * 1000);
            let intended = Known::intended(known.as_ref(), &there, *seen, now);
            self.journal.entries.insert(*id, intended);
        }
        At::Intended(page)
    }

    fn store(&mut self, page: Vec<(Id, Seen)>) -> At {
        let mut entries = Vec::new();
        for (id, seen) in &page {
            // Looked at again: others wrote since it was decided.
            let (decided, _) = self.decide(*id, seen);
            match decided {
                Forward::Create | Forward::Overwrite => {
                    let version =
                        u32::from_be_bytes([0, 0, seen.digest.text[0], seen.digest.text[1]]);
                    let expires = seen.expires.as_millis() / 1000;
                    self.target
                        .sessions
                        .insert(*id, Session { version, expires });
                }
                Forward::Leave(Why::Unsure) => {
                    self.unsure.insert(*id);
                }
                _ => {}
            }
            entries.extend(decided.entry(*seen).map(|known| (*id, known)));
        }
        At::Stored(page, entries)
    }

    fn commit(&mut self, page: &[(Id, Seen)], entries: Vec<(Id, Known)>) -> At {
        self.journal.entries.extend(entries);
        self.journal.passed.extend(page.iter().map(|(id, _)| *id));
        let last = page.last().map(|(id, _)| *id);
        self.journal.cursor = last;
        At::Read(last)
    }

    fn backward(&mut self, after: Option<Id>) -> At {
        let ids = self.target.page(after, self.now);
        let now = Timestamp::from_millis(self.now * 1000);
        for id in &ids {
            let known = self.journal.entries.get(id).copied();
            let at_source = if self.journal.passed.contains(id) {
                AtSource::Passed
            } else {
                AtSource::NotPassed
            };
            let mut decided = backward(known.as_ref(), at_source, now);
            if decided == Backward::AskSource {
                let found = match self.source.live(*id, self.now) {
                    Some(_) => AtSource::Found,
                    None if self
                        .source
                        .marks
                        .get(id)
                        .is_some_and(|until| *until > self.now) =>
                    {
                        AtSource::Retired
                    }
                    None => AtSource::Gone,
                };
                decided = backward(known.as_ref(), found, now);
            }
            if decided == Backward::Leave && !self.journal.passed.contains(id) {
                // More than a minute went by, and the rest of its life, before a pass came.
                self.unnoticed
                    .extend(self.changed_there.contains_key(id).then_some(*id));
            }
            if decided == Backward::End {
                self.target.end(*id, self.now);
                self.journal.entries.insert(*id, Known::EndedAtSource);
            }
        }
        match ids.last() {
            Some(last) => At::Backward(Some(*last)),
            None => self.next_phase(),
        }
    }

    fn next_phase(&mut self) -> At {
        let spoiled = self.spoiled == Spoiled::DiffPasses;
        self.journal.phase = match self.journal.phase {
            Phase::Copy if spoiled => Phase::Follow,
            Phase::Copy => Phase::Diff,
            Phase::Diff | Phase::Follow => Phase::Follow,
            Phase::Last | Phase::Done => Phase::Done,
        };
        At::Begin
    }

    fn finish(&mut self) {
        for _ in 0..1_000 {
            match self.journal.phase {
                Phase::Follow if self.spoiled == Spoiled::DiffPasses => {
                    self.journal.phase = Phase::Done;
                }
                Phase::Follow => self.happens(Event::Cutover),
                Phase::Done => return,
                _ => self.step(),
            }
        }
        panic!("the move does not end: {self:?}");
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for id in &self.used {
            let there = self.target.live(*id, self.now);
            if self.ended.contains(id) {
                let comes_back = there.is_some() && !self.unnoticed.contains(id);
                prop_assert!(!comes_back, "{id} came back: {self:?}");
                continue;
            }
            let source = self.source.live(*id, self.now);
            let expected = match self.changed_there.get(id) {
                Some(changed) => Some(*changed).filter(|changed| changed.expires > self.now),
                None => source,
            };
            let Some(expected) = expected else {
                continue;
            };
            if self.unsure.contains(id) {
                continue;
            }
            let there = there.map(|there| (there.version, there.expires));
            let expected = Some((expected.version, expected.expires));
            prop_assert_eq!(there, expected, "{} is lost: {:?}", id, self);
        }
        Ok(())
    }
}

fn event() -> impl Strategy<Value = Event> {
    let id = 0..8_u8;
    prop_oneof![
        4 => id.clone().prop_map(Event::Create),
        2 => id.clone().prop_map(Event::Change),
        1 => id.clone().prop_map(Event::Touch),
        1 => id.clone().prop_map(Event::End),
        2 => id.clone().prop_map(Event::ChangeThere),
        2 => id.clone().prop_map(Event::EndThere),
        1 => (0..3_u8).prop_map(Event::CreateThere),
        1 => prop_oneof![Just(10_i64), Just(70), Just(200)].prop_map(Event::Wait),
        24 => Just(Event::Step),
        2 => Just(Event::Crash),
        1 => Just(Event::Cutover),
    ]
}

fn play(spoiled: Spoiled, cases: u32) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..Config::default()
    };
    let events = prop::collection::vec(event(), 0..200);
    let played = TestRunner::new(config).run(&events, |events| {
        let mut world = World::new(spoiled);
        for event in events {
            world.happens(event);
        }
        world.finish();
        world.check()
    });
    played.map_err(|failure| failure.to_string())
}

#[test]
fn nothing_is_lost_and_nothing_comes_back() {
    let rounds = std::env::var("CLOAKROOM_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    play(Spoiled::Nothing, rounds.unwrap_or(800)).unwrap();
}

#[test]
fn a_spoiled_move_is_found_out() {
    for spoiled in [
        Spoiled::DiffPasses,
        Spoiled::OneDirection,
        Spoiled::Journal,
        Spoiled::Marks,
    ] {
        let found = play(spoiled, 100_000);
        assert!(found.is_err(), "{spoiled:?} goes unnoticed");
    }
}
