//! WebSockets on a real server: their handshakes, limits and closes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::extract::ws::Message as Sent;
use axum::response::Response;
use axum::routing::any;
use cloakroom::watch::EndReason;
use cloakroom::web::{Csrf, LiveSocket, LiveUpgrade};
use cloakroom::{Manager, SessionLayer};
use futures_util::{SinkExt as _, StreamExt as _};
use testbed::Pace;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{BEGUN, BOUND, LIMIT, Node, PROMISE, user};
use crate::support::servers::{on_every_store, url};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Returns the routes; each handler uses its socket in another way.
fn routes() -> Router {
    Router::new()
        .route(
            "/receives",
            any(async |live: LiveUpgrade| live.on_upgrade(receive)),
        )
        .route(
            "/sends",
            any(async |live: LiveUpgrade| live.on_upgrade(send)),
        )
        .route(
            "/waits",
            any(async |live: LiveUpgrade| live.on_upgrade(wait)),
        )
        .route(
            "/background",
            any(async |live: LiveUpgrade| live.in_background().on_upgrade(wait)),
        )
        .route(
            "/floods",
            any(async |live: LiveUpgrade| live.on_upgrade(flood)),
        )
        .route("/splits", any(split))
        .route(
            "/counts",
            any(async |live: LiveUpgrade| live.on_upgrade(count)),
        )
        .route(
            "/leaves",
            any(async |live: LiveUpgrade| live.on_upgrade(async |_| {})),
        )
}

/// Echoes, until there is nothing more.
async fn receive(mut socket: LiveSocket) {
    while let Some(Ok(said)) = socket.recv().await {
        if matches!(said, Sent::Text(_)) {
            let _ = socket.send(said).await;
        }
    }
}

async fn send(mut socket: LiveSocket) {
    while socket.send("tick".into()).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits without ever reading its socket.
async fn wait(socket: LiveSocket) {
    sleep(Duration::from_mins(1)).await;
    drop(socket);
}

/// More than any client reads that does not read.
async fn flood(mut socket: LiveSocket) {
    let much = "x".repeat(1 << 20);
    while socket.send(much.clone().into()).await.is_ok() {}
}

/// Runs both halves in tasks of their own, which outlive the handler.
async fn split(live: LiveUpgrade) -> Response {
    live.on_upgrade(async |socket| {
        let (mut sink, mut stream) = socket.split();
        tokio::spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
        tokio::spawn(async move {
            while sink.send("tick".into()).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        });
    })
}

/// Counts what it gets, in the session.
async fn count(mut socket: LiveSocket) {
    while let Some(Ok(_)) = socket.recv().await {
        let add = |n: Option<u32>| n.unwrap_or(0) + 1;
        let said = match socket.session().update("n", add).await {
            Ok(n) => n.to_string(),
            Err(error) => error.to_string(),
        };
        let _ = socket.send(said.into()).await;
    }
}

/// Serves on a port of its own.
async fn serve(manager: &Manager) -> String {
    let app = routes()
        .layer(Csrf::new().allow_origin("https://partner.example").unwrap())
        .layer(SessionLayer::new(manager.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

async fn open(at: &str, path: &str, fields: &[(&'static str, &str)]) -> Result<Client, Error> {
    let mut request = format!("ws://{at}{path}").into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(connect_async(request).await?.0)
}

/// Reads up to the close; `None` where the connection was cut.
async fn close_of(mut client: Client) -> Option<CloseFrame> {
    loop {
        match client.next().await? {
            Ok(Message::Close(close)) => {
                // The answer to it leaves with the next read.
                let _ = client.next().await;
                return close;
            }
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

async fn closed(what: &str, client: Client, since: Instant) -> (u16, String) {
    let pace = Pace::since(since);
    let close = timeout(LIMIT, close_of(client)).await;
    let close = close.unwrap_or_else(|_| panic!("{what}: not closed"));
    assert!(pace.is_within(BOUND), "{what}: {pace}");
    let took = since.elapsed();
    let late = if took > PROMISE { " (late)" } else { "" };
    eprintln!("{what}: closed after {} ms{late}", took.as_millis());
    let close = close.unwrap_or_else(|| panic!("{what}: cut off"));
    (close.code.into(), close.reason.to_string())
}

async fn a_socket_closes_on_logout_whatever_its_handler_does(url: &str) {
    let (here, there) = Node::pair(url).await;
    let (at, user) = (serve(&here.0).await, user());
    let cookie = here.sign_in(&user).await;
    let mut clients = Vec::new();
    for path in ["/receives", "/sends", "/waits", "/splits"] {
        clients.push((path, open(&at, path, &[("cookie", &cookie)]).await.unwrap()));
    }
    let mut bystander = open(
        &at,
        "/receives",
        &[("cookie", &here.sign_in("bystander").await)],
    )
    .await
    .unwrap();
    sleep(BEGUN).await;
    assert_eq!(there.0.end_sessions_of(&user, None).await.unwrap(), 1);
    let since = Instant::now();
    let closing = clients.into_iter().map(async |(path, client)| {
        let (code, reason) = closed(path, client, since).await;
        assert_eq!((code, &*reason), (4401, "session ended"), "{path}");
    });
    futures_util::future::join_all(closing).await;
    bystander.send("still here".into()).await.unwrap();
    let said = timeout(LIMIT, bystander.next()).await.unwrap();
    assert_eq!(said.unwrap().unwrap(), Message::text("still here"));
}

async fn a_socket_can_write_to_its_session_until_it_ends(url: &str) {
    let (here, there) = Node::pair(url).await;
    let at = serve(&here.0).await;
    let cookie = here.sign_in(&user()).await;
    let mut client = open(&at, "/counts", &[("cookie", &cookie)]).await.unwrap();
    for n in 1..=3 {
        client.send("+".into()).await.unwrap();
        let said = client.next().await.unwrap().unwrap();
        assert_eq!(said, Message::text(n.to_string()));
    }
    let session = there.open(&cookie).await;
    assert_eq!(session.get("n").unwrap(), Some(3));
    session.logout().await.unwrap();
    // Before it is closed, perhaps: nothing is brought back either way.
    let _ = client.send("+".into()).await;
    let said = timeout(LIMIT, client.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let gone = Message::text("the session ended while this request ran");
    assert!(said == gone || said.is_close(), "{said:?}");
    assert!(there.open(&cookie).await.is_new(), "it was brought back");
}

on_every_store!(
    a_socket_closes_on_logout_whatever_its_handler_does
    a_socket_can_write_to_its_session_until_it_ends
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_closes_with_the_reason_expired() {
    let two = Duration::from_secs(2);
    let (here, _) = Node::pair_with("memory:", |policy| policy.idle_timeout(two)).await;
    let at = serve(&here.0).await;
    let cookie = here.sign_in(&user()).await;
    let fields = [("cookie", cookie.as_str())];
    let client = open(&at, "/background", &fields).await.unwrap();
    sleep(Duration::from_millis(1_800)).await;
    let (code, reason) = closed("expired", client, Instant::now()).await;
    assert_eq!((code, &*reason), (EndReason::CLOSE_CODE, "session expired"));
}

/// R9: a server that shuts down sends 1001, and clients connect to the next process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_a_server_that_shuts_down_closes_its_sockets_with_1001() {
    let (here, _) = Node::pair("memory:").await;
    let at = serve(&here.0).await;
    let cookie = here.sign_in(&user()).await;
    let fields = [("cookie", cookie.as_str())];
    let mut clients = Vec::new();
    for path in ["/receives", "/sends", "/splits", "/waits"] {
        clients.push((path, open(&at, path, &fields).await.unwrap()));
    }
    let silent = open(&at, "/floods", &fields).await.unwrap();
    sleep(BEGUN).await;
    let heard = clients.into_iter().map(async |(path, client)| {
        let (code, reason) = closed(path, client, Instant::now()).await;
        assert_eq!((code, &*reason), (1001, "the server shuts down"), "{path}");
    });
    // It waits for those that answer, and not for ever for one that does not.
    futures_util::future::join(
        here.0.close_sockets(),
        futures_util::future::join_all(heard),
    )
    .await;
    drop(silent);
    let late = open(&at, "/receives", &fields).await.unwrap();
    let (code, _) = closed("late", late, Instant::now()).await;
    assert_eq!(code, 1001);
    let session = here.open(&cookie).await;
    assert!(session.user().is_some(), "the session goes on");
}

/// V1: an open socket prolongs its session, until the absolute time-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_an_open_socket_keeps_its_session_until_the_absolute_timeout() {
    let (idle, absolute) = (Duration::from_secs(3), Duration::from_secs(8));
    let times = |policy: cloakroom::policy::PolicyBuilder| {
        policy.idle_timeout(idle).absolute_timeout(absolute)
    };
    let (here, there) = Node::pair_with("memory:", times).await;
    let (at, user) = (serve(&here.0).await, user());
    let cookie = here.sign_in(&user).await;
    let begun = Instant::now();
    let client = open(&at, "/waits", &[("cookie", &cookie)]).await.unwrap();
    sleep(Duration::from_secs(7)).await;
    let live = there.0.sessions_of(&user).await.unwrap().len();
    assert_eq!(live, 1, "twice the idle time-out after the last request");
    let (code, reason) = closed("absolute", client, Instant::now()).await;
    assert_eq!((code, &*reason), (EndReason::CLOSE_CODE, "session expired"));
    assert!(begun.elapsed() >= absolute.saturating_sub(Duration::from_secs(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_waiting_for_a_message_is_notified_of_the_end() {
    let (here, there) = Node::pair("memory:").await;
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new().route(
        "/{task}",
        any(async |Path(task): Path<String>, live: LiveUpgrade| {
            live.on_upgrade(async move |mut socket: LiveSocket| {
                let waiting = async move {
                    let said = socket.recv().await.is_some();
                    let sent = socket.send("late".into()).await.is_ok();
                    let _ = told.send((said, sent, socket.end()));
                };
                if task == "own" {
                    waiting.await;
                } else {
                    tokio::spawn(waiting);
                }
            })
        }),
    );
    let app = app.layer(SessionLayer::new(here.0.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let user = user();
    let cookie = here.sign_in(&user).await;
    let own = open(&at, "/own", &[("cookie", &cookie)]).await.unwrap();
    let other = open(&at, "/other", &[("cookie", &cookie)]).await.unwrap();
    sleep(BEGUN).await;
    there.0.end_sessions_of(&user, None).await.unwrap();
    for _ in 0..2 {
        let heard = timeout(LIMIT, tells.recv()).await.expect("in time");
        assert_eq!(heard, Some((false, false, Some(EndReason::Ended))));
    }
    drop((own, other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_disconnected() {
    let (here, there) = Node::pair("memory:").await;
    let at = serve(&here.0).await;
    let user = user();
    let cookie = here.sign_in(&user).await;
    let client = open(&at, "/floods", &[("cookie", &cookie)]).await.unwrap();
    sleep(BEGUN).await;
    there.0.end_sessions_of(&user, None).await.unwrap();
    sleep(2 * PROMISE).await;
    // The buffered messages arrive, then nothing: no close, which would not have fitted in.
    let close = timeout(LIMIT, close_of(client)).await.expect("it ends");
    assert_eq!(close, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_leaves_closes_its_connection() {
    let (here, _) = Node::pair("memory:").await;
    let at = serve(&here.0).await;
    let cookie = here.sign_in(&user()).await;
    let client = open(&at, "/leaves", &[("cookie", &cookie)]).await.unwrap();
    let close = timeout(LIMIT, close_of(client)).await;
    assert_eq!(close.expect("long before the session ends"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_site_opens_no_socket_of_its_visitor() {
    let (here, _) = Node::pair("memory:").await;
    let at = serve(&here.0).await;
    let own = format!("http://{at}");
    let cookie = here.sign_in(&user()).await;
    #[rustfmt::skip]
    let table = [ // origin,                      sec-fetch-site,      status
        (Some(&*own),                       None,                101),
        (Some(&*own),                       Some("same-origin"), 101),
        (Some("https://partner.example"),   None,                101),
        (Some("https://partner.example"),   Some("cross-site"),  101),
        (None,                              None,                101), // no browser
        (Some("https://evil.example"),      None,                403),
        (Some("https://evil.example"),      Some("cross-site"),  403),
        (Some("http://evil.127.0.0.1"),     Some("same-site"),   403),
        (Some("null"),                      None,                403),
        (Some(""),                          None,                403),
        (None,                              Some("cross-site"),  403),
        (Some(&*own),                       Some("cross-site"),  403),
    ];
    for (origin, fetch_site, status) in table {
        let mut fields = vec![("cookie", &*cookie)];
        fields.extend(origin.map(|origin| ("origin", origin)));
        fields.extend(fetch_site.map(|site| ("sec-fetch-site", site)));
        let found = match open(&at, "/receives", &fields).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(found, status, "{origin:?} {fetch_site:?}");
    }
}

/// Returns the echo of a text of so many bytes, `None` if the connection is closed.
async fn echoed(client: &mut Client, bytes: usize) -> Option<usize> {
    let sent = client.send(Message::text("x".repeat(bytes))).await;
    let said = timeout(LIMIT, client.next()).await.expect("in time");
    match (sent, said) {
        (Ok(()), Some(Ok(Message::Text(text)))) => Some(text.len()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_a_large_message_is_refused_unless_the_bound_is_raised() {
    const BOUND: usize = 64 * 1024;
    let (here, _) = Node::pair("memory:").await;
    let raised = async |live: LiveUpgrade| {
        let live = live.with(|upgrade| upgrade.max_message_size(1 << 20).max_frame_size(1 << 20));
        live.on_upgrade(receive)
    };
    let app = routes().route("/raised", any(raised));
    let app = app.layer(SessionLayer::new(here.0.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    for (path, bytes, expected) in [
        ("/receives", BOUND, Some(BOUND)),
        ("/receives", BOUND + 1, None),
        ("/receives", 10 * BOUND, None),
        ("/raised", 10 * BOUND, Some(10 * BOUND)),
    ] {
        let mut client = open(&at, path, &[]).await.unwrap();
        assert_eq!(echoed(&mut client, bytes).await, expected, "{path} {bytes}");
    }
    // Nor may it come in pieces, without an end.
    let mut client = open(&at, "/receives", &[]).await.unwrap();
    for n in 0..5 {
        let (opcode, piece) = (
            if n == 0 { Data::Text } else { Data::Continue },
            "x".repeat(BOUND / 2),
        );
        let frame = Frame::message(piece, OpCode::Data(opcode), false);
        if client.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    let said = timeout(LIMIT, client.next()).await.expect("in time");
    assert!(!matches!(said, Some(Ok(Message::Text(_)))), "{said:?}");
}

/// The status of a handshake that is refused.
async fn refused(at: &str, fields: &[(&'static str, &str)]) -> u16 {
    match open(at, "/receives", fields).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_sockets_per_session_are_limited() {
    let (here, _) = Node::pair_with("memory:", |policy| policy.max_sockets_per_session(2)).await;
    let at = serve(&here.0).await;
    let (ada, eve) = (here.sign_in("ada").await, here.sign_in("eve").await);
    let first = open(&at, "/receives", &[("cookie", &ada)]).await.unwrap();
    let _second = open(&at, "/receives", &[("cookie", &ada)]).await.unwrap();
    assert_eq!(refused(&at, &[("cookie", &ada)]).await, 429);
    assert_eq!(refused(&at, &[("cookie", &eve)]).await, 101);
    assert_eq!(refused(&at, &[]).await, 101, "nobody's");
    drop(first);
    let begin = Instant::now();
    while refused(&at, &[("cookie", &ada)]).await == 429 {
        assert!(begin.elapsed() < LIMIT, "its place is not free again");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_sockets_per_address_are_limited() {
    let (here, _) = Node::pair_with("memory:", |policy| policy.max_sockets_per_address(3)).await;
    let app = routes().layer(SessionLayer::new(here.0.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(open(&at, "/receives", &[]).await.unwrap());
    }
    assert_eq!(refused(&at, &[]).await, 429);
    let cookie = here.sign_in("ada").await;
    assert_eq!(refused(&at, &[("cookie", &cookie)]).await, 429);
}

/// A thousand devices of one user: each has a session and a socket.
async fn a_logout_everywhere_closes_a_thousand_sockets(store: &str) {
    const SOCKETS: usize = 1000;
    let url = url(store);
    let (here, there) = Node::pair(&url).await;
    let (at, user) = (serve(&here.0).await, user());
    let mut opening = JoinSet::new();
    let together = Arc::new(tokio::sync::Semaphore::new(50));
    for _ in 0..SOCKETS {
        let (here, at, user) = (here.clone(), at.clone(), user.clone());
        let together = Arc::clone(&together);
        opening.spawn(async move {
            let _turn = together.acquire().await;
            let cookie = here.sign_in(&user).await;
            open(&at, "/receives", &[("cookie", &cookie)])
                .await
                .unwrap()
        });
    }
    let clients = opening.join_all().await;
    sleep(BEGUN).await;
    let begin = Instant::now();
    let ended = there.0.end_sessions_of(&user, None).await.unwrap();
    let returned = Instant::now();
    let pace = Pace::since(returned);
    assert_eq!(ended, SOCKETS as u64);
    let mut closing = JoinSet::new();
    for client in clients {
        closing.spawn(async move {
            let close = timeout(LIMIT, close_of(client)).await;
            (
                close.ok().flatten().map(|close| u16::from(close.code)),
                returned.elapsed(),
            )
        });
    }
    let closed = closing.join_all().await;
    assert!(closed.iter().all(|(code, _)| *code == Some(4401)));
    let mut took: Vec<u128> = closed.iter().map(|(_, took)| took.as_millis()).collect();
    took.sort_unstable();
    eprintln!(
        "{store}: {SOCKETS} sockets, logout everywhere took {} ms; closed after it: half within {} ms, all within {} ms",
        (returned - begin).as_millis(),
        took[SOCKETS / 2],
        took[SOCKETS - 1]
    );
    let last = u64::try_from(took[SOCKETS - 1]).unwrap();
    let bound = BOUND + pace.slowness();
    assert!(Duration::from_millis(last) <= bound, "{last} ms: {pace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_on_redis() {
    a_logout_everywhere_closes_a_thousand_sockets("redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_on_postgres() {
    a_logout_everywhere_closes_a_thousand_sockets("postgres").await;
}
