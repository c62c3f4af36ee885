//! The defaults of a store, for one whose sessions change their ids while they are being ended.

use std::future::ready;
use std::sync::Mutex;

use super::{
    CasOutcome, NewRecord, Page, RecordText, RetiredId, Store, StoreErrorKind, StoreFuture,
    StoredRecord,
};
use crate::id::SessionId;
use crate::util::lock;

/// One session of one user, which gets another id after each of the next listings.
struct Moving {
    id: Mutex<Option<SessionId>>,
    moves: Mutex<u32>,
}

impl Moving {
    fn new(moves: u32) -> Self {
        Self {
            id: Mutex::new(Some(SessionId::random())),
            moves: Mutex::new(moves),
        }
    }
}

/// The methods that these tests do not call.
fn unused<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(ready(Err(StoreErrorKind::Unavailable.into())))
}

impl Store for Moving {
    fn list_by_user<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        let (mut id, mut moves) = (lock(&self.id), lock(&self.moves));
        let listed = id.iter().cloned().collect();
        if *moves > 0 {
            *moves -= 1;
            *id = Some(SessionId::random());
        }
        Box::pin(ready(Ok(listed)))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let ended = lock(&self.id).take_if(|present| present == id);
        Box::pin(ready(Ok(ended.is_some())))
    }

    fn get<'a>(&'a self, _: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        unused()
    }

    fn create<'a>(&'a self, _: &'a SessionId, _: &'a NewRecord) -> StoreFuture<'a, ()> {
        unused()
    }

    fn update<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        _: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        unused()
    }

    fn touch<'a>(
        &'a self,
        _: &'a SessionId,
        _: &'a RecordText,
        _: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        unused()
    }

    fn replace<'a>(
        &'a self,
        _: &'a SessionId,
        _: Option<&'a RecordText>,
        _: &'a SessionId,
        _: &'a NewRecord,
        _: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        unused()
    }

    fn scan<'a>(&'a self, _: Option<&'a str>, _: usize) -> StoreFuture<'a, Page> {
        unused()
    }
}

#[tokio::test]
async fn default_destroy_by_user_ends_a_session_that_changes_its_id_meanwhile() {
    for moves in [0, 1, 5] {
        let store = Moving::new(moves);
        assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
        assert_eq!(*lock(&store.id), None, "after {moves} changes of the id");
    }
}

#[tokio::test]
async fn default_destroy_by_user_keeps_one_and_reports_what_it_cannot_catch() {
    let store = Moving::new(0);
    let kept = lock(&store.id).clone();
    let ended = store.destroy_by_user("ada", kept.as_ref()).await;
    assert_eq!(ended.unwrap(), 0);
    assert_eq!(*lock(&store.id), kept);
    let error = Moving::new(u32::MAX).destroy_by_user("ada", None).await;
    assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Unavailable);
}
