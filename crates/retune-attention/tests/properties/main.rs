//! Properties of every layer of this crate, in float64 on tiny shapes, forward and backward, for every backend; and
//! positions against the numbers that `transformers` gives. One binary, so that libtorch is linked once.

#![allow(clippy::unwrap_used, clippy::panic)]
// In a test a panic is the report; clippy excuses test functions, not their helpers.

mod adapters;
mod cases;
mod cuda;
mod definition;
mod documentation;
mod dropout;
mod golden;
mod heads;
mod invariance;
mod layers;
mod masking;
mod packed;
mod positions;
mod seeded;
