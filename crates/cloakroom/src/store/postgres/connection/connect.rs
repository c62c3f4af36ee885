//! Connections: the URL, TLS, the pool.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{QueryError, SendPhase};
use super::pooler::{Pooler, is_direct};
use super::url::{ParsedUrl, TlsMode};
use crate::store::postgres::PostgresInner;
use crate::store::postgres::options::PostgresOptions;
use crate::store::{StoreErrorKind, plaintext};

/// Time that a call waits for one of the pool's connections; a manager's own bound is shorter.
pub(crate) const POOL_WAIT: Duration = Duration::from_secs(5);
/// Idle time before a keepalive probe: a silent peer is probed soon, not hours later.
const KEEPALIVE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
/// Time that sent data may stay unacknowledged before the connection is given up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// The driver's own idle time before keepalives, which tells that the URL sets none.
const UNSET_KEEPALIVE: Duration = Duration::from_hours(2);

pub(crate) fn pool(
    server: &Server,
    options: &PostgresOptions,
    pooler: &Arc<Pooler>,
) -> Result<Pool, QueryError> {
    let Server { config, connector } = server.clone();
    let connector = Looking {
        connector,
        pooler: Arc::clone(pooler),
    };
    let login = config.get_connect_timeout().copied().unwrap_or_default() * 2;
    let manager = ManagerConfig {
        // A closed connection is noticed without a query; anything more would cost a round trip.
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_connect(config, connector, manager))
        .max_size(options.pool_size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(POOL_WAIT),
            create: Some(login),
            recycle: None,
        })
        .build()
        .map_err(|_| QueryError::new(StoreErrorKind::Invalid, "the pool cannot be built"))
}

/// Returns `true`, and warns, if the pool may open more connections than the server grants. A pooler has
/// limits of its own.
pub(crate) fn is_too_many(pool_size: usize, granted: usize, pooler: &Pooler) -> bool {
    let is_too_many = pool_size > granted && !pooler.is_there();
    if is_too_many {
        tracing::warn!(
            "PostgreSQL grants {granted} connections to all processes together, and the pool of each may \
             have {pool_size}: it gets {granted}; lower PostgresOptions::pool_size, or raise \
             max_connections, or the role's or the database's CONNECTION LIMIT"
        );
    }
    is_too_many
}

/// Returns `true` if notifications reach this process, and an error if they are requested and do not.
///
/// It makes the first connection, which shows if all lead to a pooler.
pub(crate) async fn can_listen(
    inner: &PostgresInner,
    options: &PostgresOptions,
) -> Result<bool, QueryError> {
    inner.lease().await?.settle();
    if options.listen_url.is_some() {
        return listens_directly(&inner.apart).await.map(|()| true);
    }
    if !inner.pooler.is_there() {
        return Ok(true);
    }
    tracing::info!("a pooler stands in front of PostgreSQL: statements are sent unnamed");
    if options.notify_ends || options.notify_changes {
        let text = "a pooler stands in front of PostgreSQL, and may pass no notifications on: give the \
                    server's own URL in PostgresOptions::listen_url, or leave notify_ends and \
                    notify_changes off";
        return Err(QueryError::new(StoreErrorKind::Invalid, text));
    }
    Ok(false)
}

async fn listens_directly(server: &Server) -> Result<(), QueryError> {
    let failed = |error: Error| QueryError::of(&error, SendPhase::Before);
    let (client, _) = server.connect(|_| {}).await.map_err(failed)?;
    if is_direct(&client).await.map_err(failed)? {
        return Ok(());
    }
    let text = "PostgresOptions::listen_url leads to a pooler as well: give the server's own URL";
    Err(QueryError::new(StoreErrorKind::Invalid, text))
}

/// The address of a server, and the encryption of connections to it.
#[derive(Clone)]
pub(crate) struct Server {
    config: Config,
    connector: Connector,
}

impl Server {
    /// Builds it from a URL and the options, and warns where it differs from the URL.
    pub(crate) fn new(said: ParsedUrl, options: &PostgresOptions) -> Result<Self, QueryError> {
        if !said.aside.is_empty() {
            tracing::warn!(
                "parameters of the PostgreSQL URL that mean nothing here are ignored: {}",
                said.aside.join(", ")
            );
        }
        let mut config = said.config;
        complete(&mut config, options);
        let hosts = hosts(&config);
        let is_local = hosts.iter().all(|host| plaintext::is_local(host));
        config.ssl_mode(mode(said.tls, is_local));
        let connector = Connector::new(&config, said.roots.as_deref())?;
        if matches!(connector, Connector::Plain) {
            let cure = "add sslmode=verify-full to the URL of PostgreSQL";
            plaintext::warn("postgres", hosts.iter().map(String::as_str), cure);
        }
        Ok(Self { config, connector })
    }

    /// Connects, and passes notifications to `heard`; the task ends with the connection.
    pub(crate) async fn connect(
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
            Connector::TlsMode(tls) => {
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

/// Fills in what the URL leaves open. `TimeZone` stays the server's, as for Express: it decides the meaning
/// of `expire`.
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

/// Returns the TLS mode for a URL. `prefer` is heeded on this machine alone: elsewhere, anyone between the
/// two could answer that the server has no TLS.
fn mode(tls: Option<TlsMode>, is_local: bool) -> SslMode {
    match tls {
        None | Some(TlsMode::Off) => SslMode::Disable,
        Some(TlsMode::Preferred) if is_local => SslMode::Prefer,
        Some(TlsMode::Preferred | TlsMode::Required) => SslMode::Require,
    }
}

fn hosts(config: &Config) -> Vec<String> {
    let names = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
    names.chain(addresses).collect()
}

/// Opens connections, and drives them without logging: the driver's messages may hold a record.
#[derive(Clone)]
enum Connector {
    Plain,
    TlsMode(MakeRustlsConnect),
}

impl Connector {
    fn new(config: &Config, roots: Option<&Path>) -> Result<Self, QueryError> {
        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self::Plain);
        }
        let tls = tls(config, trusted(roots)?)?;
        Ok(Self::TlsMode(MakeRustlsConnect::new(tls)))
    }
}

/// Returns the system's root certificates, or those in a file.
fn trusted(file: Option<&Path>) -> Result<RootCertStore, QueryError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let found =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    roots.add_parsable_certificates(found.unwrap_or_default());
    if roots.is_empty() {
        let text = "the URL's parameter sslrootcert names no file with a certificate in PEM";
        return Err(QueryError::new(StoreErrorKind::Invalid, text));
    }
    Ok(roots)
}

/// Returns a TLS configuration that checks the server's name and certificate.
pub(crate) fn tls(config: &Config, roots: RootCertStore) -> Result<ClientConfig, QueryError> {
    let failed = |text| QueryError::new(StoreErrorKind::Unavailable, text);
    if roots.is_empty() {
        return Err(failed(
            "the system has no root certificates: install them, or name a file in SSL_CERT_FILE",
        ));
    }
    // A provider of its own: the process's default is the program's to choose.
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

/// Opens the pool's connections, and checks each for a pooler.
struct Looking {
    connector: Connector,
    pooler: Arc<Pooler>,
}

impl Connect for Looking {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let config = config.clone();
        Box::pin(async move {
            let (client, driven) = self.connector.open(config).await?;
            self.pooler.look(&client).await?;
            Ok((client, driven))
        })
    }
}

impl Connector {
    async fn open(&self, mut config: Config) -> Result<(Client, JoinHandle<()>), Error> {
        match self {
            Self::Plain => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await?;
                Ok((client, drive(connection)))
            }
            Self::TlsMode(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Ok((client, drive(connection)))
            }
        }
    }
}

fn drive<S>(connection: Connection<Socket, S>) -> JoinHandle<()>
where
    Connection<Socket, S>: Future<Output = Result<(), Error>> + Send + 'static,
{
    tokio::spawn(async move {
        // The client reports that it is closed when it is used.
        let _ = connection.await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x11_prefer_falls_back_to_plain_text_on_this_machine_alone() {
        use SslMode::{Disable, Prefer, Require};
        #[rustfmt::skip]
        let table = [
            (None,                 true,  Disable), // as node-postgres has it; warned of elsewhere
            (None,                 false, Disable),
            (Some(TlsMode::Off),       true,  Disable),
            (Some(TlsMode::Off),       false, Disable),
            (Some(TlsMode::Preferred), true,  Prefer),
            (Some(TlsMode::Preferred), false, Require),
            (Some(TlsMode::Required),  true,  Require),
            (Some(TlsMode::Required),  false, Require),
        ];
        for (tls, is_local, expected) in table {
            assert_eq!(mode(tls, is_local), expected, "{tls:?}, local: {is_local}");
        }
        let config: Config = "host=a,/run/b hostaddr=10.0.0.1,127.0.0.1".parse().unwrap();
        assert_eq!(hosts(&config), ["a", "/run/b", "10.0.0.1", "127.0.0.1"]);
    }
}
