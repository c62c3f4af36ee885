//! The console: a store, the secrets of its handles, its operators and what it has counted.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cloakroom::cookie::{sign, unsign};
use cloakroom::manager::{FoundSession, SessionFilter, SessionScan};
use cloakroom::record::UserKeys;
use cloakroom::store::{Store, StoreError};
use cloakroom::{KeyRing, Manager, SessionId};
use futures_util::future::join_all;

use crate::acts::ActLog;
use crate::entry::Entry;
use crate::events::SessionEvents;
use crate::inventory::Inventory;
use crate::operator::{Operator, Operators};

/// Time after a request for which the background counts go on.
pub(crate) const LOOKED_FOR: Duration = Duration::from_mins(2);
/// Records that a page of a scan reads.
pub(crate) const PAGE: usize = 500;
/// Sessions that are read at the same time.
const READS: usize = 32;
/// Handles and cursors that are remembered.
const REMEMBERED: usize = 4_096;

/// An operators' console over the sessions of a store: settings first, then [`router`](crate::router).
#[derive(Clone)]
pub struct Console(pub(crate) Arc<Inner>);

/// The settings of a [`Console`].
pub struct ConsoleBuilder(Inner);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    secrets: KeyRing,
    user_keys: UserKeys,
    pub(crate) operators: Arc<dyn Operators>,
    pub(crate) entry: Option<Entry>,
    pub(crate) acts: ActLog,
    pub(crate) hosts: Vec<String>,
    pub(crate) base: String,
    pub(crate) rate: u32,
    pub(crate) events: Option<SessionEvents>,
    pub(crate) inventory: Inventory,
    looked_at: Mutex<Option<Instant>>,
    started: OnceLock<()>,
    shown: Mutex<VecDeque<(String, SessionId)>>,
    pub(crate) cursors: Mutex<VecDeque<(String, Rest)>>,
}

/// The rest of a listing, under a name that its page has: a store's cursor may contain an id.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) ids: Vec<SessionId>,
    pub(crate) cursor: Option<String>,
    pub(crate) shown: u64,
}

impl Console {
    /// Begins a console over the sessions of an application, by the store and the secrets of its manager.
    pub fn of(manager: &Manager, operators: impl Operators) -> ConsoleBuilder {
        let secrets = manager.policy().keys().clone();
        ConsoleBuilder::new(Arc::clone(manager.store()), secrets, Arc::new(operators))
    }

    /// Begins a console beside the programs that serve. Handles are made with `secrets`, those of the application.
    pub fn over(store: Arc<dyn Store>, secrets: KeyRing, entry: Entry) -> ConsoleBuilder {
        let mut builder = ConsoleBuilder::new(store, secrets, Arc::new(entry.clone()));
        builder.0.entry = Some(entry);
        builder
    }
}

impl ConsoleBuilder {
    fn new(store: Arc<dyn Store>, secrets: KeyRing, operators: Arc<dyn Operators>) -> Self {
        Self(Inner {
            store,
            secrets,
            user_keys: UserKeys::default(),
            operators,
            entry: None,
            acts: ActLog::in_memory(),
            hosts: Vec::new(),
            base: String::new(),
            rate: 5_000,
            events: None,
            inventory: Inventory::default(),
            looked_at: Mutex::default(),
            started: OnceLock::new(),
            shown: Mutex::default(),
            cursors: Mutex::default(),
        })
    }

    /// Sets the record of operators' acts. Default: one that ends with the process.
    #[must_use]
    pub fn acts(mut self, acts: ActLog) -> Self {
        self.0.acts = acts;
        self
    }

    /// Sets the keys under which records name their user. Default: `userId`, `passport.user`.
    #[must_use]
    pub fn user_keys(mut self, keys: UserKeys) -> Self {
        self.0.user_keys = keys;
        self
    }

    /// Sets the hosts, with their ports, by which the console is known; all others are refused, which DNS rebinding
    /// needs. Default: any, which the application's own server decides.
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.0.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the path below which the router is nested, `/console`. Default: none.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.0.base);
        self
    }

    /// Sets the number of sessions that the inventory reads in a second at most. Default: 5,000, a hundredth of
    /// what Redis answers.
    #[must_use]
    pub fn scan_rate(mut self, sessions: u32) -> Self {
        self.0.rate = sessions;
        self
    }

    /// Sets the counts of this process's manager, for exact figures by the minute. Default: none.
    #[must_use]
    pub fn events(mut self, events: SessionEvents) -> Self {
        self.0.events = Some(events);
        self
    }

    /// Returns the console.
    pub fn build(self) -> Console {
        self.0.store.set_user_keys(&self.0.user_keys);
        Console(Arc::new(self.0))
    }
}

impl Inner {
    /// Notes that somebody looks; returns `true` for the first time.
    pub(crate) fn note_look(&self) -> bool {
        *lock(&self.looked_at) = Some(Instant::now());
        self.started.set(()).is_ok()
    }

    /// Returns a text that changes with what the pages show: an act, or another inventory.
    pub(crate) fn revision(&self) -> String {
        let counted = self.inventory.stock().map(|stock| stock.at);
        let since = counted.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let acts = *self.acts.written().borrow();
        format!("{acts}/{}", since.unwrap_or_default().as_millis())
    }

    /// Returns the address of a page: a nested router has no slash at its own end.
    pub(crate) fn address(&self, path: &str) -> String {
        match path {
            "/" if !self.base.is_empty() => self.base.clone(),
            path => format!("{}{path}", self.base),
        }
    }

    pub(crate) fn was_looked_at(&self, within: Duration) -> bool {
        lock(&self.looked_at).is_some_and(|at| at.elapsed() < within)
    }

    /// Returns the pages of what matches a filter, about `size` records each, from a cursor on.
    pub(crate) fn matching(
        &self,
        filter: SessionFilter,
        size: usize,
        cursor: Option<String>,
    ) -> Matching<'_> {
        let scan = self.scan(filter.clone()).page_of(size);
        let scan = match cursor {
            Some(cursor) => scan.from_cursor(cursor),
            None => scan,
        };
        Matching {
            console: self,
            filter,
            scan,
            is_over: false,
        }
    }

    /// Returns the pages of a scan, by the store alone.
    pub(crate) fn scan(&self, filter: SessionFilter) -> SessionScan {
        let (store, secrets) = (Arc::clone(&self.store), self.secrets.clone());
        SessionScan::new(store, secrets, self.user_keys.clone(), filter)
    }

    /// Reads a session past every cache; `None` if it is not live.
    pub(crate) async fn read(&self, id: &SessionId) -> Result<Option<FoundSession>, StoreError> {
        let stored = match self.store.get_uncached(id).await {
            Ok(None) => return Ok(None),
            Ok(stored) => stored,
            Err(error) if error.kind() == cloakroom::store::StoreErrorKind::Corrupt => None,
            Err(error) => return Err(error),
        };
        let found = FoundSession::of(
            &self.secrets,
            &self.user_keys,
            id.clone(),
            stored,
            SystemTime::now(),
        );
        Ok(found)
    }

    /// Reads those that are live of some sessions, once each, some at a time.
    pub(crate) async fn read_all(
        &self,
        mut ids: Vec<SessionId>,
    ) -> Result<Vec<FoundSession>, StoreError> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        ids.retain(|id| seen.insert(id.clone()));
        for some in ids.chunks(READS) {
            for session in join_all(some.iter().map(|id| self.read(id))).await {
                found.extend(session?);
            }
        }
        Ok(found)
    }

    /// Returns `true` if the store's index, or the inventory, has sessions of a user.
    pub(crate) async fn knows(&self, user: &str) -> Result<bool, StoreError> {
        let counted = self.inventory.stock();
        let is_counted = counted.is_some_and(|stock| stock.value.tally.has_user(user));
        Ok(is_counted || !self.store.list_by_user(user).await?.is_empty())
    }

    /// Reads a user's sessions: those that the store's index names, and those that the inventory has seen besides.
    pub(crate) async fn sessions_of(&self, user: &str) -> Result<Vec<FoundSession>, StoreError> {
        let mut ids = self.store.list_by_user(user).await?;
        if let Some(stock) = self.inventory.stock() {
            ids.extend(stock.value.tally.ids_of(user));
        }
        let mut found = self.read_all(ids).await?;
        found.retain(|session| session.summary.user.as_deref() == Some(user));
        found.sort_by_key(|session| std::cmp::Reverse(session.summary.last_seen));
        self.remember(&found);
        Ok(found)
    }

    /// Finds the session of a handle: among a user's, those that were shown, and those of the inventory; else by a
    /// scan.
    pub(crate) async fn find(
        &self,
        handle: &str,
        user: Option<&str>,
    ) -> Result<Option<FoundSession>, StoreError> {
        let stock = self.inventory.stock();
        let counted = stock.and_then(|stock| stock.value.tally.id_of(handle));
        for id in [self.recall(handle), counted].into_iter().flatten() {
            let found = self.read(&id).await?;
            if let Some(found) = found.filter(|found| found.summary.is_called(handle)) {
                return Ok(Some(found));
            }
        }
        let filter = SessionFilter {
            user: user.map(str::to_owned),
            ..SessionFilter::default()
        };
        let mut pages = self.matching(filter, PAGE, None);
        while let Some(page) = pages.page().await? {
            let mut page = page.into_iter();
            let found = page.find(|found| found.summary.is_called(handle));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Remembers where sessions are that a page shows.
    pub(crate) fn remember(&self, found: &[FoundSession]) {
        let mut shown = lock(&self.shown);
        for session in found {
            shown.push_back((session.summary.handle.clone(), session.id.clone()));
        }
        let excess = shown.len().saturating_sub(REMEMBERED);
        shown.drain(..excess);
    }

    fn recall(&self, handle: &str) -> Option<SessionId> {
        let shown = lock(&self.shown);
        let found = shown.iter().rev().find(|(known, _)| known == handle);
        found.map(|(_, id)| id.clone())
    }

    /// Keeps the rest of a listing, and returns its name.
    pub(crate) fn keep_rest(&self, rest: Rest) -> String {
        let name = SessionId::random().expose().to_owned();
        let mut cursors = lock(&self.cursors);
        cursors.push_back((name.clone(), rest));
        let excess = cursors.len().saturating_sub(REMEMBERED);
        cursors.drain(..excess);
        name
    }

    pub(crate) fn rest(&self, name: &str) -> Option<Rest> {
        let cursors = lock(&self.cursors);
        let found = cursors.iter().find(|(known, _)| known == name);
        found.map(|(_, rest)| rest.clone())
    }

    /// Returns the token of an operator's forms.
    pub(crate) fn form_token(&self, operator: &Operator) -> String {
        let signed = sign(&form_text(operator), &self.secrets);
        signed.rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// Returns `true` if a form has the operator's token.
    pub(crate) fn accepts(&self, operator: &Operator, token: &str) -> bool {
        let text = form_text(operator);
        unsign(&format!("{text}.{token}"), &self.secrets) == Some(&*text)
    }
}

/// The pages of what matches a filter: a user's sessions are those of [`Inner::sessions_of`].
pub(crate) struct Matching<'a> {
    console: &'a Inner,
    filter: SessionFilter,
    scan: SessionScan,
    is_over: bool,
}

impl Matching<'_> {
    /// Returns the next page's sessions that match, maybe none; `None` after the last page.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<FoundSession>>, StoreError> {
        if self.is_over() {
            return Ok(None);
        }
        let Some(user) = self.filter.user.clone() else {
            return self.scan.page().await;
        };
        let mut found = self.console.sessions_of(&user).await?;
        self.is_over = true;
        let now = SystemTime::now();
        found.retain(|found| {
            let text = found.stored.as_ref().map(|stored| &stored.text);
            self.filter.matches(&found.summary, text, now)
        });
        Ok(Some(found))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over || self.scan.is_over()
    }

    /// Returns the store's cursor of the next page.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.scan.cursor().map(str::to_owned)
    }
}

/// Returns the text that a form's token signs; no cookie is signed that begins so.
fn form_text(operator: &Operator) -> String {
    format!("console form {} {}", operator.login, operator.name)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("base", &self.0.base)
            .field("hosts", &self.0.hosts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder").finish_non_exhaustive()
    }
}
