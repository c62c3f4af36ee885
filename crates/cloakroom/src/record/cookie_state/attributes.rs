//! The attributes of a cookie, each in one place: its field, its name in Express, its default.

use super::{Attribute, CookieState};

/// Declares the attributes, in the order in which express-session writes them, and the accessor of each.
macro_rules! attributes {
    (
        before_expires { $($first:ident $first_name:literal = $first_default:expr,)* }
        after_expires { $($second:ident $second_name:literal = $second_default:expr,)* }
    ) => {
        /// The attributes with a value of their own, beside the expiry.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) struct Attributes {
            $(pub(super) $first: Attribute,)*
            $(pub(super) $second: Attribute,)*
        }

        impl Attributes {
            /// Returns the attribute of that name in Express.
            pub(super) fn named(&mut self, name: &str) -> Option<&mut Attribute> {
                Some(match name {
                    $($first_name => &mut self.$first,)*
                    $($second_name => &mut self.$second,)*
                    _ => return None,
                })
            }

            /// Appends those that stand before `expires` to an open object.
            pub(super) fn write_first(&self, json: &mut String) {
                $(self.$first.write(concat!(",\"", $first_name, "\":"), json);)*
            }

            /// Appends those that stand after it.
            pub(super) fn write_second(&self, json: &mut String) {
                $(self.$second.write(concat!(",\"", $second_name, "\":"), json);)*
            }
        }

        impl Default for Attributes {
            fn default() -> Self {
                Self {
                    $($first: $first_default,)*
                    $($second: $second_default,)*
                }
            }
        }

        impl CookieState {
            $(pub(crate) fn $first(&self) -> &Attribute {
                &self.attributes.$first
            })*
            $(pub(crate) fn $second(&self) -> &Attribute {
                &self.attributes.$second
            })*

            /// The keys of a record's cookie, in Express's order.
            #[cfg(feature = "mongodb")]
            pub(crate) const KEYS: &'static [&'static str] = &[
                "originalMaxAge", $($first_name,)* "expires", $($second_name,)*
            ];
        }
    };
}

attributes! {
    before_expires {
        partitioned "partitioned" = Attribute::Undefined,
        priority "priority" = Attribute::Undefined,
    }
    after_expires {
        secure "secure" = Attribute::Undefined,
        http_only "httpOnly" = Attribute::Bool(true),
        domain "domain" = Attribute::Undefined,
        path "path" = "/".into(),
        same_site "sameSite" = Attribute::Undefined,
    }
}

impl Attributes {
    /// Sets undefined attributes to their defaults.
    pub(super) fn fill_in(&mut self) {
        let defaults = Self::default();
        if self.http_only == Attribute::Undefined {
            self.http_only = defaults.http_only;
        }
        if self.path == Attribute::Undefined {
            self.path = defaults.path;
        }
    }
}
