//! Detection of a pooler in front of the server, on each new connection.
//!
//! A server reports to a client the id of the process that serves it, for cancelling. A pooler (`PgBouncer`,
//! Odyssey, …) reports an id of its own, because another process may serve each statement. A statement that
//! one process prepares there another may run under the same name, so that statements must be unnamed.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::future::join;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The code of a request for encryption, in place of one to cancel (protocol 3.0, `SSLRequest`).
const ENCRYPTION: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// A flag that is set once a connection of the store led to a pooler; never cleared.
#[derive(Debug, Default)]
pub(crate) struct Pooler(AtomicBool);

impl Pooler {
    /// Returns `true` if any connection led to a pooler.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Records it if a new connection leads to a pooler, in one round trip; in none once that is known.
    pub(crate) async fn look(&self, client: &Client) -> Result<(), Error> {
        if !self.is_there() && !is_direct(client).await? {
            self.0.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Returns `true` if the process that serves a statement is the one that the server reported.
pub(crate) async fn is_direct(client: &Client) -> Result<bool, Error> {
    let Some(told) = told_process(client).await else {
        return Ok(false);
    };
    let said = client.simple_query("SELECT pg_backend_pid()").await?;
    let pid = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(pid == Some(told))
}

/// Returns the process id that the server reported, which the driver reveals only in a request to cancel:
/// that is sent to no server.
async fn told_process(client: &Client) -> Option<i32> {
    let (near, far) = duplex(64);
    let token = client.cancel_token();
    let writing = async move { token.cancel_query_raw(near, Unencrypted).await };
    let (_, told) = join(writing, read_request(far)).await;
    told
}

/// Reads a request to cancel, and the one for encryption that may come before it.
async fn read_request(mut stream: DuplexStream) -> Option<i32> {
    let mut half = [0; 8];
    stream.read_exact(&mut half).await.ok()?;
    if half[4..] == ENCRYPTION {
        stream.write_all(b"S").await.ok()?;
        stream.read_exact(&mut half).await.ok()?;
    }
    stream.read_exact(&mut half).await.ok()?;
    Some(i32::from_be_bytes(half[..4].try_into().ok()?))
}

/// A transport that the driver takes for TLS.
struct Unencrypted;

impl TlsConnect<DuplexStream> for Unencrypted {
    type Stream = PlainStream;
    type Error = io::Error;
    type Future = Ready<io::Result<PlainStream>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(PlainStream(stream)))
    }
}

struct PlainStream(DuplexStream);

impl TlsStream for PlainStream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for PlainStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
