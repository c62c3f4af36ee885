//! Reads a HAR file, as browsers' network panels save it.

use std::time::SystemTime;

use serde::Deserialize;

use super::recording::Exchange;

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    request: Asked,
    response: Answered,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    cookies: Vec<Header>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: String,
}

/// Reads the exchanges in their order; entries without a URL of the web are left out.
///
/// # Errors
///
/// A text for people.
pub(super) fn read(text: &str) -> Result<Vec<Exchange>, String> {
    let file: File = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("it is no HAR file ({error})"))?;
    let exchanges: Vec<Exchange> = file.log.entries.into_iter().filter_map(exchange).collect();
    if exchanges.is_empty() {
        return Err("it holds no request".to_owned());
    }
    Ok(exchanges)
}

fn exchange(entry: Entry) -> Option<Exchange> {
    let url: url::Url = entry.request.url.parse().ok()?;
    url.host()?;
    let mut asked = fields(entry.request.headers);
    // Some recorders list the cookies beside the fields alone.
    if !asked.iter().any(|(name, _)| name == "cookie") && !entry.request.cookies.is_empty() {
        let cookies = entry.request.cookies.iter();
        let pairs = cookies.map(|cookie| format!("{}={}", cookie.name, cookie.value));
        asked.push(("cookie".to_owned(), pairs.collect::<Vec<_>>().join("; ")));
    }
    let at = entry.started_date_time.as_deref().and_then(instant);
    Some(Exchange {
        asked,
        answered: fields(entry.response.headers),
        status: u16::try_from(entry.response.status).ok(),
        at,
        ..Exchange::new(url, &entry.request.method)
    })
}

fn fields(headers: Vec<Header>) -> Vec<(String, String)> {
    let headers = headers.into_iter();
    headers
        .map(|header| (header.name.to_ascii_lowercase(), header.value))
        .collect()
}

fn instant(text: &str) -> Option<SystemTime> {
    let utc = text.split(['+']).next().unwrap_or(text);
    let utc = utc.trim_end_matches('Z');
    humantime::parse_rfc3339_weak(&format!("{utc}Z")).ok()
}

/// Returns `true` if no exchange has a cookie in any field: the recorder left them out.
pub(super) fn is_sanitized(exchanges: &[Exchange]) -> bool {
    let has =
        |exchange: &Exchange| exchange.cookie().is_some() || !exchange.set_cookies().is_empty();
    !exchanges.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::{is_sanitized, read};

    const FILE: &str = r#"{"log":{"version":"1.2","entries":[
        {"startedDateTime":"2026-01-02T03:04:05.000Z",
         "request":{"method":"POST","url":"https://shop.example/login",
                    "headers":[{"name":"Origin","value":"https://shop.example"}]},
         "response":{"status":302,"headers":[{"name":"Set-Cookie","value":"sid=1; Secure"}]}},
        {"request":{"method":"GET","url":"data:text/plain,x"},"response":{"status":200}},
        {"request":{"method":"GET","url":"https://shop.example/me",
                    "cookies":[{"name":"sid","value":"1"}]},
         "response":{"status":200}}]}}"#;

    #[test]
    fn a_file_is_read_whoever_wrote_it() {
        let exchanges = read(&format!("\u{feff}{FILE}")).unwrap();
        assert_eq!(exchanges.len(), 2);
        assert_eq!(exchanges[0].set_cookies(), ["sid=1; Secure"]);
        assert_eq!(exchanges[0].status, Some(302));
        assert!(exchanges[0].at.is_some());
        assert_eq!(exchanges[1].cookie().as_deref(), Some("sid=1"));
        assert!(!is_sanitized(&exchanges));
    }

    #[test]
    fn what_is_no_har_file_is_said() {
        for text in ["", "{}", "[]", "<html>", r#"{"log":{"entries":[]}}"#] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with("it "), "{said}");
        }
        let bare = r#"{"log":{"entries":[{"request":{"method":"GET","url":"https://a.example/"},"response":{}}]}}"#;
        assert!(is_sanitized(&read(bare).unwrap()));
    }
}
