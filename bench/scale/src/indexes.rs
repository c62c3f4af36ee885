//! Size of the index of users: each session here has a user of its own, the most expensive case.

use std::sync::Arc;

use cloakroom::store::Store;

use crate::error::Failure;
use crate::fleet::{Fleet, fill};

/// Sessions in each of the two stores.
pub(crate) const SIZE: u32 = 100_000;

/// Bytes for each session without a user and with one, by the way that `bytes` counts them.
pub(crate) async fn cost(
    plain: Arc<dyn Store>,
    indexed: Arc<dyn Store>,
    tasks: u32,
    mut bytes: impl FnMut(Which) -> Result<u64, Failure>,
) -> Result<[u64; 2], Failure> {
    let mut each = [0; 2];
    // Both stay until the end: what the first gave back would be counted as free for the second.
    let mut kept = Vec::new();
    let stores = [(Which::Plain, plain), (Which::Indexed, indexed)];
    for (at, (which, store)) in stores.into_iter().enumerate() {
        let fleet = Fleet::new(store, SIZE);
        let fleet = match which {
            Which::Plain => fleet,
            Which::Indexed => fleet.with_users(),
        };
        let before = bytes(which)?;
        kept.push(fill(fleet, SIZE, tasks).await?);
        each[at] = bytes(which)?.saturating_sub(before) / u64::from(SIZE);
    }
    Ok(each)
}

/// The store that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Plain,
    Indexed,
}
