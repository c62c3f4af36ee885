//! The gate: what it decides by, and how a request is judged, whichever mode it came by.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use cloakroom::manager::ResponseEffects;
use cloakroom::policy::{RequestInfo, TrustedProxy};
use cloakroom::{Manager, Session};
use http::header::{COOKIE, USER_AGENT};
use http::{HeaderMap, Method};

use crate::denial::{Asked, Decision, way_to_login};
use crate::identity::Identity;
use crate::keys::Keys;
use crate::path::JudgedPath;
use crate::refusal::{Refusal, begin_at_nothing};
use crate::rules::{Matched, Rules, Ruling};
use crate::socket::is_foreign;
use crate::token::{Terms, Tokens};

/// The tokens that were signed, for metrics.
const MINTED: &str = "cloakroom_gate_jwt_minted_total";

/// The sessions, rules and keys of a gate. Clones share them.
#[derive(Clone)]
pub struct Gate(pub(crate) Arc<GateParts>);

pub(crate) struct GateParts {
    pub(crate) manager: Manager,
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) keys: Keys,
    pub(crate) options: GateOptions,
    tokens: Tokens,
}

/// The settings of a gate that no rule changes.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// The claim `iss` of tokens. Default: `cloakroom-gate`.
    pub issuer: String,
    /// The claim `aud` of tokens where neither the rule nor the file of rules has one. Default: `upstream`.
    pub audience: String,
    /// Proxies before the gate, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Default: none.
    pub trusted_proxy: TrustedProxy,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            issuer: "cloakroom-gate".to_owned(),
            audience: "upstream".to_owned(),
            trusted_proxy: TrustedProxy::None,
        }
    }
}

/// A request as it is judged.
pub(crate) struct Question<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a JudgedPath,
    /// Path and query as they were sent.
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) is_socket: bool,
    pub(crate) client: Client,
}

/// The sender of a request, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client {
    pub(crate) address: Option<IpAddr>,
    pub(crate) is_secure: bool,
}

/// A request that passes.
pub(crate) struct Passed {
    pub(crate) ruling: Ruling,
    /// `None` for one that needs no session.
    pub(crate) admitted: Option<Admitted>,
}

/// A user whose request passes.
pub(crate) struct Admitted {
    pub(crate) session: Session,
    pub(crate) identity: Identity,
    pub(crate) token: String,
    pub(crate) effects: ResponseEffects,
}

impl Gate {
    /// Creates a gate for the sessions of `manager`.
    pub fn new(manager: Manager, rules: Rules, keys: Keys, options: GateOptions) -> Self {
        begin_at_nothing(rules.names());
        metrics::counter!(MINTED).increment(0);
        Self(Arc::new(GateParts {
            manager,
            rules: ArcSwap::from_pointee(rules),
            keys,
            options,
            tokens: Tokens::default(),
        }))
    }

    /// Replaces the rules, as a whole, for requests that begin from now on.
    pub fn set_rules(&self, rules: Rules) {
        begin_at_nothing(rules.names());
        self.0.rules.store(Arc::new(rules));
    }

    /// Returns the keys that sign tokens.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Returns the sessions.
    pub fn manager(&self) -> &Manager {
        &self.0.manager
    }

    /// Judges a request.
    pub(crate) async fn judge(&self, asked: &Question<'_>) -> Result<Passed, Refusal> {
        let rules = self.0.rules.load_full();
        let ruling = match rules.of(asked.path, asked.method) {
            Matched::Ruled(ruling) => ruling,
            Matched::NotAllowed { rule, allow } => return Err(Refusal::not_allowed(&rule, allow)),
        };
        // After a handshake the upstream would accept anything: no public rule opens a tunnel.
        if ruling.is_public() && !asked.is_socket {
            return Ok(Passed {
                ruling,
                admitted: None,
            });
        }
        let origins = &rules.settings().origins;
        if is_foreign(
            asked.method,
            asked.is_socket,
            asked.headers,
            asked.host,
            origins,
        ) {
            let why = "this comes from another site's page, or names no page";
            return Err(refusal(asked, &rules, &ruling, Decision::Forbidden).because(why));
        }
        let admitted = self.admit(asked, &rules, &ruling).await?;
        Ok(Passed {
            ruling,
            admitted: Some(admitted),
        })
    }

    /// Opens the session of a request, and decides whether its user may pass.
    async fn admit(
        &self,
        asked: &Question<'_>,
        rules: &Rules,
        ruling: &Ruling,
    ) -> Result<Admitted, Refusal> {
        let refused = |decision| refusal(asked, rules, ruling, decision);
        let outage = |()| refused(Decision::StoreError);
        let session = self.open(asked).await.map_err(outage)?;
        let who = self.who(session, rules, ruling).await.map_err(outage)?;
        let (session, identity) = who.ok_or_else(|| refused(Decision::Login))?;
        if !ruling.admits(&identity.user, &identity.roles) {
            return Err(refused(Decision::Forbidden).naming(&identity, asked.client.address));
        }
        if !identity.can_be_told() {
            let why = "the user's name is longer than a field may be";
            return Err(refused(Decision::Forbidden)
                .because(why)
                .naming(&identity, asked.client.address));
        }
        let used = self.use_session(&session, ruling).await;
        let effects = used.map_err(outage)?;
        let token = self.token(&identity, ruling).ok_or(()).map_err(outage)?;
        Ok(Admitted {
            session,
            identity,
            token,
            effects,
        })
    }

    async fn open(&self, asked: &Question<'_>) -> Result<Session, ()> {
        let mut info = RequestInfo::default();
        info.address = asked.client.address;
        info.is_secure = asked.client.is_secure;
        asked.path.as_str().clone_into(&mut info.path);
        info.host = Some(asked.host.to_owned());
        if let Some(agent) = asked.headers.get(USER_AGENT) {
            info.set_user_agent(agent.as_bytes());
        }
        let cookies = asked
            .headers
            .get_all(COOKIE)
            .iter()
            .map(http::HeaderValue::as_bytes);
        let opened = self.0.manager.open(cookies, info).await;
        opened.map_err(|error| tracing::warn!(%error, "no session for a request at the gate"))
    }

    /// Returns the user of a session, and its roles; `None` where nobody is signed in.
    async fn who(
        &self,
        session: Session,
        rules: &Rules,
        ruling: &Ruling,
    ) -> Result<Option<(Session, Identity)>, ()> {
        // Rights are read as they are stored, past every cache.
        if ruling.is_strict() {
            let confirmed = session.confirm().await;
            let failed = |error| tracing::warn!(%error, "a session could not be confirmed");
            if !confirmed.map_err(failed)? {
                return Ok(None);
            }
        }
        let (Some(user), Some(handle)) = (session.user(), session.handle()) else {
            return Ok(None);
        };
        let mut held: Vec<String> = Vec::new();
        for key in &rules.settings().role_keys {
            held.extend(session.roles_in(key));
        }
        let since = session.authenticated_at().map(crate::keys::seconds);
        let identity = Identity {
            user,
            roles: held,
            handle,
            auth_time: since,
        };
        Ok(Some((session, identity)))
    }

    /// Counts the request as use of its session. An application that shares the session does so itself: it
    /// would not know an id that was changed on the way to it.
    async fn use_session(&self, session: &Session, ruling: &Ruling) -> Result<ResponseEffects, ()> {
        if ruling.passes_cookie() {
            session.keep_expiry();
        }
        let closed = self.0.manager.close(session).await;
        closed.map_err(|error| tracing::warn!(%error, "a session could not be kept alive"))
    }

    fn token(&self, identity: &Identity, ruling: &Ruling) -> Option<String> {
        let now = SystemTime::now();
        let terms = Terms {
            issuer: &self.0.options.issuer,
            audience: ruling.audience().unwrap_or(&self.0.options.audience),
        };
        let key = self.0.keys.current(now)?;
        let (token, is_new) = self.0.tokens.get(identity, terms, &key, now)?;
        if is_new {
            metrics::counter!(MINTED).increment(1);
        }
        Some(token)
    }
}

/// Returns the refusal of a request for which this was decided.
fn refusal(asked: &Question<'_>, rules: &Rules, ruling: &Ruling, decision: Decision) -> Refusal {
    let asking = Asked {
        method: asked.method,
        target: asked.target,
        headers: asked.headers,
        is_socket: asked.is_socket,
    };
    let login = rules
        .login()
        .filter(|_| decision == Decision::Login && ruling.redirects());
    let mut refusal = Refusal::of(decision, ruling.name());
    refusal.location = way_to_login(&asking, login);
    refusal
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
