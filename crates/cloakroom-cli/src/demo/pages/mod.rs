//! The pages: one file each, in one frame.

mod admin;
mod cart;
mod devices;
mod failure;
mod frame;
mod how;
mod password;
mod profile;
mod shelf;
mod sign_in;
mod ticket;

pub(super) use admin::{Guest, Office, admin};
pub(super) use cart::cart;
pub(super) use devices::devices;
pub(super) use failure::failure;
pub(super) use how::how;
pub(super) use password::password;
pub(super) use profile::profile;
pub(super) use shelf::shelf;
pub(super) use sign_in::{SignIn, sign_in};

/// A number of things, counted.
fn things(count: u32) -> String {
    match count {
        0 => "empty".to_owned(),
        1 => "1 thing".to_owned(),
        count => format!("{count} things"),
    }
}
