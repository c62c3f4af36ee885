//! Group 12: what is under way ends with its session. Beside each stands another user's, which goes on.

use std::time::Duration;

use cloakroom::policy::RequestInfo;
use cloakroom::testing::TestSessions;
use cloakroom::{Manager, MemoryStore};
use cloakroom_gate::{Gate, GateOptions, Keys, Rotation, Rules, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENCE, Place, RULES, Recorder, head, serve};

async fn begin(place: &Place, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(place.proxy).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until the connection ends.
async fn until_end(stream: &mut TcpStream, what: &str) {
    let mut part = vec![0; 65_536];
    let reading = async { while stream.read(&mut part).await.is_ok_and(|read| read > 0) {} };
    let read = timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "{what} goes on after the end of its session");
}

/// Reads for a while, in which more must come.
async fn goes_on(stream: &mut TcpStream, what: &str) {
    let mut part = vec![0; 65_536];
    let read = timeout(PATIENCE, stream.read(&mut part)).await.unwrap();
    assert!(read.is_ok_and(|read| read > 0), "{what} has ended");
}

async fn drained(stream: &mut TcpStream, time: Duration) {
    let mut part = vec![0; 65_536];
    let end = Instant::now() + time;
    while let Ok(read) = tokio::time::timeout_at(end, stream.read(&mut part)).await {
        assert!(read.unwrap() > 0, "it has ended too early");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_a_download_and_a_stream_of_events_end_with_their_session() {
    let place = Place::open().await;
    for kind in ["download", "events"] {
        let mut streams = Vec::new();
        for user in ["ada", "grace"] {
            let cookie = place.user(user, &[]).await;
            let fields = [("Cookie", cookie.as_str())];
            let mut stream = begin(
                &place,
                &head("GET", &format!("/x/{kind}"), place.proxy, &fields),
            )
            .await;
            goes_on(&mut stream, kind).await;
            streams.push(stream);
        }
        let mut other = streams.pop().unwrap();
        let mut stream = streams.pop().unwrap();
        // It outlives several looks at its session.
        drained(&mut stream, Duration::from_millis(1_500)).await;
        place.end("ada").await;
        until_end(&mut stream, kind).await;
        goes_on(&mut other, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_a_socket_ends_with_its_session() {
    let place = Place::open().await;
    let mut streams = Vec::new();
    for user in ["ada", "grace"] {
        let fields = [
            ("Cookie", &*place.user(user, &[]).await),
            ("Origin", "https://pay.example"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut stream = begin(&place, &head("GET", "/socket", place.proxy, &fields)).await;
        goes_on(&mut stream, "the handshake").await;
        stream.write_all(b"hello").await.unwrap();
        goes_on(&mut stream, "the socket").await;
        streams.push(stream);
    }
    sleep(Duration::from_millis(1_500)).await;
    place.end("ada").await;
    until_end(&mut streams[0], "a socket").await;
    streams[1].write_all(b"still here").await.unwrap();
    goes_on(&mut streams[1], "the other socket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_an_upload_ends_with_its_session() {
    let place = Place::open().await;
    let mut streams = Vec::new();
    for user in ["ada", "grace"] {
        let cookie = place.user(user, &[]).await;
        let fields = [
            ("Cookie", cookie.as_str()),
            ("Content-Length", "1000000000"),
        ];
        let mut stream = begin(&place, &head("POST", "/upload", place.proxy, &fields)).await;
        stream.write_all(&[b'x'; 1_000]).await.unwrap();
        streams.push(stream);
    }
    sleep(Duration::from_millis(600)).await;
    place.end("ada").await;
    // The upstream is cut off as well: it takes no half of it for the whole.
    place.upstream.broken(1).await;
    until_end(&mut streams[0], "an upload").await;
    for _ in 0..10 {
        streams[1].write_all(&[b'x'; 1_000]).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(place.upstream.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_a_request_that_waits_for_its_answer_ends_with_its_session() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let mut stream = begin(
        &place,
        &head("GET", "/silence", place.proxy, &[("Cookie", &cookie)]),
    )
    .await;
    sleep(Duration::from_millis(600)).await;
    place.end("ada").await;
    let mut answer = String::new();
    let reading = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    reading.expect("it is answered").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_a_public_download_belongs_to_nobody_and_goes_on() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let mut stream = begin(
        &place,
        &head("GET", "/public/events", place.proxy, &[("Cookie", &cookie)]),
    )
    .await;
    goes_on(&mut stream, "the stream").await;
    place.end("ada").await;
    drained(&mut stream, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_as_many_sockets_as_the_policy_allows() {
    let policy = TestSessions::policy().max_sockets_per_session(2);
    let place = Place::with(TestSessions::with(policy), RULES).await;
    let cookie = place.user("ada", &[]).await;
    let fields = [
        ("Cookie", cookie.as_str()),
        ("Origin", "https://pay.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut open = Vec::new();
    for expected in ["101", "101", "403"] {
        let mut stream = begin(&place, &head("GET", "/socket", place.proxy, &fields)).await;
        let mut part = [0; 12];
        stream.read_exact(&mut part).await.unwrap();
        assert!(
            part.ends_with(expected.as_bytes()),
            "{expected} {:?}",
            String::from_utf8_lossy(&part)
        );
        open.push(stream);
    }
    assert_eq!(place.upstream.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_socket_keeps_its_session_from_the_idle_time_out() {
    let policy = TestSessions::policy().idle_timeout(Duration::from_secs(6));
    let manager = Manager::new(policy.build().unwrap(), MemoryStore::new());
    let upstream = Recorder::start().await;
    let gate = Gate::new(
        manager.clone(),
        Rules::parse("origins = [\"https://pay.example\"]").unwrap(),
        Keys::of_this_process(Rotation::default()).unwrap(),
        GateOptions::default(),
    );
    let before = Upstream::parse(&format!("http://{}", upstream.address)).unwrap();
    let proxy = serve(gate.proxy(&before)).await;
    let mut cookies = Vec::new();
    for user in ["ada", "grace"] {
        let session = manager.open([], RequestInfo::default()).await.unwrap();
        session.login(user).await.unwrap();
        let set = manager.close(&session).await.unwrap().set_cookie.unwrap();
        cookies.push(set.split(';').next().unwrap().to_owned());
    }
    let fields = [
        ("Cookie", cookies[0].as_str()),
        ("Origin", "https://pay.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream
        .write_all(head("GET", "/socket", proxy, &fields).as_bytes())
        .await
        .unwrap();
    goes_on(&mut stream, "the handshake").await;
    sleep(Duration::from_secs(9)).await;
    stream.write_all(b"still here").await.unwrap();
    goes_on(&mut stream, "the socket").await;
    let status = async |cookie: &str| {
        let text = head("GET", "/other", proxy, &[("Cookie", cookie)]);
        crate::support::Answer::of(&crate::support::raw(proxy, text.as_bytes()).await).status
    };
    assert_eq!(status(&cookies[0]).await, 200);
    // The control: nothing kept hers.
    assert_eq!(status(&cookies[1]).await, 401);
}
