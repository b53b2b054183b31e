//! `judge`: people look at rows, one by one, and say how good the model is.

mod items;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use retune_data::{OutputColumn, OutputValues, write_table};
use retune_judge::{Decision, Mode, Report, Sampling, Server, ServerSettings, Study, StudySettings, corrected};
use retune_recipe::TaskKind;
use retune_train::{RunDirectory, Task, with_task};

use self::items::asked;
use super::inference::{check_table, run_of};
use crate::terminal::Terminal;
use crate::{cli, interrupt};

/// The command's arguments.
pub fn command() -> Command {
    let path = |id: &'static str, name: &'static str| {
        Arg::new(id).long(id).value_name(name).value_parser(value_parser!(PathBuf))
    };
    Command::new("judge")
        .about("Let people judge a model, on a page of this machine")
        .after_help(
            "The page is at the address that is printed; Ctrl-C ends it and reports.\n\
             The same command goes on with a study.\n\
             label: blind, what the model says is not shown. agree: or disagree, with what the model says.\n\
             compare: with the run of --against, in random order.",
        )
        .arg(
            Arg::new("run")
                .value_name("RUN")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The folder of a finished run"),
        )
        .arg(path("data", "FILE").help("The file whose rows are judged; its labels, where it has any, are compared"))
        .arg(path("against", "RUN").help("A second run, to compare with"))
        .arg(
            Arg::new("mode")
                .long("mode")
                .value_name("MODE")
                .value_parser(["label", "agree", "compare"])
                .help("What is asked [label; agree where there are no classes to label with; compare with --against]"),
        )
        .arg(
            Arg::new("sample")
                .long("sample")
                .value_name("HOW")
                .value_parser(["chance", "uncertainty", "stratified"])
                .help("Which rows are drawn; what is reported stays unbiased [chance]"),
        )
        .arg(
            Arg::new("strata")
                .long("strata")
                .value_name("BY")
                .value_parser(["predicted", "label"])
                .help("What --sample stratified is by [predicted]"),
        )
        .arg(
            Arg::new("rows")
                .long("rows")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .help("How many rows [100]"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("The seed of the draw [the run's]"),
        )
        .arg(path("study", "FILE").help("The file of the study [judge.sqlite in the folder of the run]"))
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .help("The port; 0 for any [8765]"),
        )
        .arg(
            Arg::new("bind").long("bind").value_name("ADDRESS").value_parser(value_parser!(IpAddr)).help(
                "The address [127.0.0.1]; of any that others can reach, the page needs the token that is printed",
            ),
        )
        .arg(
            Arg::new("host")
                .long("host")
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("A name by which others call this machine"),
        )
        .arg(Arg::new("report").long("report").action(ArgAction::SetTrue).help("Report, and ask nobody"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Report as JSON"))
        .arg(
            path("export", "FILE")
                .help("Write the labels as they were corrected, and ask nobody: .csv, .tsv, .jsonl or .parquet"),
        )
        .args(data_arguments())
        .arg(cli::quiet())
}

fn data_arguments() -> Vec<Arg> {
    let [_, _, text, format, columns] = cli::file_arguments("");
    let label = Arg::new("label")
        .long("label")
        .value_name("COLUMN")
        .help("The column of labels [as in the run's plan, where it is there]");
    [text, label, format, columns].into_iter().chain(cli::compute_arguments()).collect()
}

/// Judges, or reports.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let run = run_of(matches)?;
    let study = matches.get_one::<PathBuf>("study").cloned().unwrap_or_else(|| run.join("judge.sqlite"));
    let (exports, reports) = (matches.get_one::<PathBuf>("export"), matches.get_flag("report"));
    if exports.is_some() || reports {
        if let Some(out) = exports {
            check_table(out)?;
        }
        let study = Study::open(&study)?;
        if reports {
            report(&study, matches.get_flag("json"))?;
        }
        if let Some(out) = exports {
            export(&study, out, &Terminal::new(matches.get_flag("quiet")))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(
        cli::said(matches, "data"),
        "--data is required: the file whose rows are judged (or --report, or --export, for a study that is there)"
    );
    let kind = RunDirectory::plan_of(run)?.task.kind;
    let judged = [TaskKind::Classification, TaskKind::MultiLabel, TaskKind::Regression, TaskKind::TokenClassification];
    ensure!(
        judged.contains(&kind),
        "runs of {kind} are not judged on a page: those of {} are",
        judged.map(|kind| kind.to_string()).join(", ")
    );
    if let Some(against) = matches.get_one::<PathBuf>("against") {
        let other = RunDirectory::plan_of(against)?.task.kind;
        ensure!(
            other == kind,
            "{} is a run of {kind} and {} one of {other}: they cannot be compared",
            run.display(),
            against.display()
        );
    }
    with_task!(kind, judge(matches, kind, &study))
}

fn judge<T: Task>(matches: &ArgMatches, kind: TaskKind, path: &Path) -> anyhow::Result<ExitCode> {
    let quiet = matches.get_flag("quiet");
    // What is not said is as the study began, where it has.
    let begun = if path.exists() { Some(Study::open(path)?.settings().clone()) } else { None };
    let chosen = Chosen::of(matches, kind, begun.as_ref())?;
    let (settings, items) = asked::<T>(matches, kind, chosen, begun.as_ref())?;
    let study = Study::begin(path, &settings, &items)?;
    let server = Server::bind(
        study,
        &ServerSettings {
            address: *matches.get_one("bind").unwrap_or(&IpAddr::from([127, 0, 0, 1])),
            port: *matches.get_one("port").unwrap_or(&8765),
            hosts: matches.get_many::<String>("host").into_iter().flatten().cloned().collect(),
        },
    )?;
    let stop = interrupt::on_request()?;
    let (url, rows) = (server.url(), settings.rows);
    println!("{url}");
    if !quiet {
        eprintln!(
            "{rows} rows wait for judges at this address; answers go to {}; Ctrl-C ends and reports",
            path.display()
        );
    }
    let study = server.run(stop).with_context(|| format!("at {url}"))?;
    report(&study, matches.get_flag("json"))?;
    Ok(ExitCode::SUCCESS)
}

fn report(study: &Study, json: bool) -> anyhow::Result<()> {
    let report = Report::of(study)?;
    match json {
        true => println!("{:#}", report.to_json()),
        false => print!("{}", report.to_text()),
    }
    Ok(())
}

/// What the arguments, or the study as it began, say of it.
struct Chosen {
    mode: Mode,
    sampling: Sampling,
    rows: Option<usize>,
    seed: Option<u64>,
}

impl Chosen {
    fn of(matches: &ArgMatches, kind: TaskKind, begun: Option<&StudySettings>) -> anyhow::Result<Self> {
        let word = |id: &str| matches.get_one::<String>(id).map(String::as_str);
        let compares = cli::said(matches, "against");
        let mode = match word("mode") {
            Some("label") => Mode::Label,
            Some("agree") => Mode::Agree,
            Some(_) => Mode::Compare,
            None => match (begun, compares, kind) {
                (Some(begun), ..) => begun.mode,
                (None, true, _) => Mode::Compare,
                (None, false, TaskKind::Classification) => Mode::Label,
                _ => Mode::Agree,
            },
        };
        ensure!(mode != Mode::Compare || compares, "to compare, name the second run with --against");
        ensure!(mode == Mode::Compare || !compares, "--against is for --mode compare; leave one of the two away");
        ensure!(
            mode != Mode::Label || kind == TaskKind::Classification,
            "runs of {kind} have no classes to label with: --mode agree asks whether the model is right, --mode compare which of two runs is better"
        );
        let strata = match word("strata") {
            Some("label") => Sampling::Label,
            _ => Sampling::Predicted,
        };
        let sampling = match word("sample") {
            Some("chance") => Sampling::Chance,
            Some("uncertainty") => Sampling::Uncertainty,
            Some(_) => strata,
            None => begun.map_or(Sampling::Chance, |begun| begun.sampling),
        };
        ensure!(
            word("strata").is_none() || matches!(sampling, Sampling::Predicted | Sampling::Label),
            "--strata is for --sample stratified; leave one of the two away"
        );
        ensure!(
            sampling == Sampling::Chance || kind == TaskKind::Classification,
            "rows of {kind} are drawn by chance alone: there is no one confidence or class of a row"
        );
        let rows = matches.get_one("rows").copied().or(begun.map(|begun| begun.rows));
        Ok(Self { mode, sampling, rows, seed: matches.get_one("seed").copied().or(begun.map(|begun| begun.seed)) })
    }
}

/// Writes the rows with their labels, as the next training reads them.
fn export(study: &Study, out: &Path, terminal: &Terminal) -> anyhow::Result<()> {
    let all = corrected(study)?;
    let total = all.len();
    let rows: Vec<_> = all.into_iter().filter(|row| row.label.is_some()).collect();
    if rows.is_empty() {
        bail!("no row has a label: none was given one by more than half of its judges");
    }
    let settings = study.settings();
    let column =
        |name: &str, values: Vec<String>| OutputColumn { name: name.to_owned(), values: OutputValues::Text(values) };
    let mut columns: Vec<OutputColumn> = Vec::new();
    for (place, name) in settings.columns.iter().enumerate() {
        columns.push(column(name, rows.iter().map(|row| row.texts[place].clone()).collect()));
    }
    let labels = |of: &dyn Fn(&retune_judge::Corrected) -> String| rows.iter().map(of).collect();
    columns.push(column(&settings.label_column, labels(&|row| row.label.clone().unwrap_or_default())));
    columns.push(column("given_label", labels(&|row| row.given.clone().unwrap_or_default())));
    columns.push(column("predicted_label", labels(&|row| row.predicted.clone())));
    columns.push(column("decision", labels(&|row| row.decision.name().to_owned())));
    columns.push(column("votes", labels(&|row| row.votes.clone())));
    write_table(out, columns)?;
    let count = |decision| rows.iter().filter(|row| row.decision == decision).count();
    let changed = rows.iter().filter(|row| row.given.is_some() && row.given != row.label).count();
    terminal.note(&format!(
        "{} rows are in {}: {} unanimous, {} by majority, {} ties and {} that nobody could tell as given; {changed} labels changed",
        rows.len(),
        out.display(),
        count(Decision::Unanimous),
        count(Decision::Majority),
        count(Decision::Tie),
        count(Decision::Unsure),
    ));
    if rows.len() < total {
        terminal.note(&format!("{} rows without any label are left out", total - rows.len()));
    }
    Ok(())
}
