//! `find-rate`: a short training at rising learning rates, which is thrown away. Which rate is worth a try?

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use retune_recipe::Plan;
use retune_train::lr_finder::Ending;
use retune_train::{FinderSettings, RateFinder, Task, with_task};

use super::finetune::prepare;
use crate::cli;
use crate::datasets::locate;
use crate::terminal::Terminal;

/// The command's arguments.
pub fn command() -> Command {
    Command::new("find-rate")
        .about("Train a few steps at rising learning rates, and tell which to try (Smith 2017)")
        .args(cli::recipe_arguments())
        .arg(
            Arg::new("steps")
                .long("steps")
                .value_name("N")
                .value_parser(value_parser!(u64).range(10..))
                .help("Steps, each at a higher rate [100]"),
        )
        .arg(
            Arg::new("lowest")
                .long("lowest")
                .value_name("RATE")
                .value_parser(value_parser!(f64))
                .help("The first rate [1e-7]"),
        )
        .arg(
            Arg::new("highest")
                .long("highest")
                .value_name("RATE")
                .value_parser(value_parser!(f64))
                .help("The last rate [1]"),
        )
        .arg(Arg::new("json").long("json").action(clap::ArgAction::SetTrue).help("Print every point as JSON"))
        .arg(cli::quiet())
}

/// Trains, and tells.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let plan = cli::recipe_of(matches)?.resolve()?;
    let rate = |name: &str, usual: f64| matches.get_one::<f64>(name).copied().unwrap_or(usual);
    let settings = FinderSettings {
        lowest: rate("lowest", 1e-7),
        highest: rate("highest", 1.0),
        steps: matches.get_one::<u64>("steps").copied().unwrap_or(100),
        ..FinderSettings::default()
    };
    let finder = RateFinder::new(settings)?;
    let terminal = Terminal::new(matches.get_flag("quiet"));
    with_task!(plan.task.kind, find(plan, finder, matches.get_flag("json"), terminal))
}

fn find<T: Task>(plan: Plan, finder: RateFinder, json: bool, mut terminal: Terminal) -> anyhow::Result<ExitCode> {
    let (trainer, _) = prepare::<T>(&locate(plan, &terminal)?, &terminal)?;
    let found = trainer.find_rate(finder, &mut |event| terminal.event(event))?;
    terminal.close();
    let suggestions = found.suggestions();
    if json {
        let text = serde_json::json!({
            "points": found.points(),
            "steepest": suggestions.map(|suggestions| suggestions.steepest),
            "minimum_tenth": suggestions.map(|suggestions| suggestions.minimum_tenth),
        });
        println!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("learning rate    loss  smoothed");
    let points = found.points();
    for point in points.iter().step_by(points.len().div_ceil(20).max(1)) {
        println!("{:>13.1e}  {:>6.4}  {:>8.4}", point.learning_rate, point.loss, point.smoothed);
    }
    match found.ending() {
        Some(Ending::Steps) | None => {}
        Some(Ending::Diverged) => println!("here the loss had grown to four times its lowest"),
        Some(Ending::NotFinite) => println!("here the loss was not finite any more"),
    }
    match suggestions {
        Some(found) => println!(
            "\nto try: --learning-rate {:.1e} (where the loss falls fastest), or {:.1e} (a tenth of the rate at its lowest)",
            found.steepest, found.minimum_tenth
        ),
        None => println!("\nthe loss does not fall at any of these rates: nothing can be said"),
    }
    Ok(ExitCode::SUCCESS)
}
