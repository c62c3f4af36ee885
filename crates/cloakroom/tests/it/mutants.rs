//! Z2: stores with one fault each, as they are made in a hurry: a named rule of the conformance suite finds each
//! of them, and says what it asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::record::RecordText;
use cloakroom::store::conformance::{self, Advice, Subject};
use cloakroom::store::memory::{MemoryLimit, MemoryStore};
use cloakroom::store::{
    CasOutcome, NewRecord, Page, PutIf, PutOutcome, RecordPage, RetiredId, Store, StoreError,
    StoreErrorKind, StoreFuture, StoreWrapper, StoredRecord,
};
use cloakroom::{ManualClock, SessionId, Timestamp};
use futures_util::future::BoxFuture;

use crate::support::clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    UsersByPrefix,
    UsersRegardlessOfCase,
    UsersWithoutBlanks,
    UsersWithoutAccents,
    UsersUpToNul,
    UsersByPattern,
    IdsRegardlessOfCase,
    IdsCut,
    CreateOverwrites,
    UpdateIsBlind,
    UpdateCreates,
    UpdateNeverShortens,
    UpdateLeavesTheIndex,
    TouchMovesNothingAfterAChange,
    TouchMovesNothing,
    TouchLosesAChange,
    TouchCreates,
    TouchMovesBack,
    TheInstantIsLive,
    TheExpiredIsRead,
    ThePastIsSeen,
    PruneSaysNothing,
    PruneTakesAll,
    ScanIgnoresItsLimit,
    ScanOverlaps,
    ScanMissesOne,
    ScanFailsOnACursor,
    CountsTheExpired,
    CountsNothing,
    DestroySaysAlwaysTrue,
    DestroyDoesNothing,
    DestroyRetires,
    KeepIsNotKept,
    OneIsCountedTooMany,
    OneIsLeft,
    ReplaceLeavesTheOld,
    ReplaceIsBlind,
    ReplaceOverwrites,
    ReplaceLeavesNoNote,
    ReplaceOnceMore,
    RetireLeavesNoNote,
    LivingIsOutOfOrder,
    LivingSaysWhatIsGone,
    TextIsRewritten,
    RecordsMissOne,
    RecordsHaveAnotherEnd,
    RecordsIgnoreTheirLimit,
    RecordsAreTouched,
    PutOverwrites,
    PutRevives,
    PutIsBlind,
    PutCreates,
    PutNeverShortens,
    PutIgnoresATouch,
    PutRefusesThePast,
    PutEndsInAYear,
    PutLeavesTheIndex,
    PutInTwoSteps,
    PutRevivesInARace,
    RetireAsLeavesNoNote,
}

use Fault as F;

/// A store in memory with one fault.
struct Mutant {
    store: MemoryStore,
    fault: Fault,
    clock: ManualClock,
    /// Lists a user's sessions as a careless index has them.
    users: Mutex<HashMap<SessionId, Vec<String>>>,
    last_page: Mutex<Vec<SessionId>>,
}

impl Mutant {
    fn new(fault: Fault, clock: &ManualClock) -> Self {
        Self {
            store: MemoryStore::with(MemoryLimit::default(), clock.clone()),
            fault,
            clock: clock.clone(),
            users: Mutex::default(),
            last_page: Mutex::default(),
        }
    }

    /// The id under which it is stored.
    fn key(&self, id: &SessionId) -> SessionId {
        match self.fault {
            F::IdsRegardlessOfCase => SessionId::from_store(&id.expose().to_lowercase()),
            F::IdsCut => SessionId::from_store(id.expose().get(..34).unwrap_or(id.expose())),
            _ => id.clone(),
        }
    }

    /// Returns the part of an entry that is stored.
    fn entry(&self, id: &SessionId, entry: &NewRecord) -> NewRecord {
        self.users
            .lock()
            .unwrap()
            .insert(id.clone(), entry.users.clone());
        let mut entry = entry.clone();
        let is_past = entry.expires <= self.clock.now();
        entry.expires = match self.fault {
            F::TheInstantIsLive => entry.expires.after(Duration::from_millis(1)),
            F::TheExpiredIsRead if !is_past => entry.expires.after(Duration::from_hours(1)),
            F::ThePastIsSeen if is_past => self.clock.now().after(Duration::from_hours(1)),
            _ => entry.expires,
        };
        if self.fault == F::TextIsRewritten {
            let value: serde_json::Value = serde_json::from_str(&entry.text).unwrap_or_default();
            entry.text = value.to_string().into();
        }
        entry
    }

    /// Compares a name in the index with the requested one, carelessly.
    fn is(&self, name: &str, asked: &str) -> bool {
        let plain = |name: &str| name.replace("e\u{301}", "e").replace('é', "e");
        match self.fault {
            F::UsersByPrefix => name.starts_with(asked),
            F::UsersRegardlessOfCase => name.to_lowercase() == asked.to_lowercase(),
            F::UsersWithoutBlanks => name.trim() == asked.trim(),
            F::UsersWithoutAccents => plain(name) == plain(asked),
            F::UsersUpToNul => Some(name) == asked.split('\0').next(),
            F::UsersByPattern => {
                let alike =
                    |(one, asked): (char, char)| one == asked || asked == '_' || asked == '%';
                name.chars().count() == asked.chars().count()
                    && name.chars().zip(asked.chars()).all(alike)
            }
            _ => name == asked,
        }
    }

    async fn careless_index(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let named: Vec<SessionId> = {
            let users = self.users.lock().unwrap();
            let of = users
                .iter()
                .filter(|(_, names)| names.iter().any(|name| self.is(name, user)));
            of.map(|(id, _)| id.clone()).collect()
        };
        let mut live = Vec::new();
        for id in named {
            if self.store.get(&id).await?.is_some() {
                live.push(id);
            }
        }
        Ok(live)
    }

    async fn lengthen(&self, id: &SessionId, stored: &StoredRecord) -> Result<(), StoreError> {
        let entry = NewRecord {
            text: stored.text.clone(),
            expires: stored.expires.after(Duration::from_mins(30)),
            users: Vec::new(),
        };
        self.store.touch(id, &stored.text, &entry).await.map(drop)
    }

    async fn careless_put(
        &self,
        id: &SessionId,
        mut entry: NewRecord,
        mut condition: PutIf,
    ) -> Result<PutOutcome, StoreError> {
        let stored = self.store.get(id).await?;
        let is_absent = condition == PutIf::Absent;
        match (self.fault, &stored) {
            (F::PutOverwrites, Some(_)) if is_absent => drop(self.store.destroy(id).await?),
            (F::PutRevives, _) if is_absent => {
                let created = self.store.create(id, &entry).await;
                return Ok(match (created, stored) {
                    (Err(_), Some(stored)) => PutOutcome::Conflict(stored),
                    _ => PutOutcome::Stored,
                });
            }
            (F::PutIsBlind, Some(stored)) if !is_absent => {
                condition = PutIf::Text(stored.text.clone());
            }
            (F::PutCreates, None) => condition = PutIf::Absent,
            (F::PutNeverShortens, Some(stored)) => {
                entry.expires = entry.expires.max(stored.expires);
            }
            (F::PutRefusesThePast, _) if entry.expires <= self.clock.now() => {
                return Err(StoreErrorKind::Invalid.into());
            }
            (F::PutEndsInAYear, _) => {
                let year = self.clock.now().after(Duration::from_hours(24 * 365));
                entry.expires = entry.expires.min(year);
            }
            (F::PutLeavesTheIndex, _) => entry.users.clear(),
            (F::PutInTwoSteps, _) => {
                if is_absent == stored.is_some() {
                    return Ok(stored.map_or(PutOutcome::NotFound, PutOutcome::Conflict));
                }
                self.yields().await;
                self.store.destroy(id).await?;
                let _ = self.store.create(id, &entry).await;
                return Ok(PutOutcome::Stored);
            }
            (F::PutRevivesInARace, _) if is_absent => {
                if self.store.retired(id).await?.is_some() {
                    return Ok(PutOutcome::Retired);
                }
                self.yields().await;
                let created = self.store.create(id, &entry).await;
                return Ok(match stored {
                    Some(stored) if created.is_err() => PutOutcome::Conflict(stored),
                    _ => PutOutcome::Stored,
                });
            }
            _ => {}
        }
        if let (F::PutIgnoresATouch, PutIf::Unchanged(read)) = (self.fault, &condition) {
            condition = PutIf::Text(read.text.clone());
        }
        self.store.put(id, &entry, &condition).await
    }

    /// Lets others go ahead.
    async fn yields(&self) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    fn has_careless_index(&self) -> bool {
        [
            F::UsersByPrefix,
            F::UsersRegardlessOfCase,
            F::UsersWithoutBlanks,
            F::UsersWithoutAccents,
            F::UsersUpToNul,
            F::UsersByPattern,
        ]
        .contains(&self.fault)
    }
}

impl StoreWrapper for Mutant {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(async move { self.store.get(&self.key(id)).await })
    }

    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        StoreWrapper::get(self, id)
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(async move {
            let mut living = self.store.expiries(ids).await?;
            match self.fault {
                F::LivingIsOutOfOrder => living.reverse(),
                F::LivingSaysWhatIsGone => {
                    living = living
                        .into_iter()
                        .map(|it| it.or(Some(self.clock.now())))
                        .collect();
                }
                _ => {}
            }
            Ok(living)
        })
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let (id, entry) = (self.key(id), self.entry(id, entry));
            if self.fault == F::CreateOverwrites {
                self.store.destroy(&id).await?;
            }
            self.store.create(&id, &entry).await
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        Box::pin(async move {
            let key = self.key(id);
            let stored = self.store.get(&key).await?;
            let mut entry = self.entry(id, entry);
            let Some(stored) = stored else {
                if self.fault == F::UpdateCreates {
                    self.store.create(&key, &entry).await?;
                    return Ok(CasOutcome::Stored);
                }
                return Ok(CasOutcome::NotFound);
            };
            let read = match self.fault {
                F::UpdateIsBlind => stored.text.clone(),
                _ => read.clone(),
            };
            if self.fault == F::UpdateNeverShortens {
                entry.expires = entry.expires.max(stored.expires);
            }
            if self.fault == F::UpdateLeavesTheIndex {
                let users = self.store.get(&key).await?;
                drop(users);
                entry.users = Vec::new();
            }
            self.store.update(&key, &read, &entry).await
        })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let key = self.key(id);
            let Some(stored) = self.store.get(&key).await? else {
                if self.fault == F::TouchCreates {
                    self.store.create(&key, entry).await?;
                    return Ok(true);
                }
                return Ok(false);
            };
            let same = stored.text.clone();
            match self.fault {
                F::TouchMovesNothing => return Ok(true),
                F::TouchMovesNothingAfterAChange if stored.text != *read => return Ok(true),
                F::TouchLosesAChange => {
                    self.store.update(&key, &same, entry).await?;
                    return Ok(true);
                }
                F::TouchMovesBack => {
                    let entry = NewRecord {
                        text: same.clone(),
                        ..entry.clone()
                    };
                    self.store.update(&key, &same, &entry).await?;
                    return Ok(true);
                }
                _ => {}
            }
            let entry = NewRecord {
                expires: self.entry(id, entry).expires,
                ..entry.clone()
            };
            self.store.touch(&key, read, &entry).await
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let key = self.key(id);
            match self.fault {
                F::DestroyDoesNothing => Ok(self.store.get(&key).await?.is_some()),
                F::DestroySaysAlwaysTrue => self.store.destroy(&key).await.map(|_| true),
                F::DestroyRetires => self.store.retire(&key).await,
                _ => self.store.destroy(&key).await,
            }
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        if self.fault == F::RetireLeavesNoNote {
            return self.store.destroy(id);
        }
        self.store.retire(id)
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        Box::pin(async move {
            let retired = self.store.retired(id).await?;
            Ok(retired.filter(|_| self.fault != F::ReplaceLeavesNoNote))
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
            let (old, key) = (self.key(old), self.key(new));
            let entry = self.entry(new, entry);
            match self.fault {
                F::ReplaceLeavesTheOld => {
                    self.store.create(&key, &entry).await?;
                    return Ok(CasOutcome::Stored);
                }
                F::ReplaceOverwrites => drop(self.store.destroy(&key).await?),
                _ => {}
            }
            let read = read.filter(|_| self.fault != F::ReplaceIsBlind);
            let replaced = self
                .store
                .replace(&old, read, &key, &entry, retired)
                .await?;
            if replaced == CasOutcome::NotFound
                && self.fault == F::ReplaceOnceMore
                && read.is_none()
            {
                self.store.create(&key, &entry).await?;
                return Ok(CasOutcome::Stored);
            }
            Ok(replaced)
        })
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            if self.fault == F::PruneTakesAll {
                for id in self.store.scan(None, 10_000).await?.ids {
                    self.store.destroy(&id).await?;
                }
            }
            let pruned = self.store.prune().await?;
            Ok(if self.fault == F::PruneSaysNothing {
                0
            } else {
                pruned
            })
        })
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        Box::pin(async move {
            let limit = match self.fault {
                F::ScanIgnoresItsLimit => 10_000,
                _ => limit,
            };
            let page = self.store.scan(cursor, limit).await;
            if self.fault == F::ScanFailsOnACursor && page.is_err() {
                return Err(StoreError::from(StoreErrorKind::Unavailable));
            }
            let mut page = page?;
            let own = page.ids.clone();
            match self.fault {
                F::ScanOverlaps => page.ids.extend(self.last_page.lock().unwrap().clone()),
                F::ScanMissesOne => drop(page.ids.pop()),
                _ => {}
            }
            *self.last_page.lock().unwrap() = own;
            Ok(page)
        })
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        if self.fault == F::RetireAsLeavesNoNote {
            return self.store.destroy(id);
        }
        self.store.retire_as(id, retired)
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        Box::pin(async move {
            let limit = match self.fault {
                F::RecordsIgnoreTheirLimit => 10_000,
                _ => limit,
            };
            let mut page = self.store.scan_records(cursor, limit).await?;
            match self.fault {
                F::RecordsMissOne => drop(page.records.pop()),
                F::RecordsHaveAnotherEnd => {
                    for (_, read) in &mut page.records {
                        let stored = read.as_mut().unwrap();
                        stored.expires = stored.expires.after(Duration::from_secs(5));
                    }
                }
                F::RecordsAreTouched => {
                    for (id, read) in &page.records {
                        self.lengthen(id, read.as_ref().unwrap()).await?;
                    }
                }
                _ => {}
            }
            Ok(page)
        })
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        Box::pin(self.careless_put(id, entry.clone(), condition.clone()))
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            match self.fault {
                F::CountsTheExpired => Ok(self.users.lock().unwrap().len() as u64),
                F::CountsNothing => Ok(0),
                _ => self.store.count().await,
            }
        })
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        if self.has_careless_index() {
            return Box::pin(self.careless_index(user));
        }
        self.store.list_by_user(user)
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let keep = keep.filter(|_| self.fault != F::KeepIsNotKept);
            let mut ids = StoreWrapper::list_by_user(self, user).await?;
            ids.retain(|id| Some(id) != keep);
            if self.fault == F::OneIsLeft {
                ids.pop();
            }
            let mut ended = 0;
            for id in ids {
                ended += u64::from(self.store.destroy(&id).await?);
            }
            Ok(ended + u64::from(self.fault == F::OneIsCountedTooMany))
        })
    }
}

type Rule = for<'a> fn(&'a Subject) -> BoxFuture<'a, ()>;

macro_rules! table {
    ($($fault:ident => $rule:ident,)*) => {
        [$({
            let rule: Rule = |subject| Box::pin(conformance::$rule(subject));
            (F::$fault, stringify!($rule), rule)
        },)*]
    };
}

/// Each fault, and the rule that is named after it.
fn table() -> Vec<(Fault, &'static str, Rule)> {
    table![
        UsersByPrefix => users_who_look_alike_are_others,
        UsersRegardlessOfCase => users_who_look_alike_are_others,
        UsersWithoutBlanks => users_who_look_alike_are_others,
        UsersWithoutAccents => users_who_look_alike_are_others,
        UsersUpToNul => users_who_look_alike_are_others,
        UsersByPattern => users_who_look_alike_are_others,
        IdsRegardlessOfCase => ids_that_look_alike_are_others,
        IdsCut => ids_that_look_alike_are_others,
        CreateOverwrites => a_taken_id_is_refused,
        UpdateIsBlind => update_refuses_what_changed,
        UpdateCreates => update_never_creates,
        UpdateNeverShortens => an_update_may_shorten_a_life,
        UpdateLeavesTheIndex => sessions_follow_their_user,
        TouchMovesNothingAfterAChange => touch_moves_the_expiry_after_a_change_of_another,
        TouchMovesNothing => touch_moves_the_expiry_after_a_change_of_another,
        TouchLosesAChange => touch_never_creates_and_never_loses_a_change,
        TouchCreates => touch_never_creates_and_never_loses_a_change,
        TouchMovesBack => a_touch_never_moves_an_expiry_back,
        TheInstantIsLive => a_session_is_over_at_the_instant_of_its_expiry,
        TheExpiredIsRead => expired_is_absent,
        ThePastIsSeen => an_entry_in_the_past_is_never_seen,
        PruneSaysNothing => prune_tells_how_many_went,
        PruneTakesAll => prune_lets_go_of_what_expired,
        ScanIgnoresItsLimit => scan_keeps_to_its_limit_and_repeats_no_page,
        ScanOverlaps => scan_keeps_to_its_limit_and_repeats_no_page,
        ScanMissesOne => scan_finds_every_live_session,
        ScanFailsOnACursor => a_foreign_cursor_changes_nothing,
        CountsTheExpired => count_is_of_live_sessions,
        CountsNothing => count_is_of_live_sessions,
        DestroySaysAlwaysTrue => destroy_is_idempotent,
        DestroyDoesNothing => destroy_is_idempotent,
        DestroyRetires => destroy_retires_no_id,
        KeepIsNotKept => destroy_by_user_ends_all_but_one,
        OneIsCountedTooMany => destroy_by_user_ends_all_but_one,
        OneIsLeft => destroy_by_user_ends_all_but_one,
        ReplaceLeavesTheOld => replace_moves_a_session,
        ReplaceIsBlind => replace_refuses_what_changed_or_went,
        ReplaceOverwrites => replace_refuses_a_taken_id,
        ReplaceLeavesNoNote => a_replaced_id_is_known_as_retired,
        ReplaceOnceMore => a_retired_id_is_not_replaced_again,
        RetireLeavesNoNote => retire_ends_a_session_and_knows_its_id,
        LivingIsOutOfOrder => living_tells_which_sessions_live_and_until_when,
        LivingSaysWhatIsGone => living_leaves_out_what_expired,
        TextIsRewritten => bytes_come_back_as_they_went_in,
        RecordsMissOne => scan_records_gives_each_live_record,
        RecordsHaveAnotherEnd => scan_records_gives_each_live_record,
        RecordsIgnoreTheirLimit => scan_records_gives_each_live_record,
        RecordsAreTouched => scan_records_changes_nothing,
        PutOverwrites => put_if_absent_never_overwrites,
        PutRevives => put_undoes_no_ending,
        PutIsBlind => put_over_a_text_compares_and_sets,
        PutCreates => put_over_a_text_compares_and_sets,
        PutNeverShortens => put_over_a_text_compares_and_sets,
        PutIgnoresATouch => put_over_a_touched_record_is_refused,
        PutRefusesThePast => a_put_in_the_past_leaves_nothing,
        PutEndsInAYear => a_put_without_end_stays,
        PutLeavesTheIndex => put_keeps_the_index_of_users,
        PutInTwoSteps => of_many_puts_one_wins,
        PutRevivesInARace => no_put_revives_a_session_that_ends,
        RetireAsLeavesNoNote => retire_as_ends_and_remembers,
    ]
    .into()
}

/// Returns `true` if a store with this fault passes a rule.
async fn passes(fault: Fault, rule: Rule) -> bool {
    let clock = clock();
    let subject = Subject::with_clock(Mutant::new(fault, &clock), clock);
    let subject = Arc::new(subject);
    let ruled = tokio::spawn(async move { rule(&subject).await });
    ruled.await.is_ok()
}

#[tokio::test]
async fn z2_each_mutant_of_a_store_is_found_by_its_rule() {
    let table = table();
    assert!(table.len() >= 25, "{}", table.len());
    let mut survivors = Vec::new();
    for (fault, name, rule) in table {
        // The control: without the fault the rule passes.
        assert!(passes(F::None, rule).await, "{name} fails on a sound store");
        if passes(fault, rule).await {
            survivors.push((fault, name));
        }
        assert_ne!(
            Advice::of(name).text(),
            "",
            "{name} says nothing to the author"
        );
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
}
