//! A response, taken from what has arrived so far.

/// One whole response at the beginning of a buffer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The values of its Set-Cookie fields.
    pub(crate) cookies: Vec<&'a str>,
    pub(crate) body: &'a [u8],
    /// Number of bytes of the buffer that it takes.
    pub(crate) length: usize,
}

/// Takes a response apart; `None` while some of it is still to come.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Answer<'_>>, String> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(buffer) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("no response: {error}")),
    };
    let (mut cookies, mut length) = (Vec::new(), None);
    for field in response.headers.iter() {
        let value = std::str::from_utf8(field.value).map_err(|_| "a field is not text")?;
        if field.name.eq_ignore_ascii_case("set-cookie") {
            cookies.push(value);
        } else if field.name.eq_ignore_ascii_case("content-length") {
            length = value.parse::<usize>().ok();
        }
    }
    let length = head + length.ok_or("a response without a length")?;
    let body = buffer.get(head..length);
    Ok(body.map(|body| Answer {
        status: response.code.unwrap_or(0),
        cookies,
        body,
        length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_whole_or_awaited() {
        let text = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\ncontent-length: 3\r\nset-cookie: b=2\r\n\r\nadaHTTP";
        for end in 0..text.len() - 4 {
            assert!(parse(&text[..end]).unwrap().is_none(), "{end}");
        }
        let answer = parse(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.body), (200, b"ada".as_slice()));
        assert_eq!(answer.cookies, ["a=1; Path=/", "b=2"]);
        assert_eq!(&text[answer.length..], b"HTTP");
    }

    #[test]
    fn a_response_without_a_length_is_refused() {
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"nonsense\r\n\r\n").is_err());
    }
}
