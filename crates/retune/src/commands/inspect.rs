//! `inspect`: what is wrong with the data of a plan, before anything is trained on it.

mod checks;
mod labels;
mod model;
mod rows;
mod show;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use retune_inspect::{Finding, Severity, rank};
use retune_recipe::{Plan, TaskKind};

use super::inference::check_table;
use crate::cli;
use crate::datasets::locate;
use crate::terminal::Terminal;

/// Rows of each data set that the model reads, where nobody says another number.
const MAX_ROWS: u64 = 5000;

/// The command's arguments.
pub fn command() -> Command {
    Command::new("inspect")
        .about("Choose and check the data before training: duplicates, leakage, label errors, shift and more")
        .after_help(
            "Exit codes: 0 looked, whatever was found; 1 with --strict, where a finding is serious; 2 a mistake in what was given.",
        )
        .args(cli::recipe_arguments())
        .arg(
            Arg::new("run")
                .long("run")
                .value_name("RUN")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["recipe", "json"])
                .help("Look at the data of this run, and put what is found where its report shows it: RUN/inspect.json"),
        )
        .arg(
            Arg::new("max-rows")
                .long("max-rows")
                .value_name("N")
                .value_parser(value_parser!(u64).range(50..))
                .help(format!(
                    "Rows of each data set, drawn by run.seed, for what needs the model or a classifier [{MAX_ROWS}]"
                )),
        )
        .arg(Arg::new("no-model").long("no-model").action(ArgAction::SetTrue).help(
            "Leave out what needs the pretrained model; no weights are read or fetched",
        ))
        .arg(
            Arg::new("json")
                .long("json")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write everything that was found as JSON"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write a table with a line for each row and finding: .parquet, .csv, .tsv or .jsonl"),
        )
        .arg(
            Arg::new("strict")
                .long("strict")
                .action(ArgAction::SetTrue)
                .help("End with exit code 1 where a finding is serious"),
        )
        .arg(cli::quiet())
}

/// What is looked at, and how.
pub struct Settings {
    /// Rows of each data set for what needs the model or a classifier.
    pub max_rows: usize,
    /// Whether the pretrained model may be read.
    pub with_model: bool,
}

/// What was found.
pub struct Inspection {
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// What was not looked at, and why.
    pub not_checked: Vec<(&'static str, String)>,
    /// How it was looked at: what a reader must know to judge the findings.
    pub how: Vec<(&'static str, String)>,
}

/// Looks, shows and writes.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let run = matches.get_one::<PathBuf>("run");
    let plan = match run {
        Some(run) => cli::recipe_from(Some(&plan_of(run)?), matches)?,
        None => cli::recipe_of(matches)?,
    };
    let plan = plan.resolve()?;
    let settings = Settings {
        max_rows: matches.get_one::<u64>("max-rows").copied().unwrap_or(MAX_ROWS) as usize,
        with_model: !matches.get_flag("no-model"),
    };
    let (of_run, table) = (run.map(|run| run.join("inspect.json")), matches.get_one::<PathBuf>("out"));
    let json = matches.get_one::<PathBuf>("json").or(of_run.as_ref());
    if let Some(table) = table {
        check_table(table)?;
    }
    if let Some(json) = json {
        check_json(json)?;
    }
    ensure!(json.is_none() || json != table, "--json and --out name the same file; name two");
    check_task(&plan)?;
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let located = locate(plan, &terminal)?;
    let data = rows::Data::open(&located.local)?;
    let mut inspection = checks::inspect(&located.local, &data, &settings, &mut terminal)?;
    rank(&mut inspection.findings);
    terminal.close();
    // Texts are held of the rows that somebody will see.
    let limit = if json.is_some() || table.is_some() { usize::MAX } else { show::SHOWN };
    let places = data.places(&inspection.findings, limit)?;
    if let Some(path) = json {
        write::json(path, &located.recorded, &data, &inspection, &places)?;
    }
    if let Some(path) = table {
        write::table(path, &inspection.findings, &places)?;
    }
    print!("{}", show::summary(&data, &inspection, &places));
    if let Some(run) = run {
        println!("\nnext: cargo xtask report {} shows this with the rest of the run", run.display());
    }
    let is_serious = inspection.findings.iter().any(|finding| finding.severity == Severity::Serious);
    Ok(if matches.get_flag("strict") && is_serious { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The plan of a run.
fn plan_of(run: &Path) -> anyhow::Result<PathBuf> {
    let plan = run.join("plan.toml");
    ensure!(
        plan.is_file(),
        "--run {}: there is no plan.toml in it; name the folder of a run, as runs/quickstart, or a recipe with --recipe",
        run.display()
    );
    Ok(plan)
}

/// That the file can be written, before anything slow.
fn check_json(path: &Path) -> anyhow::Result<()> {
    ensure!(
        path.extension().is_some_and(|extension| extension == "json"),
        "--json {}: name a file that ends in .json",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "cannot write {}: the folder {} is not there", path.display(), folder.display());
    ensure!(!path.is_dir(), "cannot write {}: it is a folder", path.display());
    Ok(())
}

fn check_task(plan: &Plan) -> anyhow::Result<()> {
    match plan.task.kind {
        TaskKind::QuestionAnswering | TaskKind::MultipleChoice => bail!(
            "inspect does not look at data of the task {}; it does at classification, multi-label, regression, token-classification, \
             masked-lm and embeddings",
            plan.task.kind
        ),
        _ => Ok(()),
    }
}
