//! The rules that every store keeps, each a function: run them on a store of your own.
