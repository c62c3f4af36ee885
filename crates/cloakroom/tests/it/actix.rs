//! What is actix-web's own; what both frameworks promise is in `scenarios`.
