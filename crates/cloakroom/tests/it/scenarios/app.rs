//! The application that both frameworks serve: its handlers know neither of them.

use std::fmt::Write as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use cloakroom::auth::{Attempts, Require, TooManyAttempts, safe_redirect_path};
use cloakroom::policy::{AtLimit, PolicyBuilder, TrustedProxy};
use cloakroom::store::Store;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::web::{Guard, SessionName};
use cloakroom::{Clock, KeyRing, Manager, ManualClock, Policy, Secure, Session, SessionError};
use tokio::sync::Notify;

use crate::support::keys;

/// The address of the one proxy whose word counts.
pub(crate) const PROXY: &str = "127.0.0.9";

const DAY: Duration = Duration::from_hours(24);

/// The state that handlers and scenarios share.
pub(crate) struct App {
    /// The sessions of `connect.sid`, in the store that can be made to fail.
    pub(crate) manager: Manager,
    /// The sessions of `side.sid`, for paths below `/side`.
    pub(crate) side: Manager,
    /// The sessions of `strict.sid`, for paths below `/strict`, of which a user has one.
    pub(crate) strict: Manager,
    pub(crate) attempts: Attempts,
    pub(crate) clock: ManualClock,
    pub(crate) store: FaultInjectingStore,
    /// A request to `/slow` has its session.
    pub(crate) arrived: Notify,
    /// Notified when the handler may go on.
    pub(crate) go_on: Notify,
}

impl App {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let clock = ManualClock::at(Clock::System.now());
        Self::by(clock, store, |policy| policy)
    }

    /// Makes an application with a clock, and a policy of its own for the sessions of `connect.sid`.
    pub(crate) fn by(
        clock: ManualClock,
        store: Arc<dyn Store>,
        change: impl FnOnce(PolicyBuilder) -> PolicyBuilder,
    ) -> Self {
        let store = FaultInjectingStore::new(store);
        let manager =
            |policy: Policy| Manager::with_clock(policy, Arc::new(store.clone()), clock.clone());
        let policy = |keys| {
            let proxies = TrustedProxy::networks([PROXY]).unwrap();
            Policy::builder(keys)
                .secure(Secure::Auto)
                .trusted_proxy(proxies)
        };
        // A secret of its own: with one for both, a ticket of either would be one of the other.
        let side = KeyRing::new("the secret of the other sessions, as long").unwrap();
        let side = policy(side).name("side.sid").path("/side");
        let side = side.max_sessions(2, AtLimit::EndOldest);
        let strict = KeyRing::new("the secret of the strictest sessions of all").unwrap();
        let strict = policy(strict).name("strict.sid").path("/strict");
        let strict = strict.max_sessions(1, AtLimit::Refuse).clear_on_login(true);
        let (account, address) = ((3, Duration::from_mins(1)), (1000, Duration::from_secs(1)));
        Self {
            manager: manager(change(policy(keys())).build().unwrap()),
            side: manager(side.build().unwrap()),
            strict: manager(strict.build().unwrap()),
            attempts: Attempts::with(account, address, clock.clone()),
            clock,
            store,
            arrived: Notify::new(),
            go_on: Notify::new(),
        }
    }
}

/// The cookie of the second layer.
pub(crate) struct Side;

impl SessionName for Side {
    const NAME: &'static str = "side.sid";
}

/// The layer of `connect.sid`.
pub(crate) struct Main;

impl SessionName for Main {
    const NAME: &'static str = "connect.sid";
}

/// The input of a handler.
pub(crate) struct Asked {
    pub(crate) app: Arc<App>,
    pub(crate) session: Session,
    pub(crate) body: String,
}

impl Asked {
    /// A field of the form in the body, empty where it has none.
    fn field(&self, name: &str) -> String {
        let mut fields = form_urlencoded::parse(self.body.as_bytes());
        let value = fields.find_map(|(key, value)| (key == name).then(|| value.into_owned()));
        value.unwrap_or_default()
    }
}

/// Its response: a text, or a redirect (303).
pub(crate) enum Said {
    Text(String),
    To(String),
}

/// The error of a handler; each framework turns it into its own response.
pub(crate) enum Refused {
    Session(SessionError),
    Attempts(TooManyAttempts),
}

impl<E: Into<SessionError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Session(error.into())
    }
}

pub(crate) type Answer = Result<Said, Refused>;
type Handler = dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// The session layer of a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Main,
    Side,
    Strict,
}

impl Area {
    pub(super) fn of(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("side") => Self::Side,
            Some("strict") => Self::Strict,
            _ => Self::Main,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) guard: Option<Guard>,
    pub(crate) handler: Arc<Handler>,
}

impl Route {
    fn guarded(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }
}

fn on<F>(
    method: Method,
    path: &'static str,
    handler: impl Fn(Asked) -> F + Send + Sync + 'static,
) -> Route
where
    F: Future<Output = Answer> + Send + 'static,
{
    Route {
        method,
        path,
        guard: None,
        handler: Arc::new(move |asked| Box::pin(handler(asked))),
    }
}

fn get<F: Future<Output = Answer> + Send + 'static>(
    path: &'static str,
    handler: impl Fn(Asked) -> F + Send + Sync + 'static,
) -> Route {
    on(Method::GET, path, handler)
}

fn post<F: Future<Output = Answer> + Send + 'static>(
    path: &'static str,
    handler: impl Fn(Asked) -> F + Send + Sync + 'static,
) -> Route {
    on(Method::POST, path, handler)
}

/// Returns the routes that both frameworks mount, beside `/plain`, which asks for no session, and `/side`,
/// which asks for both and answers by [`count_both`].
pub(crate) fn routes() -> Vec<Route> {
    let minutes = Duration::from_mins;
    let fresh = Require::login().fresh(minutes(5));
    vec![
        get("/", who),
        get("/token", token),
        get("/count", count),
        post("/count", count),
        get("/echo", echo),
        post("/echo", echo),
        post("/cart", cart),
        post("/login", login),
        post("/logout", logout),
        post("/logout-everywhere", logout_everywhere),
        post("/side/login", login),
        post("/strict/cart", cart),
        post("/strict/login", login),
        get("/strict/who", who),
        post("/try", attempt),
        get("/devices", devices),
        post("/devices/end", end_device),
        post("/sessions/end-all", end_all),
        post("/password/changed", password_changed),
        post("/slow", slow),
        post("/slow/login", slow_login),
        post("/slow/login/saved", slow_login_saved),
        post("/regenerate", regenerate),
        get("/account", who),
        post("/error", error),
        get("/program", echo).guarded(Guard::new(Require::login())),
        get("/admin", echo).guarded(Guard::new(Require::role("admin")).login_at("/login")),
        post("/admin", echo).guarded(Guard::new(Require::role("admin")).login_at("/login")),
        get("/password", echo).guarded(Guard::new(fresh).login_at("/login")),
    ]
}

/// `ada with a hat`.
async fn who(asked: Asked) -> Answer {
    let user = asked.session.user();
    let cart: Option<String> = asked.session.get("cart")?;
    let (user, cart) = (user.as_deref(), cart.as_deref());
    let (user, cart) = (user.unwrap_or("nobody"), cart.unwrap_or("nothing"));
    Ok(Said::Text(format!("{user} with {cart}")))
}

async fn token(asked: Asked) -> Answer {
    Ok(Said::Text(asked.session.csrf_token()?))
}

/// Counts the requests, in one read-modify-write update that loses none.
async fn count(asked: Asked) -> Answer {
    let step = |n: Option<u32>| n.unwrap_or(0) + 1;
    let n = asked.session.update("n", step).await?;
    Ok(Said::Text(n.to_string()))
}

async fn echo(asked: Asked) -> Answer {
    Ok(Said::Text(asked.body))
}

async fn cart(asked: Asked) -> Answer {
    asked.session.insert("cart", "a hat")?;
    Ok(Said::Text("ok".to_owned()))
}

/// Signs `user` in, as `role` where there is one and for `days` where they are given, and leads to `next`
/// where that is safe.
async fn login(asked: Asked) -> Answer {
    asked.session.login(asked.field("user")).await?;
    if let Ok(days) = asked.field("days").parse::<f64>() {
        asked.session.remember(DAY.mul_f64(days))?;
    }
    let role = asked.field("role");
    if !role.is_empty() {
        asked.session.insert("roles", [role])?;
    }
    let next = asked.field("next");
    Ok(Said::To(
        safe_redirect_path(&next).unwrap_or("/").to_owned(),
    ))
}

/// Signs `user` in whose password is `right`, as often as that may be tried.
async fn attempt(asked: Asked) -> Answer {
    let (user, address) = (asked.field("user"), asked.session.address());
    let attempt = asked.app.attempts.begin(&user, address).await;
    let attempt = attempt.map_err(Refused::Attempts)?;
    if asked.field("password") != "right" {
        return Ok(Said::Text("wrong".to_owned()));
    }
    attempt.succeeded();
    asked.session.login(user).await?;
    Ok(Said::Text("right".to_owned()))
}

/// A line for each session of the user: `handle name address`, and `*` behind this one.
async fn devices(asked: Asked) -> Answer {
    let mut lines = String::new();
    for device in asked.session.devices().await? {
        let address = device.address.map_or("?".to_owned(), |it| it.to_string());
        let mark = if device.is_current { "*" } else { "" };
        writeln!(lines, "{} {} {address}{mark}", device.handle, device.name()).unwrap();
    }
    Ok(Said::Text(lines))
}

async fn end_device(asked: Asked) -> Answer {
    let ended = asked.session.end_device(&asked.field("handle")).await?;
    Ok(Said::Text(ended.to_string()))
}

async fn end_all(asked: Asked) -> Answer {
    let ended = asked.session.end_all().await?;
    Ok(Said::Text(ended.to_string()))
}

async fn password_changed(asked: Asked) -> Answer {
    let ended = asked.session.password_changed().await?;
    Ok(Said::Text(ended.to_string()))
}

async fn logout(asked: Asked) -> Answer {
    asked.session.logout().await?;
    Ok(Said::To("/".to_owned()))
}

/// Answers how many other sessions it has ended.
async fn logout_everywhere(asked: Asked) -> Answer {
    let user = asked.session.user().unwrap_or_default();
    let others = asked
        .app
        .manager
        .end_sessions_of(&user, Some(&asked.session));
    let others = others.await?;
    asked.session.logout().await?;
    Ok(Said::Text(others.to_string()))
}

/// A step in each of two sessions: `main 1, side 1`.
pub(crate) fn count_both(main: &Session, side: &Session) -> Result<String, SessionError> {
    let step = |session: &Session| {
        let n = session.get::<u32>("steps")?.unwrap_or(0) + 1;
        session.insert("steps", n)?;
        Ok::<_, SessionError>(n)
    };
    Ok(format!("main {}, side {}", step(main)?, step(side)?))
}

/// Takes `cart` into its session, and waits until it may answer.
async fn slow(asked: Asked) -> Answer {
    asked.session.insert("cart", asked.field("cart"))?;
    wait(&asked.app).await;
    Ok(Said::Text("done".to_owned()))
}

/// Says that a request has its session, and waits until it may go on.
async fn wait(app: &App) {
    // The first to arrive goes on first.
    let mut go_on = pin!(app.go_on.notified());
    go_on.as_mut().enable();
    app.arrived.notify_one();
    go_on.await;
}

/// Signs in once it may, so that two sign-ins can overlap.
async fn slow_login(asked: Asked) -> Answer {
    wait(&asked.app).await;
    login(asked).await
}

/// Signs in slowly, and saves in the handler.
async fn slow_login_saved(asked: Asked) -> Answer {
    wait(&asked.app).await;
    asked.session.login(asked.field("user")).await?;
    asked.session.save().await?;
    Ok(Said::To("/".to_owned()))
}

/// Changes the session's id.
async fn regenerate(asked: Asked) -> Answer {
    asked.session.regenerate()?;
    Ok(Said::Text("ok".to_owned()))
}

/// Changes its session, and fails.
async fn error(asked: Asked) -> Answer {
    asked.session.insert("cart", "a hat")?;
    asked
        .session
        .insert("cookie", "no key may be called that")?;
    Ok(Said::Text("never".to_owned()))
}
