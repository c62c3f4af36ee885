//! A visitor: its user, and its cookies.

use crate::route::{Route, Visit};

/// One session, seen from outside.
#[derive(Debug)]
pub(crate) struct Visitor {
    user: String,
    bumps: u64,
    is_known: bool,
    cookies: Vec<(String, String)>,
    /// The Cookie field with the end of its line, or nothing.
    field: String,
}

impl Visitor {
    /// A visitor without a cookie; a server without sessions never recognises one.
    pub(crate) fn new(number: usize, is_known: bool) -> Self {
        Self {
            user: format!("user-{number:05}"),
            bumps: 0,
            is_known,
            cookies: Vec::new(),
            field: String::new(),
        }
    }

    /// Puts the request into `buffer`.
    pub(crate) fn ask(&self, route: Route, buffer: &mut Vec<u8>) {
        buffer.clear();
        let mut add = |text: &str| buffer.extend_from_slice(text.as_bytes());
        add(route.method());
        add(" ");
        add(route.path());
        add(" HTTP/1.1\r\nHost: localhost\r\n");
        if route.carries_cookie() {
            add(&self.field);
        }
        match route.body(&self.user) {
            None => add("\r\n"),
            Some("") => add("Content-Length: 0\r\n\r\n"),
            Some(body) => {
                add("Content-Type: text/plain\r\nContent-Length: ");
                add(&body.len().to_string());
                add("\r\n\r\n");
                add(body);
            }
        }
    }

    /// Compares the answer with what it should be, and remembers what it changed.
    pub(crate) fn hear(&mut self, route: Route, body: &[u8]) -> Result<(), String> {
        let visit = Visit {
            user: &self.user,
            bumps: self.bumps,
            is_known: self.is_known,
        };
        if !route.is_answered(body, visit) {
            let body = String::from_utf8_lossy(body);
            return Err(format!("{} answered {body:?} to {visit:?}", route.title()));
        }
        match route {
            Route::Bump => self.bumps += 1,
            Route::Login => self.bumps = 0,
            _ => {}
        }
        Ok(())
    }

    /// Takes a cookie as a browser does: name, value, and whether it is to go.
    pub(crate) fn take(&mut self, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let pair = parts.next().and_then(|pair| pair.split_once('='));
        let Some((name, value)) = pair else {
            return;
        };
        let goes = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        let known = self.cookies.iter_mut().find(|(known, _)| known == name);
        match (known, goes) {
            (Some((_, known)), false) if known == value => return,
            (Some((_, known)), false) => value.clone_into(known),
            (None, false) => self.cookies.push((name.to_owned(), value.to_owned())),
            (_, true) => self.cookies.retain(|(known, _)| known != name),
        }
        self.write_field();
    }

    /// Returns the Cookie field with the end of its line, or nothing.
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    fn write_field(&mut self) {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.field = match pairs.as_slice() {
            [] => String::new(),
            pairs => format!("Cookie: {}\r\n", pairs.join("; ")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_followed() {
        let mut visitor = Visitor::new(3, true);
        #[rustfmt::skip]
        let table = [
            ("a=1; Path=/; HttpOnly", "Cookie: a=1\r\n"),
            ("b=x%3Dy=",              "Cookie: a=1; b=x%3Dy=\r\n"),
            ("a=2; Max-Age=1800",     "Cookie: a=2; b=x%3Dy=\r\n"),
            ("a=; max-age=0; Path=/", "Cookie: b=x%3Dy=\r\n"),
            ("no pair",               "Cookie: b=x%3Dy=\r\n"),
            ("b=; Max-Age=0",         ""),
        ];
        for (set_cookie, field) in table {
            visitor.take(set_cookie);
            assert_eq!(visitor.field, field, "{set_cookie}");
        }
    }

    #[test]
    fn a_request_has_what_it_needs() {
        let mut visitor = Visitor::new(3, true);
        visitor.take("a=1");
        let ask = |route| {
            let mut buffer = b"left over".to_vec();
            visitor.ask(route, &mut buffer);
            String::from_utf8(buffer).unwrap()
        };
        let head = "HTTP/1.1\r\nHost: localhost\r\n";
        assert_eq!(ask(Route::Me), format!("GET /me {head}Cookie: a=1\r\n\r\n"));
        assert_eq!(ask(Route::Anon), format!("GET /anon {head}\r\n"));
        let body = "Content-Type: text/plain\r\nContent-Length: 10\r\n\r\nuser-00003";
        assert_eq!(
            ask(Route::Login),
            format!("POST /login {head}Cookie: a=1\r\n{body}")
        );
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let mut visitor = Visitor::new(3, true);
        visitor.hear(Route::Bump, b"1").unwrap();
        assert!(visitor.hear(Route::Bump, b"1").is_err());
        visitor.hear(Route::Bump, b"2").unwrap();
        visitor.hear(Route::Login, b"user-00003").unwrap();
        visitor.hear(Route::Bump, b"1").unwrap();
    }
}
