//! Studies, their statistics, their page.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts test functions, not their helpers"
)]

mod browser;
mod made;
mod page;
mod report;
mod requests;
mod statistics;
mod study;
