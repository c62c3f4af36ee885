//! A side of the comparison: its labs, a client with a jar, and their exchanges.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::Agent;

use super::jar::Jar;
use super::lab::Lab;
use super::names::Names;
use super::record::{Record, Records};
use super::sequence::{CookieChoice, Request, Target, body};
use super::set_cookie::SetCookie;

#[derive(Debug)]
pub(super) struct Side {
    /// The labs of the side, which share a store and take turns.
    labs: Vec<Lab>,
    agent: Agent,
    jar: Jar,
    names: Names,
    /// Ids whose records stand in the store since an earlier sequence.
    old: HashSet<String>,
}

/// The response of one side to one request.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0 where no answer came.
    pub(super) status: u16,
    /// The session after the steps, as this run calls it.
    pub(super) session: Option<String>,
    /// One JSON text per step.
    pub(super) results: Vec<String>,
    pub(super) cookies: Vec<SetCookie>,
    /// The session that the request's cookie named under a valid signature.
    pub(super) carried: Option<String>,
}

#[derive(Deserialize)]
struct RunAnswer<'a> {
    sid: Option<String>,
    #[serde(borrow)]
    steps: Vec<&'a RawValue>,
}

impl Side {
    pub(super) fn new(labs: Vec<Lab>) -> Self {
        Self {
            labs,
            agent: agent(),
            jar: Jar::default(),
            names: Names::default(),
            old: HashSet::new(),
        }
    }

    /// Forgets the client of the last sequence.
    pub(super) fn begin(&mut self) {
        self.jar = Jar::default();
        self.names = Names::default();
    }

    /// Sends a request and reads the answer; fails only where the lab is no longer there.
    pub(super) fn exchange(&mut self, request: &Request, turn: usize) -> Result<Answer, String> {
        let lab = turn % self.labs.len();
        match self.send(request, &self.labs[lab].url) {
            Ok(response) => Ok(self.read(request, &response)),
            Err(error) => match self.labs[lab].end() {
                Some(status) => Err(format!("the lab ended ({status}) at {}", request.target)),
                None => Ok(no_answer(&error)),
            },
        }
    }

    /// Puts what the server set into the jar.
    pub(super) fn keep(&mut self, answer: &Answer) {
        for cookie in &answer.cookies {
            self.jar.keep(&cookie.value);
        }
    }

    /// Takes the current cookie out of the jar.
    pub(super) fn clear(&mut self) {
        self.jar.clear();
    }

    /// The session whose id a choice of cookie would carry under a valid signature.
    pub(super) fn carries(&self, choice: CookieChoice) -> Option<String> {
        self.names.known(self.jar.carried_sid(choice)?)
    }

    /// The records that this sequence left in the store, as the lab of this turn sees it.
    pub(super) fn new_records(&mut self, turn: usize) -> Result<Records, String> {
        let mut records = Records::default();
        for (sid, text) in self.stored(turn)? {
            if !self.old.insert(sid.clone()) {
                continue;
            }
            match self.names.known(&sid) {
                Some(name) => drop(records.named.insert(name, Record::new(text))),
                None => records.unnamed.push(Record::new(text)),
            }
        }
        records.unnamed.sort_by(|a, b| a.masked.cmp(&b.masked));
        Ok(records)
    }

    fn stored(&self, turn: usize) -> Result<HashMap<String, String>, String> {
        let url = format!("{}/records", self.labs[turn % self.labs.len()].url);
        let mut response = self
            .agent
            .get(url)
            .call()
            .map_err(|error| format!("GET /records: {error}"))?;
        response
            .body_mut()
            .read_json()
            .map_err(|error| format!("GET /records: {error}"))
    }

    fn send(&self, request: &Request, url: &str) -> Result<Response, ureq::Error> {
        let mut response = match &request.target {
            Target::Me => self
                .with_cookie(self.agent.get(format!("{url}/me")), request.cookie)
                .call(),
            Target::Plain => self
                .with_cookie(self.agent.get(format!("{url}/plain")), request.cookie)
                .call(),
            Target::Run(steps) => self
                .with_cookie(self.agent.post(format!("{url}/run")), request.cookie)
                .content_type("application/json")
                .send(body(steps)),
        }?;
        let cookies = response.headers().get_all("set-cookie").iter();
        Ok(Response {
            status: response.status().as_u16(),
            cookies: cookies
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect(),
            body: response.body_mut().read_to_string()?,
        })
    }

    fn with_cookie<B>(
        &self,
        builder: ureq::RequestBuilder<B>,
        choice: CookieChoice,
    ) -> ureq::RequestBuilder<B> {
        match self.jar.header(choice) {
            Some(header) => builder.header("cookie", header),
            None => builder,
        }
    }

    fn read(&mut self, request: &Request, response: &Response) -> Answer {
        let carried = self
            .jar
            .carried_sid(request.cookie)
            .map(|sid| self.names.name(sid));
        let (sid, results) = read_body(request, response);
        Answer {
            status: response.status,
            session: sid.map(|sid| self.names.name(&sid)),
            results,
            cookies: response
                .cookies
                .iter()
                .map(|header| SetCookie::parse(header, &mut self.names))
                .collect(),
            carried,
        }
    }
}

struct Response {
    status: u16,
    cookies: Vec<String>,
    body: String,
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(5)))
        // Node closes a connection that was idle for five seconds.
        .max_idle_age(Duration::from_secs(3))
        .build()
        .new_agent()
}

fn no_answer(error: &ureq::Error) -> Answer {
    Answer {
        status: 0,
        session: None,
        results: vec![error.to_string()],
        cookies: Vec::new(),
        carried: None,
    }
}

/// The session and one JSON text per step; an error's body is the lab's own affair.
fn read_body(request: &Request, response: &Response) -> (Option<String>, Vec<String>) {
    match (&request.target, response.status) {
        (Target::Run(_), 200) => match serde_json::from_str::<RunAnswer<'_>>(&response.body) {
            Ok(run) => (
                run.sid,
                run.steps.iter().map(|step| step.get().to_owned()).collect(),
            ),
            Err(error) => (None, vec![format!("{error} in {}", response.body)]),
        },
        (_, 200) => (None, vec![response.body.clone()]),
        _ => (None, Vec::new()),
    }
}
