//! The checks, by what they look at.

mod common;
mod cookie;
mod mongodb;
mod postgres;
mod redis;
mod sqlite;
#[cfg(test)]
mod tests;

use super::check::Check;

/// Returns every check, in the order of the ids.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    let families = [
        common::CHECKS,
        redis::CHECKS,
        postgres::CHECKS,
        mongodb::CHECKS,
        sqlite::CHECKS,
        cookie::CHECKS,
    ];
    families.into_iter().flatten()
}

/// Returns `true` if a check concerns a store of this kind; `None`: no store was given.
pub(super) fn concerns(id: &str, kind: Option<&str>) -> bool {
    match (id.as_bytes().first(), kind) {
        (Some(b'C'), _) => true,
        (_, None | Some("memory")) => false,
        (Some(b'S'), _) => true,
        (Some(b'R'), Some(kind)) => kind == "redis",
        (Some(b'P'), Some(kind)) => kind == "postgres",
        (Some(b'M'), Some(kind)) => kind == "mongodb",
        (_, Some(kind)) => kind == "sqlite",
    }
}
