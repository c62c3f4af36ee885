//! Stores and answers with one error each, for the model to find.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, Request, Response};
use cloakroom::SessionId;
use cloakroom::record::RecordText;
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::{
    CasOutcome, NewRecord, RetiredId, Store, StoreFuture, StoreWrapper, StoredRecord,
};
use http_body_util::Full;
use testbed::browser::Wire;

/// The defects of a spoiled store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoil {
    /// Whoever has an id from before a login follows it.
    LoginsAreFollowed,
    /// Renewals end what tabs have under way.
    RenewalsAreClosed,
    /// Retired ids are known for longer than their minute.
    NeverForgets,
    /// No retired id is known.
    ForgetsAtOnce,
    /// A logout leaves nothing behind.
    LogoutsAreForgotten,
    /// An id that was renewed opens the session as if it had it still.
    RenewedOpens,
    /// An id that was closed still opens its session.
    ClosedOpens,
    /// An id that was replaced lives on.
    KeepsOld,
    /// An id leads to the session that was stored last.
    LeadsElsewhere,
    /// A closed id can be written to.
    ClosedIsWritten,
}

impl Spoil {
    pub(super) const ALL: [Self; 10] = [
        Self::LoginsAreFollowed,
        Self::RenewalsAreClosed,
        Self::NeverForgets,
        Self::ForgetsAtOnce,
        Self::LogoutsAreForgotten,
        Self::RenewedOpens,
        Self::ClosedOpens,
        Self::KeepsOld,
        Self::LeadsElsewhere,
        Self::ClosedIsWritten,
    ];
}

pub(super) struct SpoiledStore {
    store: MemoryStore,
    spoil: Spoil,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The successor of each replaced id.
    replaced: HashMap<SessionId, SessionId>,
    retired: HashMap<SessionId, RetiredId>,
    last: Option<SessionId>,
}

impl SpoiledStore {
    pub(super) fn new(store: MemoryStore, spoil: Spoil) -> Self {
        Self {
            store,
            spoil,
            seen: Mutex::default(),
        }
    }

    fn seen<T>(&self, see: impl FnOnce(&mut Seen) -> T) -> T {
        see(&mut self.seen.lock().unwrap())
    }

    /// Returns the session to which a defect leads an id that should open nothing.
    async fn opened(&self, id: &SessionId) -> Option<SessionId> {
        let retired = self.store.retired(id).await.ok()?;
        let opens = match retired {
            Some(RetiredId::Renewed(_)) => self.spoil == Spoil::RenewedOpens,
            Some(RetiredId::Closed) => {
                matches!(self.spoil, Spoil::ClosedOpens | Spoil::ClosedIsWritten)
            }
            None => false,
        };
        let to = self.seen(|seen| seen.replaced.get(id).cloned());
        to.filter(|_| opens)
    }

    fn noted(&self, new: &SessionId, retired: &RetiredId) -> RetiredId {
        let last = self.seen(|seen| seen.last.clone());
        match (self.spoil, retired) {
            (Spoil::LoginsAreFollowed, _) => RetiredId::Renewed(new.expose().to_owned()),
            (Spoil::RenewalsAreClosed, _) => RetiredId::Closed,
            (Spoil::LeadsElsewhere, RetiredId::Renewed(_)) => {
                let last = last.unwrap_or_else(|| new.clone());
                RetiredId::Renewed(last.expose().to_owned())
            }
            _ => retired.clone(),
        }
    }
}

impl StoreWrapper for SpoiledStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(async move {
            let found = self.store.get(id).await?;
            if found.is_some() || self.spoil == Spoil::ClosedIsWritten {
                return Ok(found);
            }
            match self.opened(id).await {
                Some(opened) => self.store.get(&opened).await,
                None => Ok(None),
            }
        })
    }

    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        StoreWrapper::get(self, id)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        self.seen(|seen| seen.last = Some(id.clone()));
        self.store.create(id, entry)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            match self.opened(id).await {
                Some(opened) if self.spoil == Spoil::ClosedIsWritten => {
                    self.store.destroy(&opened).await?;
                    self.store.create(&opened, entry).await?;
                    Ok(CasOutcome::Stored)
                }
                _ => self.store.update(id, read, entry).await,
            }
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        match self.spoil {
            Spoil::LogoutsAreForgotten => self.store.destroy(id),
            _ => self.store.retire(id),
        }
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        Box::pin(async move {
            let known = self.store.retired(id).await?;
            Ok(match self.spoil {
                Spoil::ForgetsAtOnce => None,
                Spoil::NeverForgets => self.seen(|seen| match known {
                    Some(known) => {
                        seen.retired.insert(id.clone(), known.clone());
                        Some(known)
                    }
                    None => seen.retired.get(id).cloned(),
                }),
                _ => known,
            })
        })
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            if self.spoil == Spoil::KeepsOld && read.is_some() {
                self.store.create(new, entry).await?;
                return Ok(CasOutcome::Stored);
            }
            let retired = self.noted(new, retired);
            let written = self.store.replace(old, read, new, entry, &retired).await?;
            if written == CasOutcome::Stored {
                self.seen(|seen| {
                    seen.replaced.insert(old.clone(), new.clone());
                    seen.retired.insert(old.clone(), retired);
                    seen.last = Some(new.clone());
                });
            }
            Ok(written)
        })
    }
}

/// The defects in the responses of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// A refusal clears the cookie, which by now may be another's.
    RefusalsClear,
    /// Whoever comes without a cookie that counts is sent the last one.
    LateIsSentACookie,
}

impl Answers {
    pub(super) const ALL: [Self; 2] = [Self::RefusalsClear, Self::LateIsSentACookie];
}

/// Spoils the answers that come by a wire.
pub(super) fn spoil_answers(wire: Wire, spoil: Answers) -> Wire {
    let last = Arc::new(Mutex::new(None::<HeaderValue>));
    Wire::service(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let (wire, last) = (wire.clone(), Arc::clone(&last));
        async move {
            let mut answer: Response<Full<Bytes>> = wire.carry(request).await?.map(Full::new);
            let mut last = last.lock().unwrap();
            if let Some(sent) = answer.headers().get(SET_COOKIE) {
                *last = Some(sent.clone());
            } else if spoil == Answers::LateIsSentACookie {
                let last = last.iter().map(|field| (SET_COOKIE, field.clone()));
                answer.headers_mut().extend(last);
            } else if answer.status() == 409 {
                let cleared = HeaderValue::from_static("connect.sid=; Path=/; Max-Age=0");
                answer.headers_mut().insert(SET_COOKIE, cleared);
            }
            Ok::<_, testbed::browser::Lost>(answer)
        }
    }))
}
