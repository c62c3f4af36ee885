//! The wire: a cookie's name, its signed value, and the two header fields (RFC 6265bis §4).

mod codec;
mod header;
mod key_ring;
mod name;
mod set_cookie;
mod signed;
mod verified;

pub use header::Ticket;
pub(crate) use header::find;
pub use key_ring::{KeyError, KeyRing};
pub(crate) use name::Prefix;
pub use name::{CookieName, CookieNameError};
#[cfg(test)]
pub(crate) use set_cookie::serialize;
pub(crate) use set_cookie::{LONGEST_ATTRIBUTE, fits_cookie, is_domain, is_path, renew_cookie};
pub use set_cookie::{SetCookieError, clear_cookie, set_cookie};
pub use signed::{sign, unsign};
