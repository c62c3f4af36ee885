//! All sessions of a store, a page at a time: memory does not grow with their number.

use std::time::SystemTime;

use cloakroom::SessionId;
use cloakroom::manager::SessionSummary;
use cloakroom::store::{Store as _, StoreError, StoredRecord};

use super::filter::Filter;
use super::open::{Opened, failed};
use crate::problem::Problem;

/// Sessions of a page.
pub(super) const PAGE: usize = 500;

/// A session as it was read.
pub(super) struct Row {
    pub(super) id: SessionId,
    pub(super) summary: SessionSummary,
    /// `None` where the store cannot read it.
    pub(super) stored: Option<StoredRecord>,
}

/// The pages of a scan that match a filter.
pub(super) struct Scan<'a> {
    opened: &'a Opened,
    filter: &'a Filter,
    next: Option<String>,
    is_over: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(opened: &'a Opened, filter: &'a Filter) -> Self {
        Self {
            opened,
            filter,
            next: None,
            is_over: false,
        }
    }

    /// Returns the next page's sessions that match, maybe none; `None` after the last page.
    pub(super) async fn page(&mut self) -> Result<Option<Vec<Row>>, Problem> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(user) = &self.filter.user {
            self.is_over = true;
            return self
                .read_user(user)
                .await
                .map(Some)
                .map_err(|error| failed(&error));
        }
        let page = self
            .opened
            .store
            .scan_records(self.next.as_deref(), PAGE)
            .await;
        let page = page.map_err(|error| failed(&error))?;
        self.next = page.next;
        self.is_over = self.next.is_none();
        let rows = page
            .records
            .into_iter()
            .filter_map(|(id, stored)| self.row(id, stored.ok()));
        Ok(Some(rows.collect()))
    }

    /// Reads a user's sessions, which the store's index names.
    async fn read_user(&self, user: &str) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for id in self.opened.store.list_by_user(user).await? {
            let stored = self.opened.store.get_uncached(&id).await;
            if matches!(stored, Ok(None)) {
                continue;
            }
            rows.extend(self.row(id, stored.ok().flatten()));
        }
        Ok(rows)
    }

    fn row(&self, id: SessionId, stored: Option<StoredRecord>) -> Option<Row> {
        let (opened, now) = (self.opened, SystemTime::now());
        let summary = match &stored {
            Some(stored) => {
                SessionSummary::of(&opened.secrets, &opened.user_keys, &id, stored, now)?
            }
            None => SessionSummary::unreadable(&opened.secrets, &id),
        };
        let text = stored.as_ref().map(|stored| &stored.text);
        let matches = self.filter.matches(&summary, text, now);
        matches.then_some(Row {
            id,
            summary,
            stored,
        })
    }
}
