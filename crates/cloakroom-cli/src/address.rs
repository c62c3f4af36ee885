//! Addresses to listen on, as people type them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

/// The port where none is given.
const PORT: u16 = 3000;

/// Parses `ADDRESS:PORT`, and what is short for it: a port alone, which is then open to this machine only,
/// an address alone, which gets port 3000, and `localhost`.
///
/// # Errors
///
/// A line that says what to type.
pub(crate) fn listening_address(text: &str) -> Result<SocketAddr, String> {
    let refused = || {
        format!("give an address and a port, such as 127.0.0.1:{PORT}, localhost:{PORT} or {PORT}")
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.is_empty() {
        return Err(refused());
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let bare = inner.unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, PORT).into());
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| refused())?),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            ("", text.parse().map_err(|_| refused())?)
        }
        None => (text, PORT),
    };
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let found = (host, port).to_socket_addrs().ok();
    let found = found.and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| format!("{host} is no name of this machine: {}", refused()))
}

#[cfg(test)]
mod tests {
    use super::listening_address;

    #[test]
    fn z10_an_address_is_understood_as_people_type_it() {
        #[rustfmt::skip]
        let table = [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80",     "0.0.0.0:80"),
            ("[::1]:8080",     "[::1]:8080"),
            ("3000",           "127.0.0.1:3000"),
            ("0",              "127.0.0.1:0"),
            (":8080",          "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LOCALHOST",      "127.0.0.1:3000"),
            ("127.0.0.1",      "127.0.0.1:3000"),
            ("::1",            "[::1]:3000"),
            ("[::1]",          "[::1]:3000"),
        ];
        for (text, address) in table {
            let read = listening_address(text).unwrap();
            assert_eq!(read.to_string(), address, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_an_example() {
        for text in [
            "",
            "localhost:",
            "localhost:x",
            "1.2.3.4:99999",
            "65536",
            "http://localhost:3000",
            "no such host",
            "[::1",
        ] {
            match listening_address(text) {
                Ok(address) => panic!("{text}: {address}"),
                Err(line) => assert!(line.contains("such as 127.0.0.1:3000"), "{text}: {line}"),
            }
        }
    }
}
