//! `judge`: people look at rows, one by one, and say how good the model is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use retune_data::{DataError, OutputColumn, OutputValues, write_table};
use retune_judge::{Decision, Item, Mode, Report, Sampling, Server, ServerSettings, Study, StudySettings, corrected};
use retune_recipe::{DataPlan, TaskKind};
use retune_train::{Event, Examples, Field, Prediction, RunDirectory, Task, TrainError, with_task};

use super::inference::{Inference, check_table, run_of};
use crate::datasets::locate_file;
use crate::terminal::Terminal;
use crate::{cli, interrupt};

/// The rows that are drawn where nothing else is said, if there are so many.
const ROWS: usize = 100;

/// The command's arguments.
pub fn command() -> Command {
    let path = |id: &'static str, name: &'static str| {
        Arg::new(id).long(id).value_name(name).value_parser(value_parser!(PathBuf))
    };
    Command::new("judge")
        .about("Let people judge a model, on a page of this machine")
        .after_help(
            "The page is at the address that is printed; Ctrl-C ends it and reports. The same command goes on with a study.\n\
             Modes: label (blind; what the model says is not shown), agree (or disagree with the model), compare (with the run\n\
             of --against, in random order).",
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
        .arg(Arg::new("mode").long("mode").value_name("MODE").value_parser(["label", "agree", "compare"]).help(
            "What is asked [label; agree where there are no classes to label with; compare with --against]",
        ))
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
        .arg(Arg::new("rows").long("rows").value_name("N").value_parser(value_parser!(usize)).help("How many rows [100]"))
        .arg(Arg::new("seed").long("seed").value_name("N").value_parser(value_parser!(u64)).help("The seed of the draw [the run's]"))
        .arg(path("study", "FILE").help("The file of the study [judge.sqlite in the folder of the run]"))
        .arg(Arg::new("port").long("port").value_name("PORT").value_parser(value_parser!(u16)).help("The port; 0 for any [8765]"))
        .arg(
            Arg::new("bind")
                .long("bind")
                .value_name("ADDRESS")
                .value_parser(value_parser!(IpAddr))
                .help("The address [127.0.0.1]; of any that others can reach, the page needs the token that is printed"),
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
        .arg(path("export", "FILE").help("Write the labels as they were corrected, and ask nobody: .csv, .tsv, .jsonl or .parquet"))
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

/// What the study is of, with all rows and what the models say of them.
fn asked<T: Task>(
    matches: &ArgMatches,
    kind: TaskKind,
    chosen: Chosen,
    begun: Option<&StudySettings>,
) -> anyhow::Result<(StudySettings, Vec<Item>)> {
    let run = run_of(matches)?;
    let inference = Inference::<T>::of_run(run, matches)?;
    let (plan, file) = (&inference.plan, matches.get_one::<PathBuf>("data").context("--data is required")?);
    let (predictions, labels) = predicted(&inference, file, kind, matches)?;
    let classes = match kind {
        TaskKind::Classification => {
            predictions.first().map(|first| by_class(first).map(|(name, _)| name.clone()).collect())
        }
        _ => None,
    };
    let mut items: Vec<Item> = predictions
        .iter()
        .enumerate()
        .map(|(row, prediction)| Item {
            row: row as u64,
            texts: texts(prediction),
            label: labels.as_ref().map(|labels| labels[row].clone()),
            prediction: says(prediction),
            confidences: match kind {
                TaskKind::Classification => by_class(prediction).map(|(_, confidence)| *confidence).collect(),
                _ => Vec::new(),
            },
            against: None,
        })
        .collect();
    let against = matches.get_one::<PathBuf>("against");
    if let Some(other) = against {
        let (others, _) = predicted(&Inference::<T>::of_run(other, matches)?, file, kind, matches)?;
        ensure!(
            others.len() == items.len(),
            "the two runs read {} and {} rows of {}",
            items.len(),
            others.len(),
            file.display()
        );
        items.iter_mut().zip(&others).for_each(|(item, other)| item.against = Some(says(other)));
    }
    let (run, against) = names(run, against);
    let mut settings = StudySettings {
        mode: chosen.mode,
        sampling: chosen.sampling,
        rows: 0,
        seed: chosen.seed.unwrap_or(plan.run.seed),
        classes: classes.unwrap_or_default(),
        columns: columns(&plan.data, items.first().map_or(1, |item| item.texts.len())),
        label_column: plan.data.label.clone().unwrap_or_else(|| "label".to_owned()),
        run,
        against,
        data: file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(),
    };
    let population = settings.population(&items)?.len();
    settings.rows = chosen.rows.unwrap_or(ROWS.min(population));
    // Where a run lies has no part in what it says of a row; the rows are compared one by one.
    if let Some(begun) = begun {
        (settings.run, settings.data) = (begun.run.clone(), begun.data.clone());
        settings.against = settings.against.and(begun.against.clone());
    }
    Ok((settings, items))
}

/// What a run's model says of all rows, and their labels where the file has them.
fn predicted<T: Task>(
    inference: &Inference<T>,
    file: &Path,
    kind: TaskKind,
    matches: &ArgMatches,
) -> anyhow::Result<(Vec<Prediction>, Option<Vec<String>>)> {
    let mut terminal = Terminal::new(matches.get_flag("quiet"));
    let local = locate_file(file, "test", &inference.plan, &terminal)?;
    let (task, data) = (inference.predictor.task(), &inference.plan.data);
    let wanted = data.label.as_deref().unwrap_or("label");
    let labelled = match kind {
        TaskKind::Classification => match task.read_file(&local, data, true) {
            // Without labels there is one thing less to compare with, and no more.
            Err(TrainError::Data(DataError::MissingColumn { column, .. }))
                if column == wanted && !cli::said(matches, "label") =>
            {
                terminal
                    .note(&format!("{} has no column `{column}`: there are no labels to compare with", file.display()));
                None
            }
            read => Some(read?),
        },
        _ => None,
    };
    let labels = labelled.as_ref().and_then(|examples| task.label_column(examples));
    let examples = match labelled {
        Some(examples) => examples,
        None => task.read_file(&local, data, false)?,
    };
    let total = examples.len();
    let mut progress = |done| terminal.event(Event::Evaluating { done, total });
    let (predictions, notes) = inference.predictor.predict(&examples, &inference.computation, false, &mut progress)?;
    for note in &notes {
        terminal.note(note);
    }
    Ok((predictions, labels))
}

/// The texts that a model has read.
fn texts(prediction: &Prediction) -> Vec<String> {
    let text = |(name, field): &(&str, Field)| match field {
        Field::Text(text) if ["text", "text_pair"].contains(name) => Some(text.clone()),
        _ => None,
    };
    prediction.fields.iter().filter_map(text).collect()
}

/// What a model says, on a line: a class, labels, a number, entities.
fn says(prediction: &Prediction) -> String {
    let field = |wanted: &str| prediction.fields.iter().find(|(name, _)| *name == wanted).map(|(_, field)| field);
    let list = |values: &serde_json::Value, say: &dyn Fn(&serde_json::Value) -> String| match values.as_array() {
        Some(values) if !values.is_empty() => values.iter().map(say).collect::<Vec<_>>().join(", "),
        _ => "none".to_owned(),
    };
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (field("predicted"), field("entities")) {
        (Some(Field::Text(class)), _) => class.clone(),
        (Some(Field::Number(number)), _) => format!("{number:.3}"),
        (Some(Field::Json(labels)), _) => list(labels, &word),
        (_, Some(Field::Json(entities))) => {
            list(entities, &|entity| format!("{} ({})", word(&entity["text"]), word(&entity["label"])))
        }
        _ => prediction.line.split('\t').next().unwrap_or_default().to_owned(),
    }
}

/// How sure a model is of each class.
fn by_class(prediction: &Prediction) -> impl Iterator<Item = &(String, f64)> {
    prediction.fields.iter().flat_map(|(_, field)| match field {
        Field::ByName("probability", classes) => classes.as_slice(),
        _ => &[],
    })
}

/// The names of the texts: the columns of the file, where there are as many.
fn columns(data: &DataPlan, texts: usize) -> Vec<String> {
    match data.text.len() == texts {
        true => data.text.clone(),
        false => (1..=texts).map(|number| format!("text {number}")).collect(),
    }
}

/// The runs by the names of their folders, or by their paths where these are the same.
fn names(run: &Path, against: Option<&PathBuf>) -> (String, Option<String>) {
    let path = |run: &Path| run.display().to_string();
    let name = |run: &Path| {
        let whole = run.canonicalize().unwrap_or_else(|_| run.to_owned());
        whole.file_name().map_or_else(|| path(run), |name| name.to_string_lossy().into_owned())
    };
    match against {
        Some(other) if name(run) == name(other) => (path(run), Some(path(other))),
        other => (name(run), other.map(|other| name(other))),
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
