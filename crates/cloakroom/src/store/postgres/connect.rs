//! Connections: the URL, TLS, the pool.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use super::options::PostgresOptions;
use crate::store::StoreErrorKind;

/// How long a call waits for one of the pool's connections; a manager's own bound is shorter.
const WAIT: Duration = Duration::from_secs(5);
/// A peer that is silent for this long is asked whether it is there, and not hours later.
const KEEPALIVE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
/// How long what was sent may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// The driver's own idle time before keepalives, by which one sees that the URL sets none.
const UNSET_KEEPALIVE: Duration = Duration::from_hours(2);

pub(super) fn pool(url: &str, options: &PostgresOptions) -> Result<Pool, Fault> {
    let config = config(url, options)?;
    let login = config.get_connect_timeout().copied().unwrap_or_default() * 2;
    let connect = Connector::new(&config)?;
    let manager = ManagerConfig {
        // A closed connection is seen without asking; anything more would cost a round trip.
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_connect(config, connect, manager))
        .max_size(options.pool_size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(WAIT),
            create: Some(login),
            recycle: None,
        })
        .build()
        .map_err(|_| Fault::new(StoreErrorKind::Invalid, "the pool cannot be built"))
}

fn config(url: &str, options: &PostgresOptions) -> Result<Config, Fault> {
    // The parser's own message may quote a part of the URL.
    let mut config: Config = url.parse().map_err(|_| {
        Fault::new(
            StoreErrorKind::Invalid,
            "this is no URL that PostgreSQL's driver takes: \
             postgres://USER:PASSWORD@HOST:PORT/DATABASE?option=value, special characters as %XX",
        )
    })?;
    complete(&mut config, options);
    Ok(config)
}

/// Connections that are in no pool, for whoever listens.
pub(super) struct Apart {
    config: Config,
    connector: Connector,
}

impl Apart {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, Fault> {
        let config = config(url, options)?;
        let connector = Connector::new(&config)?;
        Ok(Self { config, connector })
    }

    /// Connects, and hands what is notified to `heard`; the task ends with the connection.
    pub(super) async fn connect(
        &self,
        heard: impl Fn(&str) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let mut config = self.config.clone();
        match &self.connector {
            Connector::Plain => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await?;
                Ok((client, listen(connection, heard)))
            }
            Connector::Tls(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Ok((client, listen(connection, heard)))
            }
        }
    }
}

fn listen<S>(
    mut connection: Connection<Socket, S>,
    heard: impl Fn(&str) + Send + 'static,
) -> JoinHandle<()>
where
    S: TlsStream + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(said) = message {
                heard(said.payload());
            }
        }
    })
}

/// Fills in what the URL leaves open. `TimeZone` stays the server's, as for Express: it decides
/// what `expire` means.
fn complete(config: &mut Config, options: &PostgresOptions) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    if config.get_keepalives_idle() == UNSET_KEEPALIVE {
        config.keepalives_idle(KEEPALIVE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_application_name().is_none() {
        config.application_name("cloakroom");
    }
    // Of several hosts, the one that takes writes.
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// Opens connections, and drives them without a word: the driver's messages may hold a record.
enum Connector {
    Plain,
    Tls(MakeRustlsConnect),
}

impl Connector {
    fn new(config: &Config) -> Result<Self, Fault> {
        match config.get_ssl_mode() {
            SslMode::Require => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                let tls = tls(config, roots)?;
                Ok(Self::Tls(MakeRustlsConnect::new(tls)))
            }
            // What is tried and given up when refused protects from nobody.
            _ => Ok(Self::Plain),
        }
    }
}

/// TLS that checks the server's name and certificate.
pub(super) fn tls(config: &Config, roots: RootCertStore) -> Result<ClientConfig, Fault> {
    let failed = |text| Fault::new(StoreErrorKind::Unavailable, text);
    if roots.is_empty() {
        return Err(failed(
            "the system has no root certificates: install them, or name a file in SSL_CERT_FILE",
        ));
    }
    // A provider of its own: the process's is the program's to choose.
    let mut tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|_| failed("TLS cannot be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        tls.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(tls)
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let mut config = config.clone();
        Box::pin(async move {
            match self {
                Self::Plain => {
                    config.ssl_mode(SslMode::Disable);
                    let (client, connection) = config.connect(NoTls).await?;
                    Ok((client, drive(connection)))
                }
                Self::Tls(tls) => {
                    let (client, connection) = config.connect(tls.clone()).await?;
                    Ok((client, drive(connection)))
                }
            }
        })
    }
}

fn drive<S>(connection: Connection<Socket, S>) -> JoinHandle<()>
where
    Connection<Socket, S>: Future<Output = Result<(), Error>> + Send + 'static,
{
    tokio::spawn(async move {
        // Whoever uses the client learns that it is closed.
        let _ = connection.await;
    })
}
