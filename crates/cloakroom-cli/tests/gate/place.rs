//! The command, with a store of its own, before a recording upstream.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::store::AnyStore;
use cloakroom::{KeyRing, Manager, Policy, Secure};
use testbed::{Directory, Process, directory, free_port};

use crate::upstream::Recorder;
use crate::wire::{Answer, PATIENCE, head, raw};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cloakroom");
const SECRET: &str = "for tests alone: a secret of more than 32 bytes";

/// The rules of the gate's own tests.
pub(crate) const RULES: &str = include_str!("../../../cloakroom-gate/tests/it/support/rules.toml");

pub(crate) struct Place {
    pub(crate) folder: Directory,
    pub(crate) manager: Manager,
    pub(crate) upstream: Recorder,
    pub(crate) proxy: SocketAddr,
    pub(crate) verify: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) gate: Process,
}

impl Place {
    pub(crate) async fn open() -> Self {
        let folder = directory();
        let upstream = Recorder::start().await;
        fs::write(folder.join("rules.toml"), RULES).unwrap();
        fs::write(folder.join("secret"), SECRET).unwrap();
        let store = format!("sqlite:{}", folder.join("sessions.db").display());
        let manager = manager(&store).await;
        let [proxy, verify, metrics] =
            [(), (), ()].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let gate = Process::start(
            Path::new(PROGRAM),
            flags(&folder, &store, [proxy, verify, metrics], &upstream),
            &folder,
            None,
        );
        let place = Self {
            folder,
            manager,
            upstream,
            proxy,
            verify,
            metrics,
            gate,
        };
        for address in [proxy, verify, metrics] {
            place.listens(address).await;
        }
        place
    }

    pub(crate) async fn listens(&self, address: SocketAddr) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(
                tokio::time::Instant::now() < end,
                "nobody listens on {address}: {log}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Signs a user in, and returns the Cookie field.
    pub(crate) async fn user(&self, name: &str, roles: &[&str]) -> String {
        let session = self.manager.open([], RequestInfo::default()).await.unwrap();
        session.login(name).await.unwrap();
        session.insert("roles", roles).unwrap();
        let effects = self.manager.close(&session).await.unwrap();
        let field = effects.set_cookie.unwrap();
        field.split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn end(&self, user: &str) {
        self.manager.end_sessions_of(user, None).await.unwrap();
    }

    pub(crate) async fn get(
        &self,
        from: SocketAddr,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        Answer::of(&raw(from, head("GET", target, from, fields).as_bytes()).await)
    }
}

async fn manager(store: &str) -> Manager {
    let policy = Policy::builder(KeyRing::from_text(SECRET).unwrap()).secure(Secure::Never);
    let store = AnyStore::connect(store).await.unwrap();
    Manager::new(policy.build().unwrap(), store)
}

fn flags(
    folder: &Path,
    store: &str,
    [proxy, verify, metrics]: [SocketAddr; 3],
    upstream: &Recorder,
) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    #[rustfmt::skip]
    let flags = [
        "gate".to_owned(),
        "--addr".to_owned(),         proxy.to_string(),
        "--upstream".to_owned(),     format!("http://{}", upstream.address),
        "--verify-addr".to_owned(),  verify.to_string(),
        "--metrics-addr".to_owned(), metrics.to_string(),
        "--rules".to_owned(),        file("rules.toml"),
        "--keys".to_owned(),         file("keys.json"),
        "--secret-file".to_owned(),  file("secret"),
        "--store".to_owned(),        store.to_owned(),
    ];
    flags.into()
}

/// Returns what the command prints.
pub(crate) fn printed(words: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(words).output().unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
