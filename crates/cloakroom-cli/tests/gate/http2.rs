//! HTTP/2 as bytes: whatever names and values a client puts into a head, which no client library would.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A body, and the fields behind it.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) trailers: &'a [(&'a str, &'a str)],
}

/// Sends a request on a connection of its own; returns its status, 0 where there is none, 999 for one that is not in
/// the static table (RFC 7541 appendix A).
pub(crate) async fn ask(
    to: SocketAddr,
    fields: &[(&str, String)],
    body: &[Body<'_>],
    patience: Duration,
) -> u16 {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    let end = if body.is_empty() { END_STREAM } else { 0 };
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    sent.extend(frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    for part in body {
        let has_trailers = !part.trailers.is_empty();
        let end = if has_trailers { 0 } else { END_STREAM };
        sent.extend(frame(DATA, end, 1, part.bytes));
        if has_trailers {
            let trailers = block(part.trailers.iter().copied());
            sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers));
        }
    }
    let _ = stream.write_all(&sent).await;
    timeout(patience, status(&mut stream))
        .await
        .ok()
        .flatten()
        .unwrap_or(0)
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

/// Literals without an index, names and all (RFC 7541 §6.2.2).
fn block<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer of a prefix of seven bits (RFC 7541 §5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        block.push(u8::try_from(length).unwrap());
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// Reads to the end of the first stream; `None` where it has no status.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut found = None;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length.try_into().unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        let (kind, flags, id) = (head[3], head[4], head[8]);
        if kind == HEADERS && found.is_none() {
            found = Some(of_block(&payload));
        }
        let is_over = id == 1 && (kind == RST_STREAM || flags & END_STREAM != 0 && kind <= HEADERS);
        if is_over || kind == GOAWAY {
            return found;
        }
    }
}

fn of_block(block: &[u8]) -> u16 {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // A table's change of size may come first.
    let first = block
        .iter()
        .find(|byte| *byte >> 5 != 1)
        .copied()
        .unwrap_or(0);
    usize::from(first)
        .checked_sub(0x88)
        .and_then(|at| STATIC.get(at))
        .copied()
        .unwrap_or(999)
}
