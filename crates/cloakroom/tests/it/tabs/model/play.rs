//! A sequence: its requests, and the comparison of the responses with the expected ones.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use cloakroom::ManualClock;
use cloakroom::store::Store;
use testbed::browser::{Answer, Ask, Browser, Flight, Held, Wire};

use super::oracle::{Begun, Cookie, Do, Expected, Id, Opens, Oracle};
use super::site::{MAX_SLOW, Site};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Visitor,
    /// Whoever has the cookies that the visitor had when they were stolen, or planted.
    Thief,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A request that nothing overtakes.
    Ask(Who, Do),
    /// Sends a request with the present cookies.
    Send(Who, Do),
    /// Delivers a sent request to the server, which answers it.
    Arrive(usize),
    /// An answer, or the rest of a request that the server has begun with, reaches the browser.
    Deliver(usize),
    Lose(usize),
    /// The server has begun with a request that will put a hat.
    BeginPut(Who),
    Wait(u64),
    Steal,
    /// An operator ends the sessions of a user.
    EndReason(u8),
}

/// A request that the server has.
enum Under {
    Answered(Flight, Expected),
    Begun(Flight, usize, Begun),
}

pub(super) struct Play {
    site: Site,
    clock: ManualClock,
    oracle: Oracle,
    visitor: Browser,
    thief: Browser,
    /// The number of each ticket that was sent to a client.
    tickets: HashMap<String, Id>,
    sent: Vec<(Held, Do)>,
    under_way: Vec<Under>,
    begun: usize,
    /// `true` once an event has occurred by which a visitor may lose a session.
    may_be_out: bool,
}

impl Play {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: &ManualClock,
        hashes_ids: bool,
        spoil: impl Fn(Wire) -> Wire,
    ) -> Self {
        let site = Site::open(store, clock, hashes_ids);
        let visitor = site.browser(spoil);
        Self {
            thief: visitor.copy(),
            visitor,
            site,
            clock: clock.clone(),
            oracle: Oracle::default(),
            tickets: HashMap::new(),
            sent: Vec::new(),
            under_way: Vec::new(),
            begun: 0,
            may_be_out: false,
        }
    }

    /// Plays all of a sequence, and lets what is under way then arrive.
    pub(super) async fn all(mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.step(*step)
                .await
                .map_err(|error| format!("{step:?}: {error}"))?;
        }
        while !self.sent.is_empty() {
            self.step(Step::Arrive(0)).await?;
        }
        while !self.under_way.is_empty() {
            self.step(Step::Deliver(0)).await?;
        }
        self.visitor_is_not_signed_out()
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Ask(who, what) => {
                let sent = self.hold(who, request(what));
                let Under::Answered(flight, expected) = self.arrive(sent, what).await else {
                    unreachable!("only BeginPut begins");
                };
                self.compare(&flight.deliver().await, &expected)?;
            }
            Step::Send(who, what) => {
                let sent = self.hold(who, request(what));
                self.sent.push((sent, what));
            }
            Step::Arrive(at) if !self.sent.is_empty() => {
                let (sent, what) = self.sent.remove(at % self.sent.len());
                let arrived = self.arrive(sent, what).await;
                self.under_way.push(arrived);
            }
            Step::Deliver(at) if !self.under_way.is_empty() => {
                let under_way = self.under_way.remove(at % self.under_way.len());
                self.deliver(under_way).await?;
            }
            Step::Lose(at) if !self.sent.is_empty() => {
                self.lose(at).await;
            }
            Step::BeginPut(who) if self.begun < MAX_SLOW => self.begin_put(who).await,
            Step::Wait(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.oracle.wait(seconds);
                // An answer may come after its id was forgotten.
                self.may_be_out |= !self.under_way.is_empty();
            }
            Step::Steal => self.thief = self.visitor.copy(),
            Step::EndReason(user) => {
                let name = super::name(user);
                let ended = self.site.manager.end_sessions_of(&name, None).await;
                ended.map_err(|error| error.to_string())?;
                self.oracle.end(user);
                self.may_be_out = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends a request with the cookies of now; one of the thief's may end the visitor's session.
    fn hold(&mut self, who: Who, ask: Ask) -> Held {
        let browser = match who {
            Who::Visitor => &self.visitor,
            Who::Thief => &self.thief,
        };
        self.may_be_out |= who == Who::Thief;
        browser.tab().hold(ask)
    }

    /// Lets a request reach the server, which answers it.
    async fn arrive(&mut self, sent: Held, what: Do) -> Under {
        let id = self.id_of(&sent);
        self.may_be_out |= what == Do::Logout || self.closes_unheard(id, what);
        let mut flight = sent.arrive();
        flight.answered().await;
        Under::Answered(flight, self.oracle.ask(id, what))
    }

    /// Returns `true` if a login closes an id whose cookie is still on its way to the browser, and may arrive
    /// there after the login's. The server cannot know its receiver, so the id must open nothing.
    fn closes_unheard(&self, id: Option<Id>, what: Do) -> bool {
        let Opens::Successor(session) = self.oracle.opens(id) else {
            return false;
        };
        let present = self.oracle.id_of(session);
        matches!(what, Do::Login(_)) && !self.tickets.values().any(|heard| *heard == present)
    }

    /// Lets one be answered, and the connection break.
    async fn lose(&mut self, at: usize) {
        let (sent, what) = self.sent.remove(at % self.sent.len());
        drop(self.arrive(sent, what).await);
        self.may_be_out = true;
    }

    async fn begin_put(&mut self, who: Who) {
        let at = self.begun;
        self.begun += 1;
        let ask = Ask::fetch(Method::POST, &format!("/put/{at}"));
        let sent = self.hold(who, ask);
        let begun = self.oracle.begin_put(self.id_of(&sent));
        let flight = sent.arrive();
        let has_session = self.site.slow[at].has_session.acquire().await;
        has_session.expect("it is never closed").forget();
        self.under_way.push(Under::Begun(flight, at, begun));
    }

    async fn deliver(&mut self, under_way: Under) -> Result<(), String> {
        let (flight, expected) = match under_way {
            Under::Answered(flight, expected) => (flight, expected),
            Under::Begun(mut flight, at, begun) => {
                self.site.slow[at].may_answer.add_permits(1);
                flight.answered().await;
                (flight, self.oracle.finish_put(begun))
            }
        };
        self.compare(&flight.deliver().await, &expected)
    }

    fn id_of(&self, sent: &Held) -> Option<Id> {
        let cookies = sent.cookies()?;
        let value = cookies.strip_prefix("connect.sid=")?;
        self.tickets.get(value).copied()
    }

    fn compare(&mut self, answer: &Answer, expected: &Expected) -> Result<(), String> {
        let status = answer.status.as_u16();
        let is_refused = match status {
            200 => false,
            409 => true,
            _ => return Err(format!("status {status}: {}", answer.body)),
        };
        if let Some(refused) = expected.is_refused {
            same("is refused", &is_refused, &refused)?;
        }
        if let Some(body) = &expected.body {
            same("sees", &answer.body, body)?;
        }
        let cookie = match answer.set_cookies().as_slice() {
            [] => Cookie::None,
            [one] => self.cookie(one, expected.cookie)?,
            several => return Err(format!("{} cookies", several.len())),
        };
        same("cookie", &cookie, &expected.cookie)
    }

    /// Reads a Set-Cookie field; a ticket that was not sent before has the expected number.
    fn cookie(&mut self, field: &str, expected: Cookie) -> Result<Cookie, String> {
        let value = field.split(';').next().unwrap_or_default();
        let value = value.strip_prefix("connect.sid=").ok_or("another cookie")?;
        if value.is_empty() {
            return Ok(Cookie::Cleared);
        }
        if let Some(id) = self.tickets.get(value) {
            return Ok(Cookie::New(*id));
        }
        let Cookie::New(id) = expected else {
            return Err(format!("a new cookie, {expected:?} expected"));
        };
        self.tickets.insert(value.to_owned(), id);
        Ok(expected)
    }

    /// Whoever has heard every answer is never left with a cookie that opens nothing.
    fn visitor_is_not_signed_out(&self) -> Result<(), String> {
        let jar = self.visitor.jar();
        let Some(value) = jar.value("connect.sid").filter(|_| !self.may_be_out) else {
            return Ok(());
        };
        let id = self.tickets.get(value).copied();
        match self.oracle.opens(id) {
            Opens::Session(_) | Opens::Successor(_) => Ok(()),
            nothing => Err(format!("the visitor's cookie opens {nothing:?}")),
        }
    }
}

fn same<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} {found:?}, not {expected:?}"))
}

fn request(what: Do) -> Ask {
    match what {
        Do::Look => Ask::page("/"),
        Do::Put => Ask::fetch(Method::POST, "/put"),
        Do::Login(user) => Ask::form(&format!("/login/{}", super::name(user)), &[]),
        Do::Logout => Ask::form("/logout", &[]),
        Do::Regenerate => Ask::form("/regenerate", &[]),
    }
}
