//! Reads the output of `curl -v` (or `curl -i -v`, with redirects followed or not).

use url::Url;

use super::recording::Exchange;

/// Reads the exchanges in their order.
///
/// # Errors
///
/// A text for people.
pub(super) fn read(text: &str) -> Result<Vec<Exchange>, String> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.take(line.trim_end_matches('\r'));
    }
    match reader.done {
        exchanges if exchanges.is_empty() => {
            Err("it holds no request: give what `curl -v URL` writes to standard error".to_owned())
        }
        exchanges => Ok(exchanges),
    }
}

#[derive(Default)]
struct Reader {
    is_encrypted: bool,
    done: Vec<Exchange>,
}

impl Reader {
    fn take(&mut self, line: &str) {
        match line.split_at_checked(2) {
            Some(("> ", line)) => self.asked(line),
            Some(("< ", line)) => self.answered(line),
            Some(("* ", line)) => self.said(line),
            _ => {}
        }
    }

    /// Takes what curl says of the connection.
    fn said(&mut self, line: &str) {
        let tls = [
            "SSL connection using",
            "TLS connection using",
            "SSL certificate",
            "ALPN: server accepted",
        ];
        if line.contains("Trying ") || line.starts_with("Connected to") {
            self.is_encrypted = false;
        } else if tls.iter().any(|sign| line.contains(sign)) {
            self.is_encrypted = true;
        }
    }

    fn asked(&mut self, line: &str) {
        if let Some((method, path)) = request_line(line) {
            let scheme = if self.is_encrypted { "https" } else { "http" };
            // The host follows in a field of its own.
            let url = format!("{scheme}://host.invalid{path}");
            if let Ok(url) = url.parse() {
                self.done.push(Exchange::new(url, method));
            }
            return;
        }
        let Some(exchange) = self.done.last_mut() else {
            return;
        };
        let Some((name, value)) = field(line) else {
            return;
        };
        if name == "host" || name == ":authority" {
            set_host(&mut exchange.url, &value);
        }
        exchange.asked.push((name, value));
    }

    fn answered(&mut self, line: &str) {
        let Some(exchange) = self.done.last_mut() else {
            return;
        };
        if let Some(status) = status_line(line) {
            // 1xx responses and those of a proxy come before the response proper.
            exchange.status = Some(status);
            exchange.answered.clear();
        } else if let Some(field) = field(line) {
            exchange.answered.push(field);
        }
    }
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_request = version.starts_with("HTTP/") && words.next().is_none();
    (is_request && target.starts_with('/')).then_some((method, target))
}

fn status_line(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    let status = rest.split(' ').next()?;
    version.starts_with("HTTP/").then(|| status.parse().ok())?
}

fn field(line: &str) -> Option<(String, String)> {
    let at = line.get(1..)?.find(':')? + 1;
    let (name, value) = (&line[..at], &line[at + 1..]);
    (!name.contains(' ')).then(|| (name.to_ascii_lowercase(), value.trim_start().to_owned()))
}

fn set_host(url: &mut Url, value: &str) {
    let Ok(authority) = format!("{}://{value}/", url.scheme()).parse::<Url>() else {
        return;
    };
    // A URL of the web takes the host and the port of another.
    let _ = url.set_host(authority.host_str());
    let _ = url.set_port(authority.port());
}

#[cfg(test)]
mod tests {
    use super::read;

    const OUTPUT: &str = "\
*   Trying 127.0.0.1:8443...
* Connected to shop.example (127.0.0.1) port 8443
* SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384 / x25519 / RSASSA-PSS
> POST /login HTTP/1.1\r
> Host: shop.example:8443\r
> Accept: */*\r
> \r
} [18 bytes data]
< HTTP/1.1 100 Continue\r
< X-Early: 1\r
< HTTP/1.1 303 See Other\r
< Set-Cookie: connect.sid=s%3Aabc.def; Path=/; Secure\r
< set-cookie: lang=en\r
< Location: /\r
< \r
* Connection #0 to host shop.example left intact
*   Trying 127.0.0.1:80...
* Connected to shop.example (127.0.0.1) port 80
> GET /me?x=1 HTTP/1.1
> Host: shop.example
> Cookie: connect.sid=s%3Aabc.def
>
< HTTP/1.1 200 OK
<
hello
";

    #[test]
    fn requests_responses_and_schemes_are_read() {
        let exchanges = read(OUTPUT).unwrap();
        let [login, me] = exchanges.as_slice() else {
            panic!("{} exchanges", exchanges.len());
        };
        assert_eq!(login.url.as_str(), "https://shop.example:8443/login");
        assert_eq!((login.method.as_str(), login.status), ("POST", Some(303)));
        assert_eq!(login.set_cookies().len(), 2);
        assert!(login.answered.iter().all(|(name, _)| name != "x-early"));
        assert_eq!(me.url.as_str(), "http://shop.example/me?x=1");
        assert_eq!(me.cookie().as_deref(), Some("connect.sid=s%3Aabc.def"));
        assert_eq!(me.status, Some(200));
    }

    #[test]
    fn what_is_no_output_of_curl_is_said() {
        for text in ["", "hello", "< HTTP/1.1 200 OK", "> no request"] {
            assert!(read(text).unwrap_err().contains("curl -v"));
        }
    }
}
