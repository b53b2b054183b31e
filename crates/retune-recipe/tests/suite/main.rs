//! Recipes from text and flags to plans, and the messages on the way.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts test functions, not their helpers"
)]

mod messages;
mod reading;
mod round_trip;
mod sweep;

use retune_recipe::{Plan, Recipe};

/// A recipe of no more than what must be said.
const LEAST: &str = r#"
model.path = "org/name"
data.train = "train.csv"
data.text = "sentence"
data.label = "label"
"#;

/// The least recipe with more lines after it, the first of which is line 6.
fn least_and(more: &str) -> Recipe {
    Recipe::parse(&format!("{LEAST}{more}"), "a.toml").unwrap()
}

fn plan(recipe: &Recipe) -> Plan {
    recipe.resolve().unwrap()
}
