//! One file for each subcommand.

pub mod evaluate;
pub mod finetune;
pub mod inference;
pub mod predict;
pub mod recipe;
