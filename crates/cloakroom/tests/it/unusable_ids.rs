//! X6: an application's own ids that no cookie could carry.

use std::io;
use std::sync::{Arc, Mutex};

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App as Actix, web};
use axum::Router;
use axum::routing::get;
use cloakroom::id::IdGrammar;
use cloakroom::policy::PolicyBuilder;
use cloakroom::store::Store as _;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};

use crate::support::{Client, keys};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn policy() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Auto)
}

fn policies() -> [PolicyBuilder; 3] {
    let long = || "a".repeat(6_000);
    [
        policy().id_generator(move |_| long()),
        policy()
            .id_grammar(IdGrammar::any())
            .id_generator(move |_| long()),
        policy().id_generator(|_| "short".into()),
    ]
}

async fn change(session: Session) -> Result<&'static str, SessionError> {
    session.insert("n", 1)?;
    Ok("changed")
}

async fn save(session: Session) -> Result<&'static str, SessionError> {
    session.insert("n", 1)?;
    session.save().await?;
    Ok("saved")
}

#[tokio::test]
async fn x6_no_record_is_stored_and_one_error_is_logged_axum() {
    for policy in policies() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || writer.clone())
            .finish();
        let _listening = tracing::subscriber::set_default(subscriber);
        let store = MemoryStore::new();
        let manager = Manager::new(policy.build().unwrap(), store.clone());
        let routes = Router::new()
            .route("/change", get(change))
            .route("/save", get(save));
        let mut client = Client::new(routes.layer(SessionLayer::new(manager)));
        for path in ["/change", "/save", "/change", "/save"] {
            let answer = client.get(path).await;
            assert_eq!(answer.status.as_u16(), 500, "{path}");
            assert_eq!(answer.set_cookie(), None, "{path}");
        }
        assert_eq!(store.count().await.unwrap(), 0);
        let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("`id_generator` draws ids"), "{text}");
        assert!(!text.contains("aaaa"), "{text}");
    }
}

#[actix_web::test]
async fn x6_no_record_is_stored_actix() {
    for policy in policies() {
        let store = MemoryStore::new();
        let manager = Manager::new(policy.build().unwrap(), store.clone());
        let app = Actix::new()
            .route("/change", web::get().to(change))
            .route("/save", web::get().to(save))
            .wrap(SessionMiddleware::new(manager));
        let app = init_service(app).await;
        for path in ["/change", "/save"] {
            let response = app.call(TestRequest::with_uri(path).to_request()).await;
            let response = response.unwrap();
            assert_eq!(response.status().as_u16(), 500, "{path}");
            assert!(response.headers().get("set-cookie").is_none());
        }
        assert_eq!(store.count().await.unwrap(), 0);
    }
}
