//! A single request to a server, on a connection of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::answer;

/// The response to one request.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// The values of its Set-Cookie fields.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

/// The body of what it answers.
pub(crate) fn get(at: SocketAddr, path: &str) -> Result<String, String> {
    let said = send(at, "GET", path, "", "")?;
    match said.status {
        200 => Ok(said.body),
        status => Err(format!("{path} answered {status}: {:?}", said.body)),
    }
}

/// Sends a request with further `fields`, each with the end of its line.
pub(crate) fn send(
    at: SocketAddr,
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> Result<Said, String> {
    let length = body.len();
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
             Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said)?;
        Ok(said)
    };
    let said = ask().map_err(|error| format!("{path}: {error}"))?;
    let Some(answer) = answer::parse(&said)? else {
        let said = String::from_utf8_lossy(&said);
        return Err(format!("{path} answered {said:?}"));
    };
    Ok(Said {
        status: answer.status,
        cookies: answer.cookies.iter().map(ToString::to_string).collect(),
        body: String::from_utf8_lossy(answer.body).into_owned(),
    })
}
