//! The ends that follow: what the source has no more ends at the target.

use std::time::SystemTime;

use cloakroom::store::{RetiredId, Store as _, StoreError};
use cloakroom::{SessionId, Timestamp};
use futures_util::{StreamExt as _, stream};

use super::decide::{AtSource, Backward, Known, are_plausible, backward, minute_before};
use super::ends::patiently;
use super::mover::{Mover, PAGE};
use super::settings::Ids;
use crate::problem::Problem;
use crate::sessions::open::failed;

/// The purpose of a look at the target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// To count what would end.
    Count,
    /// To end it.
    End,
}

/// The occasion of a look at the target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The pass before has missed a session.
    Missed,
    Always,
}

impl Mover {
    /// Ends at the target what this pass has not met at the source, and is not there any more.
    ///
    /// # Errors
    ///
    /// If that would be too much to be true; nothing has ended then.
    pub(super) async fn end(&mut self, when: When) -> Result<(), Problem> {
        if when == When::Missed && self.journal.missed(minute_before(now()))? == 0 {
            return Ok(());
        }
        let (missed, all) = (self.journal.missed(now())?, self.journal.copied()?);
        let allowed = self.settings.allow_ends;
        if !are_plausible(missed, all, allowed) {
            // Some of them may be gone at both.
            let would_end = self.look_through(Look::Count).await?;
            if !are_plausible(would_end, all, allowed) {
                return Err(Problem::failed(format!(
                    "{would_end} of {all} sessions are gone at the source since the last pass, and none was ended at the target: \
                     if the source was emptied, start it again; if they did end, add --allow-ends {would_end}"
                )));
            }
        }
        self.look_through(Look::End).await.map(drop)
    }

    /// Goes through the target's sessions; returns how many ended, or would.
    async fn look_through(&mut self, look: Look) -> Result<u64, Problem> {
        let (mut cursor, mut ended) = (None::<String>, 0);
        loop {
            let target = &self.ends.target;
            let page = patiently(|| target.scan_records(cursor.as_deref(), PAGE));
            let page = page.await.map_err(|error| failed(&error))?;
            let ids = page.records.into_iter().map(|(id, _)| id).collect();
            ended += self.page_of_target(look, ids).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(ended);
            }
        }
    }

    async fn page_of_target(&mut self, look: Look, ids: Vec<SessionId>) -> Result<u64, Problem> {
        let digests: Vec<_> = ids
            .iter()
            .map(|id| self.journal.digester().id(id))
            .collect();
        let entries = self.journal.entries(&digests)?;
        let pass = self.journal.state.pass;
        let mut unmet = Vec::new();
        for ((id, digest), entry) in ids.into_iter().zip(digests).zip(entries) {
            let passed = match entry {
                Some(entry) if entry.pass == pass => AtSource::Passed,
                _ => AtSource::NotPassed,
            };
            let known = entry.map(|entry| entry.known);
            match backward(known.as_ref(), passed, now()) {
                Backward::Leave => {}
                Backward::AskSource | Backward::End => unmet.push((id, digest, known)),
            }
        }
        let asked = stream::iter(unmet).map(async |(id, digest, known)| {
            let ended = self.end_one(look, &id, known.as_ref()).await;
            ended.map(|ended| (digest, ended))
        });
        let asked: Vec<Result<_, StoreError>> = asked
            .buffer_unordered(self.settings.in_flight)
            .collect()
            .await;
        let mut entries = Vec::new();
        for asked in asked {
            let (digest, ended) = asked.map_err(|error| failed(&error))?;
            entries.extend(ended.then_some((digest, Known::EndedAtSource)));
        }
        let ended = entries.len() as u64;
        if look == Look::End && ended > 0 {
            self.journal.state.current.ended += ended;
            self.journal.enter(entries)?;
        }
        Ok(ended)
    }

    /// Ends a session if the source has it no more; `true` if it has ended, or would.
    async fn end_one(
        &self,
        look: Look,
        id: &SessionId,
        known: Option<&Known>,
    ) -> Result<bool, StoreError> {
        let (at_source, reason) = match self.settings.ids {
            Ids::Same => self.ends.at_source(id).await?,
            // The source cannot be asked for a hash; a scan has passed all that live.
            Ids::Hash => (AtSource::Gone, RetiredId::Closed),
        };
        if backward(known, at_source, now()) != Backward::End {
            return Ok(false);
        }
        if look == Look::End {
            let target = &self.ends.target;
            patiently(|| target.retire_as(id, &reason)).await?;
        }
        Ok(true)
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
