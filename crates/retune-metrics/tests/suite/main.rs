//! Measures against scikit-learn, their properties, and their messages.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts test functions, not their helpers"
)]

mod messages;
mod properties;
mod reference;
