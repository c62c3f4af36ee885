//! The shop's products.

use std::fmt;

/// One thing for sale.
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) price: Cents,
    pub(super) blurb: &'static str,
    /// An inline SVG, drawn in the text's colour.
    pub(super) picture: &'static str,
}

/// An amount of money in hundredths of a euro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cents(pub(super) u64);

impl Cents {
    pub(super) fn times(self, quantity: u32) -> Self {
        Self(self.0 * u64::from(quantity))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "€{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

macro_rules! product {
    ($sku:literal, $name:literal, $cents:literal, $blurb:literal) => {
        Product {
            sku: $sku,
            name: $name,
            price: Cents($cents),
            blurb: $blurb,
            picture: include_str!(concat!("assets/pictures/", $sku, ".svg")),
        }
    };
}

/// Everything, in the order of the shelf.
#[rustfmt::skip]
pub(super) static CATALOGUE: [Product; 8] = [
    product!("loden-coat",     "Loden coat",      24_900, "Heavy wool, horn buttons, and a loop that holds."),
    product!("felt-hat",       "Felt hat",         6_800, "Keeps its shape, even under other hats."),
    product!("wool-scarf",     "Wool scarf",       3_900, "Two metres of lambswool with a short fringe."),
    product!("leather-gloves", "Leather gloves",   5_400, "Lined. Sold in pairs, mislaid one at a time."),
    product!("umbrella",       "Umbrella",         4_900, "Ash handle, eight ribs, no opinion on the weather."),
    product!("satchel",        "Canvas satchel",   8_900, "Room for a laptop, a book and an umbrella."),
    product!("oak-hanger",     "Oak hanger",       1_400, "Broad shoulders, for coats with heavy pockets."),
    product!("brass-hook",     "Brass hook",       2_200, "One screw, one coat, a hundred years."),
];

/// The product of that number.
pub(super) fn find(sku: &str) -> Option<&'static Product> {
    CATALOGUE.iter().find(|product| product.sku == sku)
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, Cents, find};

    #[test]
    fn every_product_is_found_by_its_own_number() {
        for product in &CATALOGUE {
            assert_eq!(find(product.sku).unwrap().name, product.name);
        }
        assert!(find("top-hat").is_none());
    }

    #[test]
    fn prices_are_written_with_two_decimals() {
        for (cents, text) in [(0, "€0.00"), (5, "€0.05"), (24_900, "€249.00")] {
            assert_eq!(Cents(cents).to_string(), text);
        }
    }
}
