//! `report`: what became of a run, or of several beside each other, as one HTML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use retune_data::{OutputValues, Text, TextTokenizer, Wanted, read_results, sources};
use retune_recipe::TaskKind;
use retune_report::{Column, Grouping, GroupingValues, Run, Table, render};
use retune_train::tasks::form_of;

use super::linear_baseline::linear_baseline;
use crate::cli;

/// The column of where rows come from, by which rows are grouped without being asked.
const SOURCE: &str = "source";

/// What is added to the files of a run.
#[derive(Debug, Clone, Default)]
pub struct ReportSettings {
    /// Columns of the evaluated file to group rows by.
    pub slices: Vec<String>,
    /// The mean power that the machine drew, in watts.
    pub watts: Option<f64>,
}

/// The command's arguments.
pub fn command() -> Command {
    Command::new("report")
        .about("Write what became of a run, or of several beside each other, as one HTML file for a browser")
        .after_help("Of a run that goes on, the report has its curves alone.")
        .arg(
            Arg::new("runs")
                .value_name("RUN")
                .num_args(1..)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The folders of runs; the first is what the others are compared with"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file to write, .html [of one run: report.html in its folder]"),
        )
        .arg(
            Arg::new("slice")
                .long("slice")
                .value_name("COLUMN")
                .action(clap::ArgAction::Append)
                .help("Show scores by the values of this column of the evaluated file, such as a source or a language"),
        )
        .arg(
            Arg::new("watts")
                .long("watts")
                .value_name("W")
                .value_parser(value_parser!(f64))
                .help("The mean power that the machine drew while it trained, for an estimate of the energy"),
        )
        .arg(cli::quiet())
}

/// Reports.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let runs: Vec<&Path> = matches.get_many::<PathBuf>("runs").into_iter().flatten().map(PathBuf::as_path).collect();
    let out = match (matches.get_one::<PathBuf>("out"), runs.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => bail!("name the file that {} runs are reported in: --out FILE.html", runs.len()),
    };
    let watts = matches.get_one::<f64>("watts").copied();
    if let Some(watts) = watts.filter(|watts| !(*watts > 0.0 && watts.is_finite())) {
        bail!("--watts {watts}: expected a number above 0");
    }
    let slices = matches.get_many::<String>("slice").into_iter().flatten().cloned().collect();
    write_report(&runs, &out, &ReportSettings { slices, watts })?;
    if !matches.get_flag("quiet") {
        println!("report  {}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the report on runs to a file, which is whole or not there.
pub fn write_report(runs: &[&Path], out: &Path, settings: &ReportSettings) -> anyhow::Result<()> {
    ensure!(!out.is_dir(), "cannot write {}: it is a folder; name a file in it", out.display());
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let runs = runs.iter().map(|path| read(path, settings)).collect::<anyhow::Result<Vec<_>>>()?;
    let page = render(&runs)?;
    ensure!(folder.is_dir(), "cannot write {}: the folder {} is not there", out.display(), folder.display());
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let partial = folder.join(format!(".{name}.{}.partial", std::process::id()));
    let written = fs::write(&partial, page).and_then(|()| fs::rename(&partial, out));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", out.display()))
}

/// A run with its predictions and what rows are grouped by.
fn read(path: &Path, settings: &ReportSettings) -> anyhow::Result<Run> {
    let mut run = Run::read(path)?;
    run.watts = settings.watts;
    let predictions = path.join("predictions.parquet");
    // Of a run that goes on again, they are of its end before.
    if run.is_finished() && predictions.exists() {
        let columns = read_results(&predictions)?.into_iter().filter_map(|column| {
            let values = match column.values {
                OutputValues::Text(texts) => Column::Texts(texts),
                OutputValues::Float(numbers) => Column::Numbers(numbers),
                _ => return None,
            };
            Some((column.name, values))
        });
        let table = Table::new(columns.collect());
        run.predictions = Some(table.map_err(|problem| anyhow::anyhow!("{}: rows {problem}", predictions.display()))?);
    }
    run.baselines.extend(linear_baseline(&run));
    run.groupings.extend(pieces_per_word(&run));
    for column in &settings.slices {
        run.groupings.push(slice(&run, column)?);
    }
    if !settings.slices.iter().any(|column| column == SOURCE) {
        run.groupings.extend(source(&run));
    }
    Ok(run)
}

/// The pieces that the model's tokenizer makes of a word on average, row by row: what it breaks up, it knows less.
/// `None` where rows are no texts, or so many that a report would take long.
fn pieces_per_word(run: &Run) -> Option<Grouping> {
    const MOST_ROWS: usize = 20_000;

    let is_text = matches!(run.plan.task.kind, TaskKind::Classification | TaskKind::MultiLabel | TaskKind::Regression);
    let table = run.predictions.as_ref().filter(|table| is_text && table.rows() <= MOST_ROWS)?;
    let tokenizer = TextTokenizer::from_directory(&run.path.join("model"), run.plan.data.max_length).ok()?;
    let text = |first: &String| Text { first: first.clone(), second: None };
    let texts: Vec<Text> = table.texts("text")?.iter().map(text).collect();
    let special = tokenizer.encode(&[text(&String::new())]).ok()?.length(0);
    let tokenized = tokenizer.encode(&texts).ok()?;
    let pieces = |(row, text): (usize, &Text)| {
        let words = text.first.split_whitespace().count().max(1);
        tokenized.length(row).saturating_sub(special) as f64 / words as f64
    };
    let numbers = texts.iter().enumerate().map(pieces).collect();
    Some(Grouping { name: "pieces of a word, on average".to_owned(), values: GroupingValues::Numbers(numbers) })
}

/// The column of where rows come from, if the evaluated file has one that is neither read nor learnt.
fn source(run: &Run) -> Option<Grouping> {
    let data = &run.plan.data;
    let is_used = data.label.as_deref() == Some(SOURCE) || data.text.iter().any(|column| column == SOURCE);
    // What is no file of this machine, or a pipe, is not read a second time.
    let is_there = evaluated_file(run).is_some_and(|file| file.is_file());
    if is_used || !is_there { None } else { slice(run, SOURCE).ok() }
}

fn evaluated_file(run: &Run) -> Option<&Path> {
    match run.split() {
        "test" => run.plan.data.test.as_deref(),
        _ => run.plan.data.validation.as_deref(),
    }
}

/// A column of the file that the run was evaluated on.
fn slice(run: &Run, column: &str) -> anyhow::Result<Grouping> {
    let data = &run.plan.data;
    let file = evaluated_file(run).with_context(|| {
        format!(
            "--slice {column}: {} was evaluated on rows split off its training file, which has no file of its own",
            run.name
        )
    })?;
    let form = form_of(data)?;
    let table = sources::read_columns(file, &form, &[Wanted::Text(column)])
        .with_context(|| format!("--slice {column}, of {}", run.name))?;
    let rows = run.predictions.as_ref().map_or(0, Table::rows);
    ensure!(
        table.len() == rows,
        "--slice {column}: {} has {} rows now, and {} was evaluated on {rows}",
        file.display(),
        table.len(),
        run.name
    );
    let values = table.column(column)?.iter().map(|value| value.unwrap_or("(empty)").to_owned()).collect();
    Ok(Grouping { name: column.to_owned(), values: GroupingValues::Names(values) })
}
