//! The cart: its products, and its total.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalogue::{self, Cents, Product};

/// The most of one thing.
pub(super) const MOST: u32 = 99;

/// Quantities by product number, as they stand in the session: `{"wool-scarf": 2}`.
///
/// A value of another shape, which another application wrote there, is read as an empty cart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Cart(BTreeMap<String, u32>);

impl Cart {
    /// Puts `quantity` more of a product in; beyond 99 there is no more room.
    pub(super) fn add(&mut self, sku: &str, quantity: u32) {
        self.set(sku, self.quantity(sku).saturating_add(quantity));
    }

    /// Makes it so many of a product; none takes it out.
    pub(super) fn set(&mut self, sku: &str, quantity: u32) {
        match quantity.min(MOST) {
            0 => self.0.remove(sku),
            quantity => self.0.insert(sku.to_owned(), quantity),
        };
    }

    pub(super) fn quantity(&self, sku: &str) -> u32 {
        self.0.get(sku).copied().unwrap_or(0)
    }

    /// Returns the products of this shop that are in the cart, in the shelf's order.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static Product, u32)> {
        catalogue::CATALOGUE
            .iter()
            .map(|product| (product, self.quantity(product.sku)))
            .filter(|(_, quantity)| *quantity > 0)
    }

    pub(super) fn count(&self) -> u32 {
        self.lines().map(|(_, quantity)| quantity).sum()
    }

    pub(super) fn total(&self) -> Cents {
        Cents(
            self.lines()
                .map(|(product, quantity)| product.price.times(quantity).0)
                .sum(),
        )
    }
}

impl From<Value> for Cart {
    fn from(value: Value) -> Self {
        let mut cart = Self::default();
        for (sku, quantity) in value.as_object().into_iter().flatten() {
            let quantity = quantity.as_u64().unwrap_or(0);
            cart.set(sku, u32::try_from(quantity).unwrap_or(MOST));
        }
        cart
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Cart, Cents};

    #[test]
    fn quantities_stay_between_none_and_ninety_nine() {
        #[rustfmt::skip]
        let table = [ // was, added, then
            (0,  1,        1),
            (1,  1,        2),
            (98, 1,        99),
            (98, 99,       99),
            (99, u32::MAX, 99),
            (0,  0,        0),
        ];
        for (was, added, then) in table {
            let mut cart = Cart::default();
            cart.set("umbrella", was);
            cart.add("umbrella", added);
            assert_eq!(cart.quantity("umbrella"), then, "{was} + {added}");
        }
    }

    #[test]
    fn none_of_a_product_is_no_line() {
        let mut cart = Cart::default();
        cart.set("umbrella", 2);
        cart.set("umbrella", 0);
        assert_eq!(cart, Cart::default());
        assert_eq!(serde_json::to_value(&cart).unwrap(), json!({}));
    }

    #[test]
    fn the_total_counts_what_this_shop_sells() {
        let cart = Cart::from(json!({"oak-hanger": 3, "umbrella": 1, "top-hat": 7}));
        assert_eq!((cart.count(), cart.total()), (4, Cents(9_100)));
        assert_eq!(cart.quantity("top-hat"), 7);
    }

    #[test]
    fn an_invalid_cart_reads_as_empty() {
        for value in [
            json!(null),
            json!([1, 2]),
            json!("umbrella"),
            json!({"umbrella": "2"}),
            json!({"umbrella": -1}),
            json!({"umbrella": 1.5}),
            json!({"umbrella": {"qty": 1}}),
        ] {
            assert_eq!(Cart::from(value.clone()), Cart::default(), "{value}");
        }
        let full = Cart::from(json!({"umbrella": 1_000_000_000_000_u64}));
        assert_eq!(full.quantity("umbrella"), 99);
    }
}
