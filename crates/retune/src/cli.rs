//! The command line. Flags that set a recipe's key are made from the table of keys, so that the two cannot differ.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use retune_recipe::{Key, Kind, Recipe, keys};

use crate::commands::{curve, find_rate, inspect, judge, report, sweep};

/// The recipe that runs where none is named.
const DEFAULT_RECIPE: &str = "recipes/quickstart.toml";

/// All commands.
pub fn command() -> Command {
    Command::new("retune")
        .about("Fine-tunes pretrained Transformers")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(110)
        .subcommand(finetune())
        .subcommand(predict())
        .subcommand(evaluate())
        .subcommand(judge::command())
        .subcommand(report::command())
        .subcommand(sweep::command())
        .subcommand(curve::command())
        .subcommand(find_rate::command())
        .subcommand(inspect::command())
        .subcommand(recipe())
}

fn finetune() -> Command {
    Command::new("finetune")
        .about("Train a model, test it, and write it as Hugging Face does")
        .after_help(format!(
            "Without a recipe, --model and --train, the default job runs: {DEFAULT_RECIPE}.\n\
             Flags change what the recipe says. Every key: `recipe --keys`."
        ))
        .args(recipe_arguments())
        .arg(
            Arg::new("resume")
                .long("resume")
                .value_name("RUN")
                .value_parser(value_parser!(PathBuf))
                .help("Go on with a run that was stopped, under its own plan"),
        )
        .arg(
            Arg::new("pause-after-epoch")
                .long("pause-after-epoch")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Save and end after this epoch; --resume goes on"),
        )
        .arg(quiet())
}

fn recipe() -> Command {
    Command::new("recipe")
        .about("Print the recipe that flags mean, to keep")
        .args(recipe_arguments())
        .arg(Arg::new("keys").long("keys").action(ArgAction::SetTrue).help("Print every key that a recipe may have"))
}

fn predict() -> Command {
    Command::new("predict")
        .about("What the model of a run says of texts: of arguments, of a file, or of standard input, one a line")
        .arg(run_argument())
        .arg(
            Arg::new("texts")
                .value_name("TEXT")
                .action(ArgAction::Append)
                .help("Texts to read; for a model of text pairs two for each, of questions a question and its context"),
        )
        .args(file_arguments("Read the rows of this file"))
        .arg(
            Arg::new("logits")
                .long("logits")
                .action(ArgAction::SetTrue)
                .help("Give the logits too, before the softmax"),
        )
        .arg(json("Print one JSON object a line"))
        .args(compute_arguments())
        .arg(quiet())
}

fn evaluate() -> Command {
    Command::new("evaluate")
        .about("Measure the model of a run on a labelled file")
        .arg(run_argument())
        .args(file_arguments("The labelled file").map(|arg| match arg.get_id().as_str() {
            "file" => arg.required(true),
            _ => arg,
        }))
        .arg(Arg::new("label").long("label").value_name("COLUMN").help("The column of labels [as in the run's plan]"))
        .arg(json("Print the scores as JSON"))
        .args(compute_arguments())
        .arg(quiet())
}

fn run_argument() -> Arg {
    Arg::new("run")
        .long("run")
        .value_name("RUN")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("The folder of a finished run")
}

/// The arguments of a file that is read.
pub fn file_arguments(help: &'static str) -> [Arg; 5] {
    [
        Arg::new("file").long("file").value_name("FILE").value_parser(value_parser!(PathBuf)).help(help),
        Arg::new("out")
            .long("out")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Write a table of predictions: .parquet, .csv, .tsv or .jsonl"),
        Arg::new("text")
            .long("text")
            .value_name("COLUMN")
            .num_args(1..=3)
            .action(ArgAction::Append)
            .help("The columns of text [as in the run's plan]"),
        Arg::new("format").long("format").value_name("FORMAT").help("How the file is written [by its extension]"),
        Arg::new("columns")
            .long("columns")
            .value_name("COLUMN")
            .num_args(1..)
            .action(ArgAction::Append)
            .help("The names of all columns of a file that does not name them [it does]"),
    ]
}

/// `--device`, `--batch-size` and `--precision`.
pub fn compute_arguments() -> [Arg; 3] {
    [
        Arg::new("device").long("device").value_name("DEVICE").help("Where to compute: auto, cpu, cuda or cuda:N"),
        Arg::new("batch-size").long("batch-size").value_name("N").help("Texts in a batch [as in the run's plan]"),
        Arg::new("precision")
            .long("precision")
            .value_name("PRECISION")
            .help("Number format of the matrix products: fp32, bf16 or fp16 [as in the run's plan]"),
    ]
}

fn json(help: &'static str) -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help(help)
}

/// `--quiet`.
pub fn quiet() -> Arg {
    Arg::new("quiet").long("quiet").short('q').action(ArgAction::SetTrue).help("Say nothing but the result")
}

/// `--recipe`, `--set`, and a flag for each key that has one.
pub fn recipe_arguments() -> Vec<Arg> {
    let mut arguments = vec![
        Arg::new("recipe")
            .long("recipe")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The recipe to start from"),
        Arg::new("set")
            .long("set")
            .value_name("KEY=VALUE")
            .action(ArgAction::Append)
            .help("Set any key of the recipe, as in --set train.epochs=5"),
    ];
    arguments.extend(keys().iter().filter_map(key_argument));
    arguments
}

/// The recipe as the first argument, for commands that take it so too.
pub fn recipe_file() -> Arg {
    Arg::new("recipe-file")
        .value_name("RECIPE")
        .value_parser(value_parser!(PathBuf))
        .conflicts_with("recipe")
        .help("The recipe, as with --recipe")
}

/// Whether an argument of this command stands on the command line.
pub fn said(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The flag of a key, where it has one.
pub fn key_argument(key: &'static Key) -> Option<Arg> {
    let long = key.flag?.trim_start_matches('-');
    let argument = Arg::new(key.path).long(long).help(format!("{} [{}; {}]", key.doc, key.path, key.fallback));
    Some(match key.kind {
        Kind::Switch => argument.action(ArgAction::SetTrue),
        Kind::Columns => argument.value_name("COLUMN").num_args(1..=3).action(ArgAction::Append),
        Kind::Names => argument.value_name("COLUMN").num_args(1..).action(ArgAction::Append),
        // One a flag: an expression has spaces.
        Kind::Computed => argument.value_name("NAME=EXPRESSION").action(ArgAction::Append),
        // A negative number is the recipe's to refuse, with a message that names the range.
        _ => argument.value_name(placeholder(key.kind)).allow_negative_numbers(true),
    })
}

/// What stands for a flag's value in the help.
fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "FILE",
        Kind::Expression => "EXPRESSION",
        Kind::Integer { .. } => "N",
        Kind::Float(_) => "NUMBER",
        Kind::Device => "DEVICE",
        Kind::Choice(_) => "CHOICE",
        _ => "NAME",
    }
}

/// The recipe that the arguments mean: a file's, changed by flags, changed by `--set`.
pub fn recipe_of(matches: &ArgMatches) -> anyhow::Result<Recipe> {
    let named = matches.get_one::<PathBuf>("recipe").or_else(|| matches.try_get_one("recipe-file").ok().flatten());
    recipe_from(named.map(PathBuf::as_path), matches)
}

/// The same of this file, where there is one, whatever the arguments name.
pub fn recipe_from(file: Option<&Path>, matches: &ArgMatches) -> anyhow::Result<Recipe> {
    let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut recipe = match file {
        Some(path) => Recipe::from_file(path)?,
        None if said("model.path") || said("data.train") || sets(matches, &["model.path", "data.train"]) => {
            Recipe::new()
        }
        None if PathBuf::from(DEFAULT_RECIPE).exists() => Recipe::from_file(DEFAULT_RECIPE)?,
        None => bail!(
            "there is no {DEFAULT_RECIPE} here: name a recipe with --recipe, or a model and a file with --model and --train"
        ),
    };
    for key in keys() {
        let Some(flag) = key.flag.filter(|_| said(key.path)) else { continue };
        match key.kind {
            Kind::Switch => recipe.set(key.path, "true", flag),
            _ => {
                let values: Vec<&String> = matches.get_many(key.path).into_iter().flatten().collect();
                match (key.kind, values.as_slice()) {
                    (Kind::Columns | Kind::Names | Kind::Computed, values) => recipe.set_list(key.path, values, flag),
                    (_, [value]) => recipe.set(key.path, value, flag),
                    _ => &mut recipe,
                }
            }
        };
    }
    for assignment in matches.get_many::<String>("set").into_iter().flatten() {
        recipe.set_assignment(assignment);
    }
    Ok(recipe)
}

/// Whether `--set` sets one of these keys.
fn sets(matches: &ArgMatches, keys: &[&str]) -> bool {
    let assigned = |assignment: &String| assignment.split_once('=').is_some_and(|(key, _)| keys.contains(&key.trim()));
    matches.get_many::<String>("set").into_iter().flatten().any(assigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    fn recipe(arguments: &[&str]) -> Recipe {
        let matches = command().try_get_matches_from([&["retune", "recipe"], arguments].concat()).unwrap();
        recipe_of(matches.subcommand().unwrap().1).unwrap()
    }

    #[test]
    fn every_flag_reaches_its_key() {
        for key in keys().iter().filter(|key| key.flag.is_some()) {
            let mut arguments = vec!["--set", "model.path=m", key.flag.unwrap()];
            if key.kind != Kind::Switch {
                arguments.push("1");
            }
            let recipe = recipe(&arguments);
            assert!(recipe.origin(key.path).is_some() || !recipe.problems().is_empty(), "{}", key.path);
        }
    }

    #[test]
    fn set_wins_over_flags() {
        let recipe = recipe(&[
            "--model",
            "m",
            "--train",
            "t.csv",
            "--text",
            "a",
            "b",
            "--label",
            "c",
            "--epochs",
            "2",
            "--set",
            "train.epochs=5",
        ]);
        let plan = recipe.resolve().unwrap();
        assert_eq!(plan.train.epochs, 5.0);
        assert_eq!(plan.data.text, ["a", "b"]);
    }
}
