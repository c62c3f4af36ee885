//! The way forward: pages of the source's sessions, stored at the target as the decisions say.

use std::collections::HashSet;
use std::time::{Instant, SystemTime};

use cloakroom::manager::SessionSummary;
use cloakroom::record::UserKeys;
use cloakroom::store::{ENDLESS, RecordPage, Store as _, StoreError, StoredRecord};
use cloakroom::{KeyRing, SessionId, Timestamp};
use futures_util::{StreamExt as _, stream};

use super::decide::{Forward, Known, Rules, There, Why, forward};
use super::digest::IdDigest;
use super::ends::{Ends, patiently};
use super::journal::{Entry, Journal, PageOutcome, Phase, Reject};
use super::pace::{Latency, due};
use super::report::Report;
use super::settings::{Endless, Ids, Settings};
use super::work::{Done, Item, Refused, Work, is_stored, unsure};
use crate::problem::{Problem, with_causes};
use crate::sessions::open::failed;

/// Sessions of a page.
pub(super) const PAGE: usize = 1_000;
/// A move under way.
pub(super) struct Mover {
    pub(super) ends: Ends,
    pub(super) journal: Journal,
    pub(super) settings: Settings,
    pub(super) user_keys: UserKeys,
    pub(super) secrets: KeyRing,
    pub(super) report: Report,
    pub(super) latency: Latency,
    /// Up to when the journal's time was counted.
    pub(super) counted: Instant,
    /// `true` if the target keeps the bytes of a record, once that is known.
    pub(super) reforms: Option<bool>,
}

impl Mover {
    /// Reads all sessions of the source from the journal's cursor on, and stores what is to be stored.
    pub(super) async fn forward(&mut self, rules: Rules) -> Result<(), Problem> {
        let (begin, mut done) = (Instant::now(), 0);
        let mut next = Some(self.journal.state.cursor.clone());
        let mut reading = next.take().map(|cursor| self.read_ahead(cursor));
        while let Some(read) = reading.take() {
            let (page, took) = read
                .await
                .map_err(|_| Problem::failed("the source's reader stopped: run this again"))?;
            let page = page.map_err(|error| failed(&error))?;
            let pause = self.latency.after(took);
            done += page.records.len() as u64;
            let cursor = page.next.clone();
            if pause.is_zero() && self.settings.rate.is_none() {
                reading = cursor.clone().map(|cursor| self.read_ahead(Some(cursor)));
            }
            self.page(rules, page).await?;
            let wait = due(self.settings.rate, done, begin.elapsed()).max(pause);
            tokio::time::sleep(wait).await;
            if reading.is_none() {
                reading = cursor.map(|cursor| self.read_ahead(Some(cursor)));
            }
        }
        Ok(())
    }

    /// Reads a page in a task of its own: while another is written, and timed by itself.
    fn read_ahead(
        &self,
        cursor: Option<String>,
    ) -> tokio::task::JoinHandle<(Result<RecordPage, StoreError>, std::time::Duration)> {
        let source = self.ends.source.clone();
        tokio::spawn(async move {
            let begin = Instant::now();
            let page = patiently(|| source.scan_records(cursor.as_deref(), PAGE));
            (page.await, begin.elapsed())
        })
    }

    async fn page(&mut self, rules: Rules, page: RecordPage) -> Result<(), Problem> {
        let next = page.next.filter(|next| !holds_an_id(next, &page.records));
        let mut outcome = PageOutcome::default();
        let read = page.records.len() as u64;
        let items = self.items(page.records, &mut outcome);
        let works = self.decide(rules, items, &mut outcome).await?;
        let works = self.intend(works)?;
        let done = self.carry_out(rules, works).await?;
        self.look_at_form(&done).await?;
        for (item, done) in done {
            self.note(&item, done, &mut outcome);
        }
        self.count_time();
        let state = &mut self.journal.state;
        state.current.read += read;
        // A pass begins at the beginning; the copy does not.
        state.cursor = next.filter(|_| state.phase == Phase::Copy);
        self.report
            .read(state.current.read, self.latency.backs_off());
        self.journal.commit(&outcome)
    }

    /// Adds the time since it was last counted: that of a killed command counts as well.
    pub(super) fn count_time(&mut self) {
        let spent = self.counted.elapsed();
        self.counted += spent;
        let spent = u64::try_from(spent.as_millis()).unwrap_or(0);
        let state = &mut self.journal.state;
        state.spent += spent;
        if state.phase == Phase::Copy {
            state.copy_spent += spent;
        }
    }

    /// Returns the sessions of a page that can be read, each once.
    fn items(
        &mut self,
        records: Vec<(SessionId, Result<StoredRecord, StoreError>)>,
        outcome: &mut PageOutcome,
    ) -> Vec<Item> {
        let mut met = HashSet::new();
        let mut items = Vec::with_capacity(records.len());
        for (id, stored) in records {
            let at_target = match self.settings.ids {
                Ids::Same => id.clone(),
                Ids::Hash => id.hashed_at_rest(),
            };
            let digest = self.journal.digester().id(&at_target);
            if !met.insert(digest) {
                continue;
            }
            outcome.passed.push(digest);
            let unreadable = || SessionSummary::unreadable(&self.secrets, &id).handle;
            match stored {
                Ok(stored) => items.push(Item {
                    id: at_target,
                    digest,
                    handle: unreadable(),
                    seen: self.journal.digester().seen(&stored),
                    stored,
                }),
                Err(error) => outcome.rejects.push((
                    digest,
                    Reject {
                        handle: unreadable(),
                        reason: format!("at the source: {}", with_causes(&error)),
                    },
                )),
            }
        }
        items
    }

    /// Decides about each, by what the target holds.
    async fn decide(
        &mut self,
        rules: Rules,
        items: Vec<Item>,
        outcome: &mut PageOutcome,
    ) -> Result<Vec<Work>, Problem> {
        let digests: Vec<IdDigest> = items.iter().map(|item| item.digest).collect();
        let entries = self.journal.entries(&digests)?;
        let now = Timestamp::from(SystemTime::now());
        let with_life = |(item, entry): (Item, Option<Entry>)| self.with_life(item, entry, now);
        let items: Vec<(Item, Option<Known>)> = items
            .into_iter()
            .zip(entries)
            .filter_map(with_life)
            .collect();
        let there = self.look(&items).await?;
        let mut works = Vec::new();
        for ((item, known), there) in items.into_iter().zip(there) {
            let decided = forward(rules, &item.seen, known.as_ref(), &there, now);
            works.push(Work {
                item,
                known,
                there,
                read: None,
                decided,
            });
        }
        let (to_read, decided): (Vec<Work>, Vec<Work>) = works
            .into_iter()
            .partition(|work| work.decided == Forward::Read);
        let mut works = self.read(rules, to_read).await?;
        for work in decided {
            match work.decided {
                Forward::Create => works.push(work),
                decided => self.note(&work.item, Ok(decided), outcome),
            }
        }
        Ok(works)
    }

    /// Returns a session with the life that it gets at the target; `None` for one that gets none.
    fn with_life(
        &mut self,
        mut item: Item,
        entry: Option<Entry>,
        now: Timestamp,
    ) -> Option<(Item, Option<Known>)> {
        let known = entry.map(|entry| entry.known);
        let tally = &mut self.journal.state.current;
        if item.stored.expires >= ENDLESS {
            tally.endless += 1;
            item.stored.expires = match (self.settings.endless, &known) {
                (Endless::Keep, _) => ENDLESS,
                (Endless::Skip, _) => {
                    tally.skipped += 1;
                    return None;
                }
                // It began when it was first copied.
                (Endless::For(_), Some(Known::Copied { copied, .. })) => copied.expires,
                (Endless::For(_), Some(Known::Intended { pending, .. })) => pending.expires,
                (Endless::For(life), _) => now.after(life),
            };
            item.seen.expires = item.stored.expires;
        }
        if item.stored.expires <= now {
            tally.expired += 1;
            return None;
        }
        Some((item, known))
    }

    /// Returns what the target holds of each, as far as it is known without their records: one round trip.
    ///
    /// A session that the journal does not know is taken for absent: the put will tell.
    async fn look(&self, items: &[(Item, Option<Known>)]) -> Result<Vec<There>, Problem> {
        let known = items.iter().filter(|(_, known)| known.is_some());
        let ids: Vec<SessionId> = known.map(|(item, _)| item.id.clone()).collect();
        let mut expiries = Vec::new();
        if !ids.is_empty() {
            let asked = patiently(|| self.ends.target.expiries(&ids));
            expiries = asked.await.map_err(|error| failed(&error))?;
        }
        let mut expiries = expiries.into_iter();
        let there = items.iter().map(|(_, known)| {
            let live_until = known.and_then(|_| expiries.next().flatten());
            live_until.map_or(There::Absent, There::Unread)
        });
        Ok(there.collect())
    }

    /// Reads the target's records, and decides again.
    async fn read(&self, rules: Rules, works: Vec<Work>) -> Result<Vec<Work>, Problem> {
        let (target, digester) = (&self.ends.target, self.journal.digester());
        let read = stream::iter(works).map(async |mut work: Work| {
            let stored = patiently(|| target.get_uncached(&work.item.id)).await;
            work.see(rules, digester, stored?);
            Ok::<Work, StoreError>(work)
        });
        let read: Vec<_> = read
            .buffer_unordered(self.settings.in_flight)
            .collect()
            .await;
        let works: Result<Vec<Work>, StoreError> = read.into_iter().collect();
        works.map_err(|error| failed(&error))
    }

    /// Enters what is about to be stored: a killed command must know that it may be there.
    fn intend(&mut self, mut works: Vec<Work>) -> Result<Vec<Work>, Problem> {
        let now = Timestamp::from(SystemTime::now());
        let mut entries = Vec::new();
        for work in &mut works {
            if work.writes() {
                let seen = work.item.seen;
                let intended = Known::intended(work.known.as_ref(), &work.there, seen, now);
                work.known = Some(intended);
                entries.push((work.item.digest, intended));
            }
        }
        if !entries.is_empty() {
            self.journal.enter(entries)?;
        }
        Ok(works)
    }

    async fn carry_out(
        &self,
        rules: Rules,
        works: Vec<Work>,
    ) -> Result<Vec<(Item, Done)>, Problem> {
        let (target, digester, keys) =
            (&self.ends.target, self.journal.digester(), &self.user_keys);
        let putting = stream::iter(works).map(async |work: Work| {
            let (item, done) = work.put(rules, target, digester, keys).await;
            done.map(|done| (item, done))
        });
        let done: Vec<_> = putting
            .buffer_unordered(self.settings.in_flight)
            .collect()
            .await;
        let done: Result<Vec<_>, StoreError> = done.into_iter().collect();
        done.map_err(|error| failed(&error))
    }

    /// Finds out once whether the target keeps the bytes of records.
    async fn look_at_form(&mut self, done: &[(Item, Done)]) -> Result<(), Problem> {
        let stored = done.iter().filter(|(_, done)| is_stored(done));
        let stored: Vec<&Item> = stored.map(|(item, _)| item).collect();
        if stored.is_empty() {
            return Ok(());
        }
        if self.reforms.is_none() {
            let mut differs = false;
            for item in stored.iter().take(50) {
                let read = patiently(|| self.ends.target.get_uncached(&item.id)).await;
                let read = read.map_err(|error| failed(&error))?;
                differs |= read.is_some_and(|read| read.text != item.stored.text);
            }
            self.reforms = Some(differs);
        }
        if self.reforms == Some(true) {
            self.journal.state.current.reformed += stored.len() as u64;
        }
        Ok(())
    }

    /// Notes what was done with a session.
    fn note(&mut self, item: &Item, done: Done, outcome: &mut PageOutcome) {
        match done {
            Ok(done) => {
                self.journal.state.current.count(done);
                let entry = done.entry(item.seen);
                outcome
                    .entries
                    .extend(entry.map(|known| (item.digest, known)));
                match done {
                    Forward::Leave(Why::Rejected) => outcome.still_rejected.push(item.digest),
                    Forward::Leave(Why::Unsure) => {
                        outcome.rejects.push((item.digest, unsure(&item.handle)));
                    }
                    _ => {}
                }
            }
            Err(Refused { reject, entry }) => {
                outcome.entries.push((item.digest, entry));
                outcome.rejects.push((item.digest, reject));
            }
        }
    }
}

/// Returns `true` if a cursor holds the id of a session, as those of some stores do.
fn holds_an_id(cursor: &str, records: &[(SessionId, Result<StoredRecord, StoreError>)]) -> bool {
    let is_number = cursor.bytes().all(|byte| byte.is_ascii_digit());
    !is_number || records.iter().any(|(id, _)| id.expose() == cursor)
}
