//! The public API in use, as one program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod actix;
mod arch;
mod auth;
mod clocks;
mod crash;
mod disconnect;
mod edges;
mod express;
mod faults;
mod files;
mod first_hour;
mod front_page;
mod hostile;
mod layers;
mod life;
mod live;
mod locked;
mod mutants;
mod near;
mod outage;
mod own_store;
mod poison;
mod races;
mod record_pages;
mod refused;
mod restarts;
mod scenarios;
mod second_look;
mod stores;
mod support;
mod tabs;
mod trips;
mod unusable_ids;
mod web;
