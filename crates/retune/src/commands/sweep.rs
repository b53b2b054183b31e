//! `sweep`: many recipes tried, the best told.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command, value_parser};
use retune_recipe::{Recipe, sweep_keys};
use retune_search::{FEW_TRIALS, Program, SweepResult, TrialResult, TrialState, resume_sweep, sweep};

use crate::terminal::{Terminal, clock};
use crate::{cli, interrupt};

/// The command's arguments.
pub fn command() -> Command {
    Command::new("sweep")
        .about("Try many recipes and find the best")
        .after_help(
            "What is searched stands in the recipe, in the sections [sweep] and [sweep.space].\n\
             Every key: `recipe --keys`. The folder is that of --output, or the recipe's with -sweep at its end.",
        )
        .arg(cli::recipe_file())
        .args(cli::recipe_arguments())
        .args(sweep_keys().iter().filter_map(cli::key_argument))
        .arg(
            Arg::new("resume")
                .long("resume")
                .value_name("SWEEP")
                .value_parser(value_parser!(PathBuf))
                .help("Go on with a search that was stopped"),
        )
        .arg(cli::quiet())
}

/// Searches.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let terminal = Terminal::new(matches.get_flag("quiet"));
    let program = this_program()?;
    let mut watch = |line: &str| terminal.note(line);
    let (result, output) = match matches.get_one::<PathBuf>("resume") {
        Some(folder) => {
            super::finetune::refuse_recipe_flags(matches)?;
            if cli::said(matches, "recipe-file") {
                anyhow::bail!("a recipe cannot go with --resume: a search goes on as it began");
            }
            if let Some(key) = sweep_keys().iter().find(|key| key.flag.is_some() && cli::said(matches, key.path)) {
                anyhow::bail!("{} cannot go with --resume: a search goes on as it began", key.flag.unwrap_or_default());
            }
            (resume_sweep(folder, &program, &mut watch)?, folder.clone())
        }
        None => {
            let mut recipe = cli::recipe_of(matches)?;
            for key in sweep_keys() {
                let Some(flag) = key.flag.filter(|_| cli::said(matches, key.path)) else { continue };
                if let Some(value) = matches.get_one::<String>(key.path) {
                    recipe.set(key.path, value, flag);
                }
            }
            let output = output_of(matches, &recipe, "sweep");
            (sweep(&recipe, &output, &program, &mut watch)?, output)
        }
    };
    print!("{}", described(&result, &output));
    Ok(exit_code(result.is_done, || format!("go on with: cargo xtask sweep --resume {}", output.display())))
}

/// This very program, which trains when it is told to, and stops where this process is asked to.
pub fn this_program() -> anyhow::Result<Program> {
    let path = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(Program { path, stop: interrupt::on_request()? })
}

/// The folder that was said, or else the recipe's with another ending: it may hold the recipe's own run.
pub fn output_of(matches: &ArgMatches, recipe: &Recipe, ending: &str) -> PathBuf {
    let output = recipe.output();
    if cli::said(matches, "run.output") {
        return output;
    }
    let mut name = output.into_os_string();
    name.push(format!("-{ending}"));
    name.into()
}

/// 0 where all is done, else 130 with the way to go on.
pub fn exit_code(is_done: bool, how: impl FnOnce() -> String) -> ExitCode {
    if is_done {
        return ExitCode::SUCCESS;
    }
    eprintln!("stopped; everything is saved\n{}", how());
    ExitCode::from(130)
}

fn described(result: &SweepResult, output: &Path) -> String {
    let keys: Vec<&str> = result.space.iter().map(|parameter| parameter.name.as_str()).collect();
    let header =
        ["rank", "trial", &*result.metric].into_iter().chain(keys.iter().copied()).chain(["epochs", "time", ""]);
    let mut rows = vec![header.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(result.trials.iter().enumerate().map(|(rank, trial)| row(rank, trial)));
    let mut text = format!("\n{}", aligned(&rows));
    text.push_str(&importance(result));
    if let Some(best) = &result.best_recipe {
        let _ = writeln!(text, "\nthe best recipe  {}", best.display());
        let _ = writeln!(text, "all trials       {}", output.join("sweep.json").display());
        let _ = writeln!(text, "a plot           {}", output.join("sweep.svg").display());
        let _ = writeln!(text, "\nnext: cargo xtask finetune --recipe {}", best.display());
    }
    text
}

fn row(rank: usize, result: &TrialResult) -> Vec<String> {
    let trial = &result.trial;
    let note = match &trial.state {
        TrialState::Finished => "",
        TrialState::Paused { .. } => "dropped by halving",
        TrialState::Failed { message } => message.lines().next().unwrap_or("failed"),
        TrialState::Waiting | TrialState::Training { .. } => "not finished",
    };
    let mut cells = vec![(rank + 1).to_string(), trial.number.to_string()];
    cells.push(result.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}")));
    cells.extend(trial.values.iter().map(|(_, value)| value.clone()));
    cells.push(result.trained.map_or_else(|| "-".to_owned(), |epochs| format!("{epochs}")));
    cells.push(clock(Duration::from_secs_f64(trial.seconds)));
    cells.push(note.to_owned());
    cells
}

fn importance(result: &SweepResult) -> String {
    let mut text = String::new();
    if result.importance.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\nhow much of the variation of {} goes with each:\n", result.metric);
    let mut rows = vec![["key", "share", "by chance", "direction"].map(str::to_owned).to_vec()];
    for one in &result.importance {
        let direction = match one.correlation {
            Some(rho) => format!("rank correlation {rho:+.2}"),
            None => "between choices".to_owned(),
        };
        rows.push(vec![one.name.clone(), format!("{:.2}", one.share), format!("{:.2}", one.by_chance), direction]);
    }
    text.push_str(&aligned(&rows));
    if result.trials.len() < FEW_TRIALS {
        let _ = writeln!(text, "  (of {} trials: mostly chance)", result.trials.len());
    }
    text
}

/// Columns side by side, each as wide as its widest cell.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text
}
