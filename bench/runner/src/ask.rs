//! A single request to a server, on a connection of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::answer;

/// The body of what it answers.
pub(crate) fn get(at: SocketAddr, path: &str) -> Result<String, String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said)?;
        Ok(said)
    };
    let said = ask().map_err(|error| format!("{path}: {error}"))?;
    match answer::parse(&said)? {
        Some(answer) if answer.status == 200 => {
            Ok(String::from_utf8_lossy(answer.body).into_owned())
        }
        _ => Err(format!(
            "{path} answered {:?}",
            String::from_utf8_lossy(&said)
        )),
    }
}
