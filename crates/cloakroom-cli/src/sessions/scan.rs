//! All sessions of a store, a page at a time: memory does not grow with their number.

use std::sync::Arc;

use cloakroom::manager::SessionScan;
use cloakroom::store::Store as _;

use super::filter::Filter;
use super::open::{Opened, failed};
use crate::problem::Problem;

/// Sessions of a page.
pub(super) const PAGE: usize = 500;

/// A session as it was read.
pub(super) use cloakroom::manager::FoundSession as Row;

/// The pages of a scan that match a filter.
pub(super) struct Scan {
    scan: SessionScan,
    fit: Fit,
}

/// Sessions whose records tell under which secret they were signed in.
#[derive(Clone, Copy, Debug, Default)]
struct Fit {
    /// Under one of those that were given.
    own: u64,
    /// Under another.
    foreign: u64,
}

impl Scan {
    pub(super) fn new(opened: &Opened, filter: &Filter) -> Self {
        let store = Arc::new(opened.store.clone());
        let (secrets, user_keys) = (opened.secrets.clone(), opened.user_keys.clone());
        let scan = SessionScan::new(store, secrets, user_keys, filter.of());
        let has_unindexed = opened.store.has_unindexed();
        Self {
            scan: scan.page_of(PAGE).and_unindexed(has_unindexed),
            fit: Fit::default(),
        }
    }

    /// Returns the next page's sessions that match, maybe none; `None` after the last page.
    pub(super) async fn page(&mut self) -> Result<Option<Vec<Row>>, Problem> {
        let page = self.scan.page().await.map_err(|error| failed(&error))?;
        for row in page.iter().flatten() {
            self.fit.note(row.summary.fits_secret);
        }
        Ok(page)
    }

    /// Returns a line about secrets that are not the application's, judged by the sessions so far.
    pub(super) fn secret_fault(&self) -> Option<&'static str> {
        self.fit.fault()
    }
}

impl Fit {
    fn note(&mut self, fits: Option<bool>) {
        self.own += u64::from(fits == Some(true));
        self.foreign += u64::from(fits == Some(false));
    }

    /// Decides: one session that fits proves the secret, and without any that tells there is no proof.
    fn fault(self) -> Option<&'static str> {
        (self.own == 0 && self.foreign > 0).then_some(
            "these sessions were signed in under another secret: their handles are not those that the application \
             shows; give its SESSION_SECRET, or --secret-file",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Fit;

    #[test]
    fn one_session_that_fits_proves_the_secret() {
        let (own, foreign) = (Some(true), Some(false));
        for (fits, is_at_fault) in [
            (&[][..], false),
            (&[None, None], false),
            (&[foreign], true),
            (&[foreign, None, foreign], true),
            (&[foreign, own, foreign], false),
        ] {
            let mut fit = Fit::default();
            for fits in fits {
                fit.note(*fits);
            }
            assert_eq!(fit.fault().is_some(), is_at_fault, "{fits:?}");
        }
    }
}
