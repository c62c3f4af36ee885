//! All sessions of a store, a page at a time: memory does not grow with their number.

use std::sync::Arc;

use cloakroom::manager::SessionScan;

use super::filter::Filter;
use super::open::{Opened, failed};
use crate::problem::Problem;

/// Sessions of a page.
pub(super) const PAGE: usize = 500;

/// A session as it was read.
pub(super) use cloakroom::manager::FoundSession as Row;

/// The pages of a scan that match a filter.
pub(super) struct Scan(SessionScan);

impl Scan {
    pub(super) fn new(opened: &Opened, filter: &Filter) -> Self {
        let store = Arc::new(opened.store.clone());
        let (secrets, user_keys) = (opened.secrets.clone(), opened.user_keys.clone());
        let scan = SessionScan::new(store, secrets, user_keys, filter.of());
        Self(scan.page_of(PAGE).and_unindexed(opened.has_unindexed))
    }

    /// Returns the next page's sessions that match, maybe none; `None` after the last page.
    pub(super) async fn page(&mut self) -> Result<Option<Vec<Row>>, Problem> {
        self.0.page().await.map_err(|error| failed(&error))
    }
}
