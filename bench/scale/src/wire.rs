//! The messages that Redis sends to a server with a near cache when a session is written.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::redis::RedisStore;
use testbed::Redis;

use crate::error::Failure;
use crate::fleet::{Fleet, fill};

/// Writes that are counted.
const WRITES: u32 = 5000;
/// Silence after which all messages have arrived.
const SILENCE: Duration = Duration::from_millis(300);

/// Bytes for each write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) alone: f64,
    pub(crate) together: f64,
}

/// Counts them on a connection that asks for what the near cache asks for.
pub(crate) async fn measure() -> Result<Told, Failure> {
    let server = Redis::start();
    let store = Arc::new(RedisStore::connect(&server.url()).await?);
    let mut line = listen(server.port())?;
    let fleet = Fleet::new(store, 2 * WRITES);
    let (fleet, _) = fill(fleet, WRITES, 1).await?;
    let alone = drain(&mut line)?;
    let (_fleet, _) = fill(fleet, 2 * WRITES, 64).await?;
    let together = drain(&mut line)?;
    Ok(Told {
        alone: alone as f64 / f64::from(WRITES),
        together: together as f64 / f64::from(WRITES),
    })
}

fn listen(port: u16) -> Result<TcpStream, Failure> {
    let mut line = TcpStream::connect(("127.0.0.1", port))?;
    line.set_read_timeout(Some(SILENCE))?;
    line.write_all(b"HELLO 3\r\nCLIENT TRACKING ON BCAST PREFIX sess:\r\n")?;
    drain(&mut line)?;
    Ok(line)
}

/// Reads until nothing comes any more; how many bytes came.
fn drain(line: &mut TcpStream) -> Result<usize, Failure> {
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match line.read(&mut buffer) {
            Ok(0) => return Err(Failure::new("Redis closed the connection")),
            Ok(some) => bytes += some,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(bytes);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
