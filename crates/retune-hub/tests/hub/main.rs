//! Models from a Hub: what is downloaded, where it lies afterwards, and what is said when it cannot be had.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

mod datasets;
mod desk;
mod downloads;
mod refusals;
mod server;
mod torn;
