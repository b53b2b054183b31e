//! `curve`: the same recipe on growing shares of the training set. Would more data help?

use std::process::ExitCode;

use anyhow::bail;
use clap::{Arg, ArgMatches, Command, value_parser};
use retune_search::{CurveSettings, curve};

use super::sweep::{aligned, exit_code, output_of, this_program};
use crate::cli;
use crate::terminal::Terminal;

/// The command's arguments.
pub fn command() -> Command {
    Command::new("curve")
        .about("Train on growing shares of the data: would more help?")
        .after_help("The same command goes on with a curve that was stopped.")
        .arg(cli::recipe_file())
        .args(cli::recipe_arguments())
        .arg(
            Arg::new("fractions")
                .long("fractions")
                .value_name("SHARE")
                .num_args(1..)
                .value_delimiter(',')
                .value_parser(value_parser!(f64))
                .help("Shares of the training set, above 0 and at most 1 [0.1 0.2 0.4 0.7 1]"),
        )
        .arg(count("seeds", "Seeds for each share; more make the curve surer [1]"))
        .arg(count("parallel", "Trainings at the same time [1]"))
        .arg(cli::quiet())
}

fn count(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u64).range(1..)).help(help)
}

/// Trains, fits, tells.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let terminal = Terminal::new(matches.get_flag("quiet"));
    let said: Vec<f64> = matches.get_many("fractions").into_iter().flatten().copied().collect();
    let mut fractions = if said.is_empty() { vec![0.1, 0.2, 0.4, 0.7, 1.0] } else { said };
    if let Some(wrong) = fractions.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
        bail!("--fractions must be shares above 0 and at most 1; found {wrong}");
    }
    fractions.sort_by(f64::total_cmp);
    fractions.dedup();
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or(1);
    let settings =
        CurveSettings { fractions, seeds: number("seeds"), parallel: usize::try_from(number("parallel")).unwrap_or(1) };
    let recipe = cli::recipe_of(matches)?;
    let plan = recipe.resolve()?;
    if settings.seeds > 1 && plan.data.validation.is_none() {
        bail!(
            "--seeds {} needs a validation file (--eval): split off by the seed, each seed would be measured on other \
             examples",
            settings.seeds
        );
    }
    let output = output_of(matches, &recipe, "curve");
    let result = curve(&recipe, &settings, &output, &this_program()?, &mut |line| terminal.note(line))?;

    let mut rows = vec![["data", "seed", &*result.metric, &*result.error].map(str::to_owned).to_vec()];
    for (point, value) in result.points.iter().zip(&result.values) {
        let share = format!("{} %", point.fraction * 100.0);
        rows.push(vec![share, point.seed.to_string(), format!("{value:.4}"), format!("{:.4}", point.error)]);
    }
    print!("\n{}", aligned(&rows));
    for (fraction, seed, message) in &result.failed {
        println!("  {} %  {seed}  failed: {}", fraction * 100.0, message.lines().next().unwrap_or_default());
    }
    if let (Some(law), Some(residual)) = (result.curve.law, result.curve.residual) {
        println!(
            "\n{} = {:.4} + {:.4} x (share of the data)^-{:.3}; points lie {residual:.4} around it",
            result.error, law.asymptote, law.scale, law.exponent
        );
    }
    println!("\n{}", result.curve);
    println!("\nnumbers  {}\na plot   {}", output.join("curve.json").display(), output.join("curve.svg").display());
    Ok(exit_code(result.is_done, || "the same command goes on".to_owned()))
}
