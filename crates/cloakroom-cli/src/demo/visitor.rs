//! The data that the shop keeps in a session, and the visitor it therefore deals with.

use std::time::{Duration, SystemTime};

use cloakroom::{Session, SessionError, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::Account;
use super::cart::Cart;

/// A visitor, as the session describes them.
pub(super) struct Visitor {
    pub(super) user: Option<User>,
    pub(super) cart: Cart,
    pub(super) group: Option<Group>,
    /// Time until the session ends without another request; `None` where there is none yet.
    pub(super) idle: Option<Duration>,
    /// The CSRF token of forms; `None` for a visitor without a session, whose browser has to say where a
    /// form was sent from: a page costs nothing.
    pub(super) token: Option<String>,
}

/// A signed-in user.
#[derive(Serialize)]
pub(super) struct User {
    #[serde(rename = "userId")]
    pub(super) id: String,
    pub(super) roles: Vec<String>,
    #[serde(skip)]
    pub(super) signed_in: Option<Duration>,
}

/// The halves of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Group {
    A,
    B,
}

impl Visitor {
    pub(super) fn of(session: &Session) -> Self {
        let expires = Timestamp::from(session.expires());
        Self {
            user: User::of(session),
            cart: read(session, "cart").unwrap_or_default(),
            group: read(session, "group"),
            idle: (!session.is_new()).then(|| expires.since(now())),
            token: None,
        }
    }

    /// Reads the visitor for a page with forms, and makes a token.
    pub(super) fn with_token(session: &Session) -> Self {
        let token = || session.csrf_token().ok();
        Self {
            token: (!session.is_new()).then(token).flatten(),
            ..Self::of(session)
        }
    }
}

impl Visitor {
    /// Returns the data that every page shows, as the shop's connections send it:
    /// `{"cart":{"wool-scarf":2},"count":2,"userId":"ada"}`.
    pub(super) fn state(&self) -> Value {
        let user = self.user.as_ref().map(|user| &user.id);
        json!({"userId": user, "cart": self.cart, "count": self.cart.count()})
    }
}

impl User {
    pub(super) fn of(session: &Session) -> Option<Self> {
        let since = session.authenticated_at().map(Timestamp::from);
        Some(Self {
            id: session.user()?,
            roles: read(session, "roles").unwrap_or_default(),
            signed_in: since.map(|since| now().since(since)),
        })
    }

    pub(super) fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == "admin")
    }
}

impl Group {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// Tosses a coin.
    fn draw() -> Self {
        match getrandom::u32() {
            Ok(number) if number % 2 == 1 => Self::B,
            _ => Self::A,
        }
    }
}

/// A value of the session. One of another shape, which another application may have written,
/// counts as none: it grants nothing, and it locks no visitor out.
fn read<T: DeserializeOwned>(session: &Session, key: &str) -> Option<T> {
    session.get(key).ok().flatten()
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Makes the session that of `account`, for Express as well and for Passport. The id changes; the cart
/// stays, unless it was another user's.
pub(super) async fn sign_in(session: &Session, account: &Account) -> Result<(), SessionError> {
    session.login(account.name).await?;
    session.insert("roles", account.roles)?;
    session.insert("passport", json!({"user": account.name}))
}

/// The visitor's group, which is assigned once.
pub(super) async fn group(session: &Session) -> Result<Group, SessionError> {
    match session.get("group") {
        Ok(Some(group)) => Ok(group),
        Ok(None) => {
            let drawn = Group::draw();
            session
                .update("group", move |group| group.unwrap_or(drawn))
                .await
        }
        Err(SessionError::Value(_)) => {
            let drawn = Group::draw();
            session.insert("group", drawn)?;
            Ok(drawn)
        }
        Err(error) => Err(error),
    }
}

/// Changes the cart so that no change of another request is lost.
pub(super) async fn change_cart(
    session: &Session,
    change: impl Fn(&mut Cart) + Send + 'static,
) -> Result<Cart, SessionError> {
    let changed = move |cart: Option<Cart>| {
        let mut cart = cart.unwrap_or_default();
        change(&mut cart);
        cart
    };
    session.update("cart", changed).await
}
