//! A request under way: with the cookies of the time it was sent, and without effect on the jar until
//! its answer is delivered.

use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;
use url::Url;

use super::Tab;
use super::ask::Ask;
use super::wire::{Lost, Reply};

/// Number of redirects that a browser follows.
const MAX_REDIRECTS: usize = 20;

/// A request that the browser has sent and the server has not got yet.
#[derive(Debug)]
pub struct Held {
    tab: Tab,
    ask: Ask,
    url: Url,
    request: Request<Full<Bytes>>,
}

impl Held {
    pub(super) fn new(tab: Tab, ask: Ask) -> Self {
        let url = tab.url(&ask.target);
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = url.as_str().parse().expect("a URL is a URI");
        *request.headers_mut() = ask.headers(&url);
        if let Some(made) = ask.made.clone() {
            request.extensions_mut().insert(made);
        }
        if let Some(cookies) = tab.jar().header(&url, ask.context()) {
            let cookies = HeaderValue::try_from(cookies).expect("it came from such a field");
            // One that a test has set itself stays, and is not alone.
            request.headers_mut().append(COOKIE, cookies);
        }
        Self {
            tab,
            ask,
            url,
            request,
        }
    }

    /// The cookies that it carries.
    pub fn cookies(&self) -> Option<&str> {
        let field = self.request.headers().get(COOKIE)?;
        field.to_str().ok()
    }

    /// Lets it reach the server.
    pub fn arrive(self) -> Flight {
        let mut exchange = JoinSet::new();
        exchange.spawn(self.tab.wire().carry(self.request));
        Flight {
            tab: self.tab,
            ask: self.ask,
            url: self.url,
            exchange,
            reply: None,
        }
    }
}

/// A request that is on its way to the server, or its answer on its way back.
///
/// Dropping it disconnects.
#[derive(Debug)]
pub struct Flight {
    tab: Tab,
    ask: Ask,
    url: Url,
    exchange: JoinSet<Reply>,
    reply: Option<Reply>,
}

impl Flight {
    /// Waits until the server has answered; the browser has nothing of it yet.
    ///
    /// # Panics
    ///
    /// If a service of this process panics.
    pub async fn answered(&mut self) -> &mut Self {
        if let Some(reply) = self.exchange.join_next().await {
            self.reply = Some(reply.expect("the server does not panic"));
        }
        self
    }

    /// Delivers the answer: its cookies are in the jar from now on.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn deliver(self) -> Answer {
        self.try_deliver().await.expect("the site answers")
    }

    /// Delivers the answer where there is one.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    ///
    /// # Panics
    ///
    /// If redirects do not end.
    pub async fn try_deliver(mut self) -> Result<Answer, Lost> {
        for _ in 0..=MAX_REDIRECTS {
            self.answered().await;
            let reply = self.reply.take().expect("it was waited for");
            let answer = Answer::new(reply?, self.url.clone());
            self.keep(&answer);
            match answer.next().filter(|_| self.ask.follows) {
                None => return Ok(answer),
                Some(to) => {
                    let status = answer.status.as_u16();
                    let ask = self.ask.redirected(status, &self.url, &to);
                    self = Held::new(self.tab, ask).arrive();
                }
            }
        }
        panic!("redirects do not end at {}", self.url.path());
    }

    /// Puts the answer's cookies into the jar; those that a browser would not keep are lost.
    fn keep(&self, answer: &Answer) {
        let mut jar = self.tab.jar();
        for field in answer.set_cookies() {
            let _ = jar.keep(field, &self.url, self.ask.context());
        }
    }
}

/// The response.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
    /// The URL that it came from, after the redirects that were followed.
    pub url: Url,
}

impl Answer {
    fn new(reply: http::Response<Bytes>, url: Url) -> Self {
        let (parts, body) = reply.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            url,
        }
    }

    /// The Set-Cookie fields.
    ///
    /// # Panics
    ///
    /// If one is not ASCII.
    pub fn set_cookies(&self) -> Vec<&str> {
        let fields = self.headers.get_all(SET_COOKIE).iter();
        fields
            .map(|field| field.to_str().expect("a Set-Cookie field is ASCII"))
            .collect()
    }

    /// The one Set-Cookie field, `None` where there is none.
    ///
    /// # Panics
    ///
    /// If there are several.
    pub fn set_cookie(&self) -> Option<&str> {
        let fields = self.set_cookies();
        assert!(fields.len() <= 1, "{fields:?}");
        fields.first().copied()
    }

    /// Returns the target of a redirect, as it was written.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// Returns the URL at which a browser that follows redirects goes on.
    fn next(&self) -> Option<Url> {
        let is_followed = matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let to = self.location().filter(|_| is_followed)?;
        self.url.join(to).ok()
    }
}
