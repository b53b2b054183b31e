//! Rows that a filter leaves out, and columns that are computed: a run with them is the run on a file that has been
//! made so by hand.

use std::fs;

use tests::job::{fails, succeeds};
use tests::{Job, Result};

const FILTER: &str = "double(stars) != 3.0 && kind != 'spam'";
const COMPUTED: [&str; 2] =
    ["text = size(title) > 0 ? title + ' film' : 'film'", "label = double(stars) > 3.0 ? 'positive' : 'negative'"];

/// Films with stars, and the same as texts with labels, by hand.
fn films(rows: usize) -> (String, String) {
    let (mut films, mut by_hand) = ("title,stars,kind\n".to_owned(), "text,label\n".to_owned());
    for row in 0..rows {
        let (title, stars) = match row % 3 {
            0 => (format!("a {}good", "very ".repeat(row % 5)), "4.5"),
            1 => (format!("the {}bad", "very ".repeat(row % 4)), "1"),
            _ => ("a film".to_owned(), "3"),
        };
        let kind = if row % 7 == 6 { "spam" } else { "film" };
        films += &format!("{title},{stars},{kind}\n");
        if row % 3 != 2 && kind == "film" {
            let label = if stars == "1" { "negative" } else { "positive" };
            by_hand += &format!("{title} film,{label}\n");
        }
    }
    (films, by_hand)
}

fn job() -> Result<Job> {
    let job = Job::new()?;
    for (name, rows) in [("train", 40), ("dev", 20)] {
        let (films, by_hand) = films(rows);
        job.write(&format!("{name}-films.csv"), films)?;
        job.write(&format!("{name}-by-hand.csv"), by_hand)?;
    }
    Ok(job)
}

fn finetune(job: &Job, more: &[&str]) -> std::process::Command {
    let mut command = job.finetune(&["--eval", "dev-films.csv", "--set", "data.train=train-films.csv"]);
    command.args(["--compute", COMPUTED[0], "--compute", COMPUTED[1], "--set", "evaluation.bootstrap_samples=20"]);
    command.args(more);
    command
}

#[test]
fn a_run_with_expressions_is_the_run_on_a_file_made_by_hand() -> Result<()> {
    let job = job()?;
    let told = succeeds(finetune(&job, &["--filter", FILTER]))?;
    assert!(told.contains("data.filter keeps 23 of 40 rows of train-films.csv"), "{told}");
    assert!(told.contains("data.filter keeps 12 of 20 rows of dev-films.csv"), "{told}");
    let mut command = job.finetune(&["--eval", "dev-by-hand.csv", "--output", "by-hand"]);
    command.args(["--set", "data.train=train-by-hand.csv"]);
    command.args(["--set", "evaluation.bootstrap_samples=20"]);
    succeeds(command)?;
    for file in ["model/model.safetensors", "predictions.parquet"] {
        let [found, expected] = ["out", "by-hand"].map(|run| fs::read(job.path(run).join(file)));
        assert!(found? == expected?, "{file} differs");
    }
    let plan = fs::read_to_string(job.path("out/plan.toml"))?;
    assert!(plan.contains("filter = \"double(stars) != 3.0 && kind != 'spam'\""), "{plan}");

    // Evaluated are the rows that the filter keeps; every row has its prediction, and needs what is computed alone.
    let evaluated = succeeds(job.command(&["evaluate", "--run", "out", "--file", "dev-films.csv"]))?;
    let by_hand = succeeds(job.command(&["evaluate", "--run", "by-hand", "--file", "dev-by-hand.csv"]))?;
    let scores =
        |said: &str| said.lines().filter(|line| line.contains("accuracy")).map(str::to_owned).collect::<Vec<String>>();
    assert!(!scores(&evaluated).is_empty(), "{evaluated}");
    assert_eq!(scores(&evaluated), scores(&by_hand));
    job.write("new.csv", "title\na good\nthe bad\na film\n")?;
    let predicted = succeeds(job.command(&["predict", "--quiet", "--run", "out", "--file", "new.csv"]))?;
    let texts: Vec<&str> = predicted.lines().filter_map(|line| line.rsplit('\t').next()).collect();
    assert_eq!(texts, ["a good film", "the bad film", "a film film"]);
    Ok(())
}

#[test]
fn the_audit_reads_the_rows_that_are_trained_on() -> Result<()> {
    let job = job()?;
    let inspect = |files: [&str; 2], more: &[&str]| {
        let mut command = job.command(&["inspect", "--text", "text", "--label", "label"]);
        command.arg("--model").arg(job.model()).args(["--train", files[0], "--eval", files[1]]);
        command.args(["--set", "data.max_length=16"]).args(more);
        succeeds(command)
    };
    let [text, label] = COMPUTED;
    let found =
        inspect(["train-films.csv", "dev-films.csv"], &["--filter", FILTER, "--compute", text, "--compute", label])?;
    let expected = inspect(["train-by-hand.csv", "dev-by-hand.csv"], &[])?;
    let counts = |said: &str| {
        said.lines().filter(|line| line.contains("rows")).map(str::to_owned).take(2).collect::<Vec<String>>()
    };
    let plain = |said: &str| counts(&said.replace("-films", "").replace("-by-hand", ""));
    assert!(!plain(&found).is_empty(), "{found}");
    assert_eq!(plain(&found), plain(&expected), "{found}\n{expected}");
    Ok(())
}

#[test]
fn what_is_no_expression_or_has_no_value_is_refused() -> Result<()> {
    let job = job()?;
    let cases: [(&[&str], &str); 6] = [
        (&["--filter", "stars >"], "data.filter: `stars >`: not CEL, at character 8: something is missing"),
        (&["--filter", "stars == 3"], "column `stars` is a text, as columns stand in the file, and 3 is none"),
        (
            &["--filter", "stars > 3.0"],
            "train-films.csv:2: data.filter: `stars > 3.0`: `>` does not go with string and double",
        ),
        (&["--filter", "kind == 'none'"], "train-films.csv: data.filter, `kind == 'none'`, keeps none of its rows"),
        (&["--filter", "sort == 'film'"], "no column `sort`; the columns are `title`, `stars`, `kind`"),
        (&["--compute", "title"], "NAME = EXPRESSION is wanted"),
    ];
    for (more, expected) in cases {
        let said = job.refused(finetune(&job, more));
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    // The audit refuses alike.
    let mut command = job.command(&["inspect", "--text", "title", "--label", "kind", "--filter", "stars >"]);
    command.arg("--model").arg(job.model()).args(["--train", "train-films.csv"]);
    assert!(fails(command)?.contains("not CEL"));
    Ok(())
}
