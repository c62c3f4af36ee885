//! The connections to the server: its address, the shared connection, requests and their errors.

pub(super) mod address;
pub(super) mod checks;
pub(super) mod cluster_nodes;
pub(super) mod command;
pub(super) mod connector;
pub(super) mod driver;
pub(super) mod durability;
pub(super) mod error;
pub(super) mod health;
pub(super) mod link;
pub(super) mod sentinels;
pub(super) mod server_info;
pub(super) mod shared;
pub(super) mod shared_connection;
pub(super) mod waiting;
