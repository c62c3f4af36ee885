//! Servers that forget, a process that talks to them, and the states that must never be seen.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::super::log::{Acceptance, End, Generation, LogLimits};
use super::spoiled::{Log, Spoil};
use crate::id::SessionId;

const LIMITS: LogLimits = LogLimits {
    age: Duration::from_secs(100),
    ids: 3,
};

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A user signs in.
    Create,
    /// The primary's data are saved to its disk, and to a replica.
    Snapshot,
    /// A session ends at the server; the reply is on its way.
    End(usize),
    /// A reply arrives.
    WriteReply(usize),
    /// The primary restarts from its disk.
    Restart,
    /// The primary becomes a replica, is resynchronised from an older one, and is the primary again.
    FillAnew,
    /// The replica takes over; the old primary goes on for clients that are connected to it.
    TakeOver,
    /// The connection is lost.
    Cut,
    /// A connection is made to the primary, in place of the one that is there or beside it.
    Connect(bool),
    /// Some of the pending ends are sent; only half of them arrive if it `fails`.
    Tell { most: usize, fails: bool },
    /// The reply to that arrives.
    Told,
    /// Seconds pass.
    Wait(u64),
}

#[derive(Clone, Default)]
struct Server {
    live: BTreeSet<u32>,
    disk: BTreeSet<u32>,
    run: u32,
    replication: u32,
}

/// A connection.
#[derive(Clone)]
struct Line {
    server: usize,
    generation: Generation,
}

/// The repetition over a connection, from the next number on.
struct Telling {
    line: Line,
    from: u64,
    /// The requests that were sent and arrived, and all that were sent.
    sent: Option<(Vec<u64>, Vec<u64>)>,
}

impl Telling {
    fn over(line: Line) -> Self {
        Self {
            line,
            from: 0,
            sent: None,
        }
    }
}

/// An end that was reported to a caller, or is to be.
struct Ended {
    id: u32,
    at: Instant,
    is_reported: bool,
}

pub(super) struct World {
    log: Log,
    servers: Vec<Server>,
    primary: usize,
    /// `true` if servers report their identity.
    names: bool,
    counter: u32,
    line: Option<Line>,
    /// A cache's own connection, which reads as well.
    beside: Option<Line>,
    /// One after the other; the first is under way.
    tellings: VecDeque<Telling>,
    bars: bool,
    on_their_way: Vec<(u32, Line)>,
    ended: Vec<Ended>,
    now: Instant,
    /// The events of this world.
    pub(super) seen: BTreeSet<&'static str>,
}

fn end(id: u32) -> End {
    End {
        id: SessionId::from_store(&id.to_string()),
        note: None,
    }
}

impl World {
    pub(super) fn new(names: bool, spoil: Option<Spoil>) -> Self {
        let mut world = Self {
            log: Log::new(LIMITS, spoil),
            servers: vec![Server::default()],
            primary: 0,
            names,
            counter: 0,
            line: None,
            beside: None,
            tellings: VecDeque::new(),
            bars: false,
            on_their_way: Vec::new(),
            ended: Vec::new(),
            now: Instant::now(),
            seen: BTreeSet::new(),
        };
        world.connect(false);
        world
    }

    pub(super) fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Create => {
                self.counter += 1;
                let id = self.counter;
                self.primary().live.insert(id);
            }
            Step::Snapshot => {
                let primary = self.primary();
                primary.disk = primary.live.clone();
            }
            Step::End(which) => self.end(*which),
            Step::WriteReply(which) => self.answer(*which),
            Step::Restart => self.lose(|server, number| {
                server.run = number;
                server.replication = number;
            }),
            Step::FillAnew => self.lose(|server, number| server.replication = number),
            Step::TakeOver => self.take_over(),
            Step::Cut => self.cut(self.primary),
            Step::Connect(beside) => self.connect(*beside),
            Step::Tell { most, fails } => self.tell(*most, *fails),
            Step::Told => self.told(),
            Step::Wait(seconds) => self.now += Duration::from_secs(*seconds),
        }
        self.check()
    }

    fn primary(&mut self) -> &mut Server {
        &mut self.servers[self.primary]
    }

    /// Returns the connection that requests go over: one to a server that has been replaced is not used.
    fn usable(&self) -> Option<&Line> {
        let line = self.line.as_ref()?;
        (line.generation == self.log.current()).then_some(line)
    }

    fn end(&mut self, which: usize) {
        let Some(line) = self.usable().cloned() else {
            return;
        };
        let sessions = &mut self.servers[line.server].live;
        let Some(id) = sessions.iter().nth(which % sessions.len().max(1)).copied() else {
            return;
        };
        sessions.remove(&id);
        self.on_their_way.push((id, line));
    }

    fn answer(&mut self, which: usize) {
        if self.on_their_way.is_empty() {
            return;
        }
        let (id, line) = self
            .on_their_way
            .swap_remove(which % self.on_their_way.len());
        let standing = self.log.acknowledge(end(id), line.generation, self.now);
        let is_reported = standing == Acceptance::Holds;
        if !is_reported {
            self.seen.insert("an end by a server that was replaced");
            self.bars = true;
        }
        let at = self.now;
        self.ended.push(Ended {
            id,
            at,
            is_reported,
        });
    }

    /// Restarts the primary from its disk, with another identity.
    fn lose(&mut self, becomes: impl Fn(&mut Server, u32)) {
        self.counter += 1;
        let number = self.counter;
        let primary = self.primary();
        primary.live = primary.disk.clone();
        becomes(primary, number);
        self.cut(self.primary);
    }

    fn take_over(&mut self) {
        self.counter += 1;
        let mut replica = self.primary().clone();
        replica.live = replica.disk.clone();
        (replica.run, replica.replication) = (self.counter, self.counter);
        let old = self.primary;
        self.primary = self.servers.len();
        self.servers.push(replica);
        // Without identities, two servers cannot be told apart.
        if !self.names {
            self.cut(old);
        }
    }

    fn cut(&mut self, server: usize) {
        self.on_their_way.retain(|(_, line)| line.server != server);
        for line in [&mut self.line, &mut self.beside] {
            line.take_if(|line| line.server == server);
        }
        self.tellings
            .retain(|telling| telling.line.server != server);
    }

    fn connect(&mut self, beside: bool) {
        let primary = self.primary();
        let identity = (primary.run, primary.replication);
        let has_lost = self.log.meet(self.names.then_some(identity));
        self.bars |= has_lost;
        if self.log.is(Spoil::LiftsTheBarFirst) {
            self.bars = false;
        }
        let line = Line {
            server: self.primary,
            generation: self.log.current(),
        };
        let first = self.tellings.front();
        if first
            .is_some_and(|first| first.sent.is_some() && first.line.generation != line.generation)
        {
            self.seen.insert("told while another took over");
        }
        self.tellings.push_back(Telling::over(line.clone()));
        *(if beside {
            &mut self.beside
        } else {
            &mut self.line
        }) = Some(line);
    }

    fn tell(&mut self, most: usize, fails: bool) {
        // Another attempt, if a repetition has failed and the connection has not.
        if self.tellings.is_empty() && self.bars {
            let again = self.line.clone().map(Telling::over);
            self.tellings.extend(again);
        }
        let first = self.tellings.front_mut();
        let Some(telling) = first.filter(|telling| telling.sent.is_none()) else {
            return;
        };
        let pending = self
            .log
            .pending(telling.line.generation, telling.from, most, self.now);
        let Some(last) = pending.last() else {
            self.tellings.pop_front();
            return self.settle();
        };
        telling.from = last.number + 1;
        let arrives = if fails {
            pending.len() / 2
        } else {
            pending.len()
        };
        let numbers: Vec<u64> = pending.iter().map(|pending| pending.number).collect();
        let live = &mut self.servers[telling.line.server].live;
        for pending in &pending[..arrives] {
            let id = pending.end.id.expose().parse().expect("a number");
            if live.remove(&id) {
                self.seen.insert("told what had come back");
            }
        }
        telling.sent = Some((numbers[..arrives].to_vec(), numbers));
    }

    fn told(&mut self) {
        let Some(telling) = self.tellings.front_mut() else {
            return;
        };
        let Some((arrived, sent)) = telling.sent.take() else {
            return;
        };
        self.seen.insert(match arrived.len() {
            0 => "told nothing",
            some if some < sent.len() => "told half",
            _ => "told",
        });
        let counted = if self.log.is(Spoil::CountsTheUnanswered) {
            &sent
        } else {
            &arrived
        };
        self.log.applied(counted, telling.line.generation);
    }

    /// Ends a repetition: if the server has all ends, nothing is barred any more, and waiting callers are
    /// answered.
    fn settle(&mut self) {
        if self.log.is_settled() {
            self.bars = false;
            for ended in &mut self.ended {
                ended.is_reported = true;
            }
        }
    }

    /// Checks that no session is served whose end was reported, within the bounds.
    fn check(&mut self) -> Result<(), String> {
        let bound = self.ended.len().saturating_sub(self.log.limits().ids);
        for (number, ended) in self.ended.iter().enumerate() {
            let is_old = number < bound || self.now - ended.at > self.log.age();
            if is_old {
                self.seen.insert("an end out of the bound");
            }
            if is_old || !ended.is_reported || self.bars && self.log.has(&end(ended.id)) {
                continue;
            }
            for line in [&self.line, &self.beside].into_iter().flatten() {
                let is_used = line.generation == self.log.current();
                if is_used && self.servers[line.server].live.contains(&ended.id) {
                    return Err(format!("session {} is back", ended.id));
                }
            }
        }
        Ok(())
    }
}
