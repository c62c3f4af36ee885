//! Every n-th call to the store fails, for every n, through login, updates, a renewal, a save and the end:
//! the acknowledged changes are stored, and at most the unknown ones besides.

use std::sync::Arc;

use cloakroom::policy::RequestInfo;
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionId};

use super::ledger::{Account, Told, Verdict};
use super::{control, saw};
use crate::support::keys;
use crate::support::servers::{connect, kind, on_every_store};

/// The ways in which a call fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The call is not executed.
    Fails,
    /// The call is executed, and its reply is lost.
    LosesAnswer,
}

/// The ways in which the session ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Logout,
    Everywhere,
    Never,
}

/// A browser with a ledger of its requests' outcomes.
struct Visitor {
    manager: Manager,
    user: String,
    cookie: String,
    account: Account,
}

impl Visitor {
    fn new(store: &FaultInjectingStore) -> Self {
        let policy = Policy::builder(keys()).secure(Secure::Never).build();
        let manager = Manager::with_clock(policy.unwrap(), Arc::new(store.clone()), Clock::System);
        Self {
            manager,
            user: SessionId::random().expose().to_owned(),
            cookie: String::new(),
            account: Account::default(),
        }
    }

    async fn open(&self) -> Option<Session> {
        let cookies = [self.cookie.as_bytes()];
        let opened = self.manager.open(cookies, RequestInfo::default()).await;
        opened.ok()
    }

    /// Sends one request; `None` where it was not answered with 200.
    async fn request<T>(&mut self, handler: impl AsyncFnOnce(&Session) -> Option<T>) -> Option<T> {
        let session = self.open().await?;
        let answer = handler(&session).await;
        let closing = self.manager.close(&session).await.ok()?;
        if let Some(field) = closing.set_cookie {
            field.split(';').next()?.clone_into(&mut self.cookie);
        }
        answer
    }

    async fn sign_in(&mut self) {
        let user = self.user.clone();
        let handler = async |session: &Session| session.login(&user).await.ok();
        let told = told(self.request(handler).await);
        self.account.begins(told);
    }

    async fn step(&mut self) {
        let add = |n: Option<u64>| n.unwrap_or(0) + 1;
        let handler = async |session: &Session| session.update("n", add).await.ok();
        let told = told(self.request(handler).await);
        self.account.steps(told);
    }

    /// Renews the id and saves: neither creates nor ends a session.
    async fn renew_and_save(&mut self) {
        self.request(async |session: &Session| session.regenerate().ok())
            .await;
        let save = async |session: &Session| {
            session.insert("k", 1).ok()?;
            session.save().await.ok()
        };
        self.request(save).await;
    }

    async fn end(&mut self, end: End) {
        let done = match end {
            // A client that was never signed in has nothing to sign out of.
            End::Logout if self.cookie.is_empty() => return,
            End::Logout => {
                let handler = async |session: &Session| session.logout().await.ok();
                self.request(handler).await
            }
            End::Everywhere => {
                let ended = self.manager.end_sessions_of(&self.user, None).await;
                ended.ok().map(drop)
            }
            End::Never => return,
        };
        self.account.ends(told(done));
    }

    /// The steps of the session that the user has; no more than one may be there.
    async fn stored(&self) -> Option<u64> {
        let mut found = None;
        for id in self.manager.sessions_of(&self.user).await.unwrap() {
            let stored = self.manager.store().get(&id).await.unwrap();
            let text = stored.map(|stored| stored.text.to_string());
            let steps = text.map(|text| {
                let data: serde_json::Value = serde_json::from_str(&text).unwrap();
                data["n"].as_u64().unwrap_or(0)
            });
            found = found.max(steps);
        }
        found
    }
}

fn told<T>(answer: Option<T>) -> Told {
    answer.map_or(Told::Unknown, |_| Told::Done)
}

/// The totals of a run.
#[derive(Default)]
struct Tally {
    stories: usize,
    acknowledged: u64,
    broken: Vec<String>,
    /// Sessions that a client misses that takes an error for a success.
    believed: usize,
}

/// Plays one story; `false` where the call that was to fail never came.
async fn story(
    store: &FaultInjectingStore,
    n: usize,
    fault: Fault,
    end: End,
    tally: &mut Tally,
) -> bool {
    let mut visitor = Visitor::new(store);
    match fault {
        Fault::Fails => store.fail_call(n, StoreErrorKind::Unavailable),
        Fault::LosesAnswer => store.lose_answer_of_call(n),
    }
    visitor.sign_in().await;
    if !visitor.cookie.is_empty() {
        visitor.step().await;
        visitor.renew_and_save().await;
        visitor.step().await;
    }
    visitor.end(end).await;
    let has_failed = store.has_failed_call();
    store.work();
    let (account, stored) = (visitor.account, visitor.stored().await);
    tally.stories += 1;
    tally.acknowledged += account.acknowledged();
    let verdict = account.judge(stored);
    if verdict != Verdict::Kept {
        let what =
            format!("call {n} {fault:?}, {end:?}: {verdict:?}, {account:?}, {stored:?} stored");
        tally.broken.push(what);
    }
    tally.believed += usize::from(account.believing().judge(stored) != Verdict::Kept);
    has_failed
}

async fn every_nth_call_fails(url: &str) {
    let store = FaultInjectingStore::new(connect(url).await);
    let mut tally = Tally::default();
    for end in [End::Logout, End::Everywhere, End::Never] {
        for fault in [Fault::Fails, Fault::LosesAnswer] {
            let mut n = 1;
            while story(&store, n, fault, end, &mut tally).await {
                n += 1;
                assert!(n < 100, "a story is of fewer calls");
            }
            assert!(n > 8, "{n} calls are no story");
        }
    }
    assert!(tally.broken.is_empty(), "{:#?}", tally.broken);
    assert!(
        tally.believed > 0,
        "a control that misses nothing proves nothing"
    );
    let kind = kind(url);
    saw(
        "calls",
        &format!(
            "{kind}: {} stories of login, steps, renewal, save and end, one call of each failed or unanswered",
            tally.stories
        ),
        &format!(
            "{} acknowledged, 0 lost, 0 undone, 0 twice",
            tally.acknowledged
        ),
    );
    control(
        "calls",
        &format!(
            "{kind}: somebody who takes errors for successes misses {} of {}",
            tally.believed, tally.stories
        ),
    );
}

on_every_store!(every_nth_call_fails);
