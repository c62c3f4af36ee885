//! The wire: a cookie's name, its signed value, and the two header fields (RFC 6265bis §4).

mod codec;
mod fault;
mod guessable;
mod key_ring;
mod name;
mod request;
mod set_cookie;
mod ticket;
mod verify_cache;

pub(crate) use fault::{CookieFault, fault_of};
pub use key_ring::{KeyError, KeyRing, cookie_value, sign, unsign};
pub(crate) use name::Prefix;
pub use name::{CookieName, CookieNameError};
#[cfg(test)]
pub(crate) use request::find;
pub(crate) use request::{Tickets, tickets};
pub use request::{cookie_pairs, decode_value, valid_tickets};
#[cfg(test)]
pub(crate) use set_cookie::serialize;
pub(crate) use set_cookie::{
    LONGEST_ATTRIBUTE, Life, fits_cookie, format_cookie, is_domain, is_path, reissue_cookie,
};
pub use set_cookie::{SetCookieError, clear_cookie, set_cookie};
pub use ticket::Ticket;
