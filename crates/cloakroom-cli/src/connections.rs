//! Connections: time limits of slow requests, and the shutdown.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::map_request;
use axum::serve::Listener;
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service as _;

/// Time that a client may take for a request's head, and between two requests.
const HEAD: Duration = Duration::from_secs(15);
/// Time that any body may take, however short it is.
const BODY: Duration = Duration::from_secs(15);
/// Number of bytes of a body that extend its time by a second.
const BYTES_PER_SECOND: u64 = 500;

/// Serves until `ended` is ready, and then lets the requests under way finish.
pub(crate) async fn serve(mut listener: TcpListener, app: Router, ended: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut app = app
        .layer(map_request(paced))
        .into_make_service_with_connect_info::<SocketAddr>();
    // Told of the end by what is sent; gone when all of them are.
    let (end, _) = watch::channel(());
    tokio::pin!(ended);
    loop {
        let (socket, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut ended => break,
        };
        let Ok(service) = app.call(peer).await;
        let service = TowerToHyperService::new(service);
        let connection = http.serve_connection(TokioIo::new(socket), service);
        let mut ending = end.subscribe();
        tokio::spawn(async move {
            let connection = connection.with_upgrades();
            tokio::pin!(connection);
            // One that breaks off, or is too slow, concerns its client alone.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = ending.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    drop(listener);
    end.send_replace(());
    end.closed().await;
}

async fn paced(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    request.map(|body| Body::new(Paced { body, pace: None }))
}

/// Returns how long a body may have taken by the time that so much of it has come: Apache's
/// `RequestReadTimeout body=15,MinRate=500`.
fn allowed(received: u64) -> Duration {
    BODY + Duration::from_secs(received / BYTES_PER_SECOND)
}

/// A body that fails once it is sent too slowly.
struct Paced {
    body: Body,
    /// From the first look at it: a handler may take its time.
    pace: Option<Pace>,
}

struct Pace {
    begun: Instant,
    received: u64,
    due: Pin<Box<Sleep>>,
}

impl Pace {
    fn begin() -> Self {
        let begun = Instant::now();
        Self {
            begun,
            received: 0,
            due: Box::pin(sleep_until(begun + allowed(0))),
        }
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        self.received = self.received.saturating_add(bytes as u64);
        let due = self.begun + allowed(self.received);
        self.due.as_mut().reset(due);
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, pace } = &mut *self;
        let pace = pace.get_or_insert_with(Pace::begin);
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            ready!(pace.due.as_mut().poll(context));
            let slow = io::Error::new(io::ErrorKind::TimedOut, "it is sent too slowly");
            return Poll::Ready(Some(Err(axum::Error::new(slow))));
        };
        if let Some(Ok(frame)) = &frame {
            pace.count(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep};

    use super::{allowed, serve};

    /// A server of bodies, and what ends it.
    async fn open() -> (TcpStream, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Router::new().route("/", post(|body: String| async { body }));
        let (end, ended) = oneshot::channel();
        let ended = async { drop(ended.await) };
        let serving = tokio::spawn(serve(listener, app, ended));
        (TcpStream::connect(addr).await.unwrap(), end, serving)
    }

    /// Returns the response to a client that sends these parts with a pause between them.
    async fn answer(parts: &[&str], pause: Duration) -> (String, Duration) {
        let (mut client, _end, _) = open().await;
        let begun = Instant::now();
        for part in parts {
            if client.write_all(part.as_bytes()).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer).await;
        (answer, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn x10_an_incomplete_head_times_out() {
        for parts in [&[""][..], &["POST / HTTP/1.1\r\n", "host: x\r\n"]] {
            let (answer, took) = answer(parts, Duration::ZERO).await;
            assert!(!answer.contains("200 OK"), "{answer}");
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
        // A byte now and then buys no time.
        let drops = ["x"; 60];
        let (_, took) = answer(&drops, Duration::from_secs(2)).await;
        assert!(took < Duration::from_secs(121), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn x10_an_incomplete_body_times_out() {
        let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n";
        let (answer, took) = answer(&[head, "half"], Duration::ZERO).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_that_keeps_its_pace_arrives() {
        let head =
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9000\r\n\r\n";
        let part = "x".repeat(1_500);
        let parts = [head, &part, &part, &part, &part, &part, &part];
        let (answer, _) = answer(&parts, Duration::from_secs(2)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(&part));
    }

    #[tokio::test]
    async fn requests_under_way_are_answered_at_shutdown() {
        let (mut client, end, serving) = open().await;
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        end.send(()).unwrap();
        sleep(Duration::from_millis(100)).await;
        client.write_all(b"coat").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("coat"), "{answer}");
        serving.await.unwrap();
    }

    #[test]
    fn each_500_bytes_earn_a_second() {
        #[rustfmt::skip]
        let table = [(0, 15), (499, 15), (500, 16), (5_000, 25), (16_384, 47)];
        for (received, seconds) in table {
            assert_eq!(allowed(received), Duration::from_secs(seconds));
        }
    }
}
