//! A log collector, and the secrets that no log line may contain.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

use axum::http::Uri;
use axum::{Extension, Router};
use cloakroom::store::Store;
use cloakroom::web::SessionHandle;
use cloakroom::{Manager, Session, SessionError, SessionLayer};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{Answer, Client};

pub(super) const DATA: &str = "what only the visitor should know";

/// Everything that this process logs, at every level.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens to all threads: a store has its own.
    pub(super) fn listen() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("no other test listens");
        log
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The secrets that must not appear: ids, cookies and secrets that were issued.
#[derive(Clone)]
pub(super) struct Secrets(pub(super) Arc<Mutex<Vec<String>>>);

impl Secrets {
    pub(super) fn add(&self, secret: impl Into<String>) {
        self.0.lock().unwrap().push(secret.into());
    }

    /// A cookie's value with and without its escapes, and each of its parts.
    pub(super) fn add_cookie(&self, value: &str) {
        let plain = value
            .replace("%3A", ":")
            .replace("%2B", "+")
            .replace("%2F", "/");
        let parts = plain.split(['.', ':']).filter(|part| part.len() > 20);
        parts.for_each(|part| self.add(part));
        self.add(plain.clone());
        self.add(value);
    }
}

/// A client whose every cookie is noted.
pub(super) struct Watched {
    pub(super) client: Client,
    pub(super) secrets: Secrets,
}

impl Watched {
    pub(super) fn of(manager: &Manager, store: &Arc<dyn Store>, secrets: &Secrets) -> Self {
        let router = Router::new()
            .fallback(act)
            .layer(SessionLayer::new(manager.clone()))
            .layer(Extension(Arc::clone(store)))
            .layer(Extension(secrets.clone()));
        Self {
            client: Client::new(router),
            secrets: secrets.clone(),
        }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let answer = self.client.get(path).await;
        for value in self.client.cookies.values() {
            self.secrets.add_cookie(value);
        }
        answer
    }

    pub(super) async fn expect(&mut self, path: &str, status: u16) {
        let answer = self.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    }

    pub(super) fn value(&mut self) -> &mut String {
        self.client.cookies.get_mut("connect.sid").unwrap()
    }
}

/// Does what the path names to a session, and prints all that it holds.
async fn act(
    session: Session,
    uri: Uri,
    Extension(handle): Extension<SessionHandle>,
    Extension(store): Extension<Arc<dyn Store>>,
    Extension(secrets): Extension<Secrets>,
) -> Result<(), SessionError> {
    secrets.add(session.id().expose());
    print(&handle);
    match uri.path() {
        "/set" => {
            session.insert("note", DATA)?;
            session.insert("n", session.get::<u32>("n")?.unwrap_or(0) + 1)?;
        }
        "/login" => {
            session.regenerate()?;
            session.insert("userId", "ada")?;
        }
        "/reserved" => session.insert("__proto__", 1)?,
        "/type" => drop(session.get::<u32>("note")?),
        "/large" => session.insert("a", "x".repeat(1 << 17))?,
        "/large-at-the-end" => {
            let filled = (0..600).try_for_each(|key| session.insert(&format!("k{key}"), key));
            // A value that fits would be stored, and leave no room for the next steps.
            session.reload().await?;
            filled?;
        }
        "/bad-cookie" => {
            session.insert("path", 1)?;
            session.cookie_mut(|cookie| cookie.path("/a;b"));
        }
        "/gone" => {
            store.destroy(&session.id()).await?;
            session.insert("gone", 1)?;
        }
        "/gone-now" => {
            store.destroy(&session.id()).await?;
            session.reload().await?;
        }
        "/save" => session.save().await?,
        "/touch" => session.touch(),
        "/destroy" => session.destroy().await?,
        path => panic!("{path}"),
    }
    secrets.add(session.id().expose());
    print(&session);
    Ok(())
}

/// Notes what a value, or an error with all its causes, looks like where it is printed.
pub(super) fn print(value: &dyn Debug) {
    tracing::info!("printed: {value:?} {value:#?}");
}

pub(super) fn print_error(error: &dyn Error) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        tracing::info!("printed: {error} {error:?} {error:#?}");
        cause = error.source();
    }
}
