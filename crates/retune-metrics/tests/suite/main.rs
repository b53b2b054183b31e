//! Measures against their references, their properties, and their messages.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts test functions, not their helpers"
)]

mod agreement;
mod families;
mod golden;
mod messages;
mod properties;
mod reference;
mod refusals;
mod significance;
mod single_values;
mod texts;
