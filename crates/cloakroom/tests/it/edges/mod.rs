//! Edge cases of the session: after the head, at the limits, with values of other types, and the texts
//! of errors.

mod answers;
mod dates;
mod head;
mod limits;
mod page;
mod queued;
mod values;

use std::io;
use std::sync::{Arc, Mutex};

use cloakroom::policy::RequestInfo;
use cloakroom::{Manager, Policy, Session};
use tracing::subscriber::DefaultGuard;

use crate::support::{clock, keys, memory};

fn secure() -> RequestInfo {
    let mut request = RequestInfo::default();
    request.is_secure = true;
    request
}

/// A manager over sessions in memory, and the cookie that its client has by now.
struct Visitor {
    manager: Manager,
    cookie: Option<String>,
}

impl Visitor {
    fn new(policy: Policy) -> Self {
        let clock = clock();
        let manager = Manager::with_clock(policy, Arc::new(memory(&clock)), clock);
        Self {
            manager,
            cookie: None,
        }
    }

    fn by_default() -> Self {
        Self::new(Policy::builder(keys()).build().unwrap())
    }

    /// Returns a visitor whose session is stored, and holds `began`.
    async fn known() -> Self {
        let mut visitor = Self::by_default();
        let session = visitor.open().await;
        session.insert("began", true).unwrap();
        visitor.close(&session).await;
        visitor
    }

    async fn open(&self) -> Session {
        let cookies = self.cookie.iter().map(String::as_bytes);
        self.manager.open(cookies, secure()).await.unwrap()
    }

    async fn close(&mut self, session: &Session) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = closing.set_cookie {
            self.cookie = Some(field.split(';').next().unwrap().to_owned());
        }
    }

    async fn stored(&self) -> u64 {
        self.manager.store().count().await.unwrap()
    }
}

/// The log output of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, said: &str) -> usize {
        let text = self.text();
        text.lines().filter(|line| line.contains(said)).count()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
