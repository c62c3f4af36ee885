//! `cloakroom console`: the operators' pages beside any store, on this machine alone.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_console::{ActLog, Console, Entry, Rights};

use crate::address::listening_address;
use crate::connections;
use crate::demo::options::make_private;
use crate::metrics::{Metrics, timed};
use crate::output::Style;
use crate::problem::Problem;
use crate::serve;
use crate::sessions::{Access, Opened, actor};
use crate::store_args::StoreArgs;

/// Time that the store may take for its remaining work after the last response.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The directory of the audit file where none is named.
const DATA_DIR: &str = "cloakroom-data";

/// The flags of `cloakroom console`; without `Debug`, because a store's URL may hold a password.
#[derive(clap::Args)]
pub(crate) struct ConsoleOptions {
    #[command(flatten)]
    store: StoreArgs,

    /// Address to listen on, of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3007", value_parser = loopback)]
    addr: SocketAddr,

    /// A file of the secrets whose handles are shown, one a line, the newest first
    /// [default: the environment's `SESSION_SECRET`]
    #[arg(long, value_name = "FILE", env = "SESSION_SECRET_FILE")]
    secret_file: Option<PathBuf>,

    /// A file to which acts are appended, a line of JSON each, and from which the list of acts is read
    /// [default: audit.jsonl in the directory cloakroom-data]
    #[arg(long, value_name = "FILE", env = "CLOAKROOM_AUDIT")]
    audit: Option<PathBuf>,

    /// The operator's name in the audit [default: the user of the operating system]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,

    /// End nothing: the pages only show
    #[arg(long)]
    look_only: bool,

    /// Allow values of sessions to be revealed one by one, each recorded in the audit
    #[arg(long)]
    reveal: bool,

    /// Address at which Prometheus finds `/metrics`, on another port [default: none]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listening_address)]
    metrics_addr: Option<SocketAddr>,

    /// Read so many sessions a second at most for the figures
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    scan_rate: u32,
}

/// Parses an address that other machines cannot reach: whoever reaches the console could end sessions.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr = listening_address(text)?;
    if addr.ip().is_loopback() {
        return Ok(addr);
    }
    Err("the console is for this machine alone: give 127.0.0.1 or [::1], and reach it by `ssh -L`, or mount it in an application with its own login".to_owned())
}

/// Serves the pages until a signal ends it.
pub(crate) fn run(options: &ConsoleOptions) -> Result<(), Problem> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to serve with: {error}")))?;
    let served = runtime.block_on(open_and_serve(options));
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

async fn open_and_serve(options: &ConsoleOptions) -> Result<(), Problem> {
    let opened = Opened::by(
        &options.store,
        options.secret_file.as_deref(),
        Access::Write,
    )
    .await?;
    let (acts, audit) = acts(options)?;
    let listener = serve::listen(options.addr).await?;
    let addr = listener.local_addr().unwrap_or(options.addr);
    say(&format!(
        "\n  {}  {} sessions, acts in {}\n",
        Style::of_stdout().bold("cloakroom console"),
        opened.store.kind(),
        audit.display()
    ));
    let console = Console::over(
        Arc::new(opened.store),
        opened.secrets,
        entry(options, addr)?,
    )
    .user_keys(opened.user_keys)
    .acts(acts)
    .hosts(hosts(addr))
    .scan_rate(options.scan_rate)
    .build();
    let mut router = cloakroom_console::router(console.clone());
    if let Some(addr) = options.metrics_addr {
        serve_metrics(addr, console).await?;
        router = timed(router);
    }
    serve::serve(listener, router, std::future::ready(())).await
}

/// Serves `/metrics` for as long as the process runs: how many sessions live, and when they were counted.
async fn serve_metrics(addr: SocketAddr, console: Console) -> Result<(), Problem> {
    let metrics = Metrics::install()?;
    let (live, counted) = (
        "cloakroom_sessions_live",
        "cloakroom_sessions_counted_timestamp_seconds",
    );
    metrics::describe_gauge!(live, "Sessions that lived when they were counted last");
    metrics::describe_gauge!(counted, "The time at which sessions were counted last");
    let routes = metrics.routes(move || {
        if let Some((sessions, at)) = console.counted() {
            let since = at
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            metrics::gauge!(live).set(f64::from(u32::try_from(sessions).unwrap_or(u32::MAX)));
            metrics::gauge!(counted).set(since.as_secs_f64());
        }
    });
    let listener = serve::listen(addr).await?;
    let bound = listener.local_addr().unwrap_or(addr);
    say(&format!("  metrics  http://{bound}/metrics\n"));
    tokio::spawn(metrics.keep_up());
    tokio::spawn(connections::serve(listener, routes, std::future::pending()));
    Ok(())
}

/// Opens the record of acts before anything is done: one that cannot be recorded is not carried out.
fn acts(options: &ConsoleOptions) -> Result<(ActLog, PathBuf), Problem> {
    let path = if let Some(path) = &options.audit {
        path.clone()
    } else {
        make_private(DATA_DIR.as_ref())?;
        PathBuf::from(DATA_DIR).join("audit.jsonl")
    };
    let log = ActLog::file(&path).map_err(|error| {
        Problem::usage(format!(
            "--audit {} cannot be used ({error}): give a file that can be read and written",
            path.display()
        ))
    })?;
    Ok((log, path))
}

fn entry(options: &ConsoleOptions, addr: SocketAddr) -> Result<Entry, Problem> {
    let rights = Rights::look()
        .end(!options.look_only)
        .reveal(options.reveal);
    let name = options.operator.clone().unwrap_or_else(actor);
    let announce = move |token: &str| {
        let style = Style::of_stdout();
        let link = style.bold(&format!("http://{addr}/#token={token}"));
        say(&format!(
            "  {}{link}\n  {}\n",
            style.dim("open  "),
            style.dim("once; the next link is printed then. Ctrl-C stops it.")
        ));
    };
    Entry::new(name, rights, addr.port(), announce)
        .map_err(|error| Problem::failed(format!("no random numbers: {error}")))
}

/// A console whose output is closed goes on serving.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
    let _ = io::stdout().flush();
}

/// Returns the names of this machine, without which another site's name could lead a browser here.
fn hosts(addr: SocketAddr) -> Vec<String> {
    let port = addr.port();
    let named = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}"));
    let mut hosts = vec![addr.to_string()];
    hosts.extend(named);
    hosts
}

#[cfg(test)]
mod tests {
    use super::{hosts, loopback};

    #[test]
    fn only_this_machine_s_addresses_are_listened_on() {
        for (text, expected) in [
            ("127.0.0.1:7000", true),
            ("[::1]:7000", true),
            ("7000", true),
            ("localhost:7000", true),
            ("0.0.0.0:7000", false),
            ("[::]:7000", false),
            ("192.0.2.1:7000", false),
        ] {
            assert_eq!(loopback(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_console_has_the_names_of_this_machine_with_its_port() {
        let hosts = hosts("127.0.0.2:7000".parse().unwrap());
        assert_eq!(
            hosts,
            [
                "127.0.0.2:7000",
                "127.0.0.1:7000",
                "localhost:7000",
                "[::1]:7000"
            ]
        );
    }
}
