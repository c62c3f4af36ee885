//! A model of the protocol of changing ids, without a store: the requests by client, id and time, and
//! their expected responses.

/// Seconds for which an id is known after it was retired.
const RETIRED_FOR: u64 = 60;
/// Seconds after which an id is renewed.
pub(super) const RENEWED_AFTER: u64 = 120;

/// The operations of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Do {
    Look,
    Put,
    Login(u8),
    Logout,
    Regenerate,
}

/// An id that the site has generated, by its number.
pub(super) type Id = usize;

/// The state of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The present id of this session.
    Of(usize),
    Renewed {
        to: Id,
        until: u64,
    },
    Closed {
        until: u64,
    },
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    user: Option<u8>,
    hat: bool,
    id: Id,
    /// Time at which it was given that id.
    renewed: u64,
}

/// The session that an id opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    Session(usize),
    /// The session that it was the id of before a renewal.
    Successor(usize),
    Closed,
    Nothing,
}

/// The cookie of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    None,
    New(Id),
    Cleared,
}

/// The expected response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) cookie: Cookie,
    /// The body of a page that shows the session.
    pub(super) body: Option<String>,
    /// `true` if its change is refused; `None` where the session ended while it ran, which is the
    /// handler's affair.
    pub(super) is_refused: Option<bool>,
}

impl Expected {
    fn done(cookie: Cookie) -> Self {
        Self {
            cookie,
            body: None,
            is_refused: Some(false),
        }
    }

    fn refused(is_refused: Option<bool>) -> Self {
        Self {
            is_refused,
            ..Self::done(Cookie::None)
        }
    }
}

/// A request within its handler: what its id opened, and the id that the session had then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    opened: Opens,
    came_by: Option<Id>,
    id: Option<Id>,
}

#[derive(Debug, Default)]
pub(super) struct Oracle {
    now: u64,
    ids: Vec<Known>,
    sessions: Vec<Session>,
}

impl Oracle {
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += seconds;
    }

    pub(super) fn opens(&self, id: Option<Id>) -> Opens {
        let Some(first) = id else {
            return Opens::Nothing;
        };
        let mut id = first;
        loop {
            match self.ids[id] {
                Known::Of(session) if id == first => return Opens::Session(session),
                Known::Of(session) => return Opens::Successor(session),
                Known::Renewed { to, until } if self.now < until => id = to,
                Known::Closed { until } if self.now < until => return Opens::Closed,
                // A successor that ended without a trace leaves its predecessors closed.
                _ if id != first => return Opens::Closed,
                _ => return Opens::Nothing,
            }
        }
    }

    /// The present id of a session.
    pub(super) fn id_of(&self, session: usize) -> Id {
        self.sessions[session].id
    }

    /// Takes a request that is handled in one step.
    pub(super) fn ask(&mut self, id: Option<Id>, what: Do) -> Expected {
        let opened = self.opens(id);
        match what {
            Do::Look => self.look(opened),
            Do::Put => self.put(id, opened),
            Do::Login(user) => Expected::done(self.login(id, opened, user)),
            Do::Logout => Expected::done(self.logout(id, opened)),
            Do::Regenerate => Expected::done(self.regenerate(id, opened)),
        }
    }

    fn look(&mut self, opened: Opens) -> Expected {
        let (cookie, body) = match opened {
            Opens::Session(at) | Opens::Successor(at) => (self.renew_if_due(opened), self.seen(at)),
            Opens::Closed | Opens::Nothing => (Cookie::None, super::seen("nobody", false)),
        };
        Expected {
            body: Some(body),
            ..Expected::done(cookie)
        }
    }

    fn put(&mut self, id: Option<Id>, opened: Opens) -> Expected {
        match opened {
            Opens::Session(at) | Opens::Successor(at) => {
                self.sessions[at].hat = true;
                Expected::done(self.renew_if_due(opened))
            }
            Opens::Closed => Expected::refused(Some(true)),
            Opens::Nothing => Expected::done(self.begin(id, None, true)),
        }
    }

    fn login(&mut self, id: Option<Id>, opened: Opens, user: u8) -> Cookie {
        let (Opens::Session(at) | Opens::Successor(at)) = opened else {
            let superseded = id.filter(|_| opened == Opens::Nothing);
            return self.begin(superseded, Some(user), false);
        };
        let session = &mut self.sessions[at];
        session.hat &= session.user.is_none_or(|before| before == user);
        session.user = Some(user);
        self.close(self.sessions[at].id);
        self.rename(at)
    }

    fn logout(&mut self, id: Option<Id>, opened: Opens) -> Cookie {
        if let Opens::Session(at) | Opens::Successor(at) = opened {
            self.close(self.sessions[at].id);
        }
        match opened {
            Opens::Session(_) => Cookie::Cleared,
            Opens::Nothing if id.is_some() => Cookie::Cleared,
            _ => Cookie::None,
        }
    }

    fn regenerate(&mut self, id: Option<Id>, opened: Opens) -> Cookie {
        match opened {
            Opens::Session(at) if self.sessions[at].user.is_some() => self.renew(at),
            Opens::Session(at) => {
                self.close(self.sessions[at].id);
                self.rename(at)
            }
            Opens::Successor(_) | Opens::Closed => Cookie::None,
            Opens::Nothing => self.begin(id, None, false),
        }
    }

    /// Takes a request that puts a hat, up to where it has its session.
    pub(super) fn begin_put(&self, came_by: Option<Id>) -> Begun {
        let opened = self.opens(came_by);
        let id = match opened {
            Opens::Session(at) | Opens::Successor(at) => Some(self.sessions[at].id),
            Opens::Closed | Opens::Nothing => None,
        };
        Begun {
            opened,
            came_by,
            id,
        }
    }

    /// The rest of it.
    pub(super) fn finish_put(&mut self, begun: Begun) -> Expected {
        match (begun.opened, self.opens(begun.id.or(begun.came_by))) {
            (Opens::Closed, _) => Expected::refused(Some(true)),
            (Opens::Nothing, Opens::Nothing) => self.put(begun.came_by, Opens::Nothing),
            (Opens::Session(_), now @ (Opens::Session(_) | Opens::Successor(_))) => {
                self.put(begun.came_by, now)
            }
            // It never learns of another id.
            (Opens::Successor(_), Opens::Session(at) | Opens::Successor(at)) => {
                self.put(begun.came_by, Opens::Successor(at))
            }
            _ => Expected::refused(None),
        }
    }

    /// Ends all sessions of a user, as an operator does: nothing is noted of their ids.
    pub(super) fn end(&mut self, user: u8) {
        for at in 0..self.sessions.len() {
            let session = self.sessions[at];
            if session.user == Some(user) && self.ids[session.id] == Known::Of(at) {
                self.ids[session.id] = Known::Nothing;
            }
        }
    }

    fn begin(&mut self, superseded: Option<Id>, user: Option<u8>, hat: bool) -> Cookie {
        if let Some(id) = superseded {
            self.close(id);
        }
        self.sessions.push(Session {
            user,
            hat,
            id: 0,
            renewed: 0,
        });
        self.rename(self.sessions.len() - 1)
    }

    fn renew_if_due(&mut self, opened: Opens) -> Cookie {
        match opened {
            Opens::Session(at) if self.now >= self.sessions[at].renewed + RENEWED_AFTER => {
                self.renew(at)
            }
            _ => Cookie::None,
        }
    }

    fn renew(&mut self, at: usize) -> Cookie {
        let (old, to) = (self.sessions[at].id, self.ids.len());
        let until = self.now + RETIRED_FOR;
        self.ids[old] = Known::Renewed { to, until };
        self.rename(at)
    }

    fn close(&mut self, id: Id) {
        let until = self.now + RETIRED_FOR;
        self.ids[id] = Known::Closed { until };
    }

    fn rename(&mut self, at: usize) -> Cookie {
        let id = self.ids.len();
        self.ids.push(Known::Of(at));
        let session = &mut self.sessions[at];
        (session.id, session.renewed) = (id, self.now);
        Cookie::New(id)
    }

    fn seen(&self, at: usize) -> String {
        let Session { user, hat, .. } = self.sessions[at];
        let user = user.map(super::name);
        super::seen(user.as_deref().unwrap_or("nobody"), hat)
    }
}
