//! The cart, as a page and as JSON: `{"wool-scarf": 2}`.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use cloakroom::Session;
use serde::Deserialize;

use crate::demo::cart::{Cart, MOST};
use crate::demo::catalogue::{self, Product};
use crate::demo::failure::Failure;
use crate::demo::negotiate::Wants;
use crate::demo::pages;
use crate::demo::sent::Sent;
use crate::demo::visitor::{self, Visitor, change_cart};

/// A product to add to the cart.
#[derive(Deserialize)]
pub(super) struct Addition {
    sku: String,
    #[serde(default = "one")]
    qty: u32,
}

fn one() -> u32 {
    1
}

/// The new quantity of a product.
#[derive(Deserialize)]
pub(super) struct Quantity {
    qty: u32,
}

/// `GET /cart`.
pub(super) async fn show(session: Session, wants: Wants) -> Response {
    match wants {
        Wants::Page => pages::cart(&Visitor::with_token(&session)).into_response(),
        Wants::Json => Json(Visitor::of(&session).cart).into_response(),
    }
}

/// `POST /cart`: so many more of a product; none takes it out.
pub(super) async fn add(
    session: Session,
    Sent { value, wants }: Sent<Addition>,
) -> Result<Response, Failure> {
    let product = product(&value.sku)?;
    let quantity = within_bounds(value.qty)?;
    visitor::group(&session).await?;
    let cart = match quantity {
        0 => take_out(&session, product).await?,
        _ => change_cart(&session, move |cart| cart.add(product.sku, quantity)).await?,
    };
    Ok(answer(wants, cart, &format!("/#{}", product.sku)))
}

/// `PUT /cart/{sku}`, from a form `POST`: just so many of a product.
pub(super) async fn set(
    session: Session,
    Path(sku): Path<String>,
    Sent { value, wants }: Sent<Quantity>,
) -> Result<Response, Failure> {
    let product = product(&sku)?;
    let cart = match within_bounds(value.qty)? {
        0 => take_out(&session, product).await?,
        quantity => change_cart(&session, move |cart| cart.set(product.sku, quantity)).await?,
    };
    Ok(answer(wants, cart, "/cart"))
}

/// `DELETE /cart/{sku}`: nothing of a product.
pub(super) async fn remove(
    session: Session,
    Path(sku): Path<String>,
    wants: Wants,
) -> Result<Response, Failure> {
    let cart = take_out(&session, product(&sku)?).await?;
    Ok(answer(wants, cart, "/cart"))
}

/// Takes a product out; a cart without it is not written.
async fn take_out(session: &Session, product: &'static Product) -> Result<Cart, Failure> {
    let visitor = Visitor::of(session);
    if visitor.cart.quantity(product.sku) == 0 {
        return Ok(visitor.cart);
    }
    Ok(change_cart(session, |cart| cart.set(product.sku, 0)).await?)
}

fn product(sku: &str) -> Result<&'static Product, Failure> {
    catalogue::find(sku).ok_or(Failure::NoSuchProduct)
}

fn within_bounds(quantity: u32) -> Result<u32, Failure> {
    Some(quantity)
        .filter(|quantity| *quantity <= MOST)
        .ok_or(Failure::TooMany)
}

fn answer(wants: Wants, cart: Cart, page: &str) -> Response {
    match wants {
        Wants::Page => Redirect::to(page).into_response(),
        Wants::Json => Json(cart).into_response(),
    }
}
