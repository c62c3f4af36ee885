//! The front page, and the page that shows browser and server.

use axum::extract::State;
use cloakroom::Session;
use maud::Markup;

use super::Shop;
use crate::demo::failure::Failure;
use crate::demo::pages;
use crate::demo::visitor::{self, Visitor};

/// `GET /`: a visitor without data is assigned to no group, and costs nothing.
pub(super) async fn shelf(session: Session) -> Result<Markup, Failure> {
    if !session.is_new() {
        visitor::group(&session).await?;
    }
    Ok(pages::shelf(&Visitor::with_token(&session)))
}

/// `GET /how`: what the visitor's own browser and the store hold.
pub(super) async fn how(State(shop): State<Shop>, session: Session) -> Markup {
    let cookie_name = shop.manager.policy().name().as_str();
    pages::how(&Visitor::of(&session), &session, cookie_name)
}
