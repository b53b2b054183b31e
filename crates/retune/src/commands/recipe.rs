//! `recipe`: the recipe that flags mean, or every key that there is.

use std::process::ExitCode;

use clap::ArgMatches;
use retune_recipe::{keys, sweep_keys};

use crate::cli;

/// Prints the recipe, or the keys.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if matches.get_flag("keys") {
        for key in keys().iter().chain(sweep_keys()) {
            let flag = key.flag.map(|flag| format!("  {flag}")).unwrap_or_default();
            println!("{}{flag}\n    {}\n    {}; {}\n", key.path, key.doc, key.kind, key.fallback);
        }
    } else {
        let recipe = cli::recipe_of(matches)?;
        // What is printed is to be kept, so it must be whole.
        recipe.resolve()?;
        print!("{}", recipe.to_toml()?);
    }
    Ok(ExitCode::SUCCESS)
}
