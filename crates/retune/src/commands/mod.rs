//! One file for each subcommand.

pub mod curve;
pub mod evaluate;
pub mod few_shot;
pub mod find_rate;
pub mod finetune;
pub mod inference;
pub mod inspect;
pub mod judge;
mod linear_baseline;
pub mod predict;
pub mod recipe;
pub mod report;
pub mod sweep;
