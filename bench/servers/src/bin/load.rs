//! Sends one request so many times, one after the other, on one connection: `load URL METHOD PATH N`.
//! Signs in first.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("load ADDR METHOD PATH N");
    let (addr, method, path, n) = (word(), word(), word(), word());
    let addr = addr.trim_start_matches("http://").to_owned();
    let n: u64 = n.parse().expect("a number");
    let mut client = Client::connect(&addr);
    if path != "/plain" && path != "/anon" && path != "/forged" {
        client.send("POST", "/login");
    }
    if path == "/forged" {
        client.cookie = format!(
            "Cookie: connect.sid=s%3A{}.{}\r\n",
            "a".repeat(32),
            "b".repeat(43)
        );
    }
    for _ in 0..n {
        client.send(&method, if path == "/forged" { "/anon" } else { &path });
    }
}

struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    cookie: String,
}

impl Client {
    fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("a server");
        stream.set_nodelay(true).expect("no delay");
        let reader = BufReader::new(stream.try_clone().expect("a clone"));
        Self {
            stream,
            reader,
            cookie: String::new(),
        }
    }

    fn send(&mut self, method: &str, path: &str) {
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}{length}\r\n",
            self.cookie
        );
        self.stream
            .write_all(request.as_bytes())
            .expect("it listens");
        let (mut line, mut body) = (String::new(), 0);
        self.reader.read_line(&mut line).expect("it answers");
        assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
        loop {
            line.clear();
            self.reader.read_line(&mut line).expect("it answers");
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                body = value.parse().expect("a length");
            }
            if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().expect("a pair");
                self.cookie = format!("Cookie: {pair}\r\n");
            }
        }
        let mut rest = vec![0; body];
        self.reader.read_exact(&mut rest).expect("a body");
    }
}
