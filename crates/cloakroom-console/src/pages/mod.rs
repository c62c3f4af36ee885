//! The pages: one file each, in one frame.

mod acts;
mod confirm;
mod entry;
mod frame;
mod list;
mod notice;
mod overview;
mod search;
mod session;
mod user;
pub(crate) mod words;

use std::time::SystemTime;

pub(crate) use acts::acts;
pub(crate) use confirm::{Confirmation, confirm, confirm_own};
pub(crate) use entry::entry;
pub(crate) use list::{Listing, list};
pub(crate) use notice::notice;
pub(crate) use overview::{Figures, overview};
pub(crate) use search::{Results, search};
pub(crate) use session::session;
pub(crate) use user::user;

use crate::console::Inner;
use crate::operator::{Operator, Right};

/// The facts of every page: the console, its operator, and the time.
pub(crate) struct View<'a> {
    pub(crate) console: &'a Inner,
    pub(crate) operator: &'a Operator,
    pub(crate) now: SystemTime,
}

impl<'a> View<'a> {
    pub(crate) fn new(console: &'a Inner, operator: &'a Operator) -> Self {
        Self {
            console,
            operator,
            now: SystemTime::now(),
        }
    }

    /// Returns the address of a page.
    fn to(&self, path: &str) -> String {
        self.console.address(path)
    }

    /// Returns the address of a page with parameters.
    fn with(&self, path: &str, fields: &[(&'static str, String)]) -> String {
        format!("{}?{}", self.to(path), crate::query::address(fields))
    }

    fn may(&self, right: Right) -> bool {
        self.operator.rights.has(right)
    }

    /// Returns the hidden field that binds a form to its operator.
    fn token(&self) -> maud::Markup {
        let token = self.console.form_token(self.operator);
        maud::html! { input type="hidden" name="_csrf" value=(token); }
    }
}
