//! Connections: limits on slow clients, and a graceful end.

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

/// Time that a client has for a request's head, and for a pause between two requests.
const HEAD: Duration = Duration::from_secs(15);
/// Time that any body may take, however short it is.
const BODY: Duration = Duration::from_secs(15);
/// Bytes of a body that earn it one second more.
const BYTES_PER_SECOND: u64 = 500;

/// Serves until `ended` is ready, and then lets the requests under way finish.
pub(crate) async fn serve(mut listener: TcpListener, app: Router, ended: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut app = app
        .layer(map_request(paced))
        .into_make_service_with_connect_info::<SocketAddr>();
    // The channel's value signals the end; the channel closes when all connections have.
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
            // A connection that breaks off, or is too slow, affects its client alone.
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

/// Returns the time that a body may have taken by the time that this many bytes have come: Apache's
/// `RequestReadTimeout body=15,MinRate=500`.
fn allowed(received: u64) -> Duration {
    BODY + Duration::from_secs(received / BYTES_PER_SECOND)
}

/// A body that fails once it is sent too slowly.
struct Paced {
    body: Body,
    /// Starts at the first read: a handler may take its time.
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
