//! Whole searches with a program that behaves as `finetune` does and trains nothing: its accuracy is a function of the
//! learning rate and the epoch, greatest at 1e-4.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy exempts test functions, not their helpers"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retune_recipe::Recipe;
use retune_search::{Program, SearchError, SweepResult, TrialState, resume_sweep, sweep};

const FINETUNE: &str = r#"#!/bin/sh
shift
until=1000
while [ $# -gt 0 ]; do
  case $1 in
    --recipe) recipe=$2; new=1;;
    --resume) run=$2; recipe=$run/plan.toml;;
    --pause-after-epoch) until=$2;;
  esac
  shift 2
done
value() { sed -n "s/^$1 = \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$recipe"; }
run=${run:-$(value output)}
rate=$(value learning_rate)
epochs=$(value epochs | cut -d. -f1)
if [ "$(value weight_decay)" = 0.5 ]; then echo "error: bad weight decay" >&2; exit 2; fi
mkdir -p "$run/checkpoints"
[ -n "$new" ] && cp "$recipe" "$run/plan.toml"
epoch=$(cat "$run/checkpoints/epoch" 2>/dev/null || echo 0)
trap 'exit 130' INT
while [ "$epoch" -lt "$epochs" ]; do
  sleep SLEEP
  epoch=$((epoch + 1))
  awk -v r="$rate" -v e="$epoch" 'BEGIN { x = log(r) / log(10) + 4; printf "{\"event\":\"evaluation\",\"split\":\"validation\",\"step\":%d,\"epoch\":%d.0,\"scores\":{\"examples\":6,\"accuracy\":%.6f}}\n", e * 10, e, 0.9 - x * x / 10 + e / 1000 }' >> "$run/metrics.jsonl"
  rm -rf "$run"/checkpoints/step-*
  mkdir -p "$run/checkpoints/$(printf 'step-%08d' $((epoch * 10)))"
  echo "$epoch" > "$run/checkpoints/epoch"
  [ "$epoch" -ge "$until" ] && [ "$epoch" -lt "$epochs" ] && exit 0
done
rm -r "$run/checkpoints"
mkdir "$run/model"
"#;

struct Bench {
    folder: tempfile::TempDir,
    program: Program,
}

impl Bench {
    fn new(sleep: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("finetune");
        fs::write(&path, FINETUNE.replace("SLEEP", sleep)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Bench { folder, program: Program { path, stop: Arc::new(AtomicBool::new(false)) } }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn sweep(&self, sweep_section: &str, space: &str) -> Result<SweepResult, SearchError> {
        sweep(&recipe(sweep_section, space), &self.output(), &self.program, &mut |_| {})
    }

    fn resume(&self) -> Result<SweepResult, SearchError> {
        let again = Program { stop: Arc::new(AtomicBool::new(false)), ..self.program.clone() };
        resume_sweep(&self.output(), &again, &mut |_| {})
    }
}

fn recipe(sweep: &str, space: &str) -> Recipe {
    let text = format!(
        "model.path = 'm'\ndata.train = 't.csv'\ndata.text = 'a'\ndata.label = 'b'\ntrain.epochs = 9\n[sweep]\n{sweep}\n\
         [sweep.space]\n\"train.learning_rate\" = {{ min = 1e-6, max = 1e-2, scale = \"log\" }}\n{space}\n"
    );
    Recipe::parse(&text, "r.toml").unwrap()
}

/// Numbers, values and states of the trials, by number.
fn story(result: &SweepResult) -> Vec<(usize, Option<f64>, Option<f64>, TrialState)> {
    let mut story: Vec<_> = result
        .trials
        .iter()
        .map(|trial| (trial.trial.number, trial.value, trial.trained, trial.trial.state.clone()))
        .collect();
    story.sort_by_key(|(number, ..)| *number);
    story
}

#[test]
fn a_search_finds_the_best_and_writes_its_recipe() {
    let bench = Bench::new("0");
    let result = bench.sweep("trials = 16", "").unwrap();
    assert!(result.is_done && result.trials.len() == 16);
    let values: Vec<f64> = result.trials.iter().filter_map(|trial| trial.value).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    let best = Recipe::from_file(result.best_recipe.as_ref().unwrap()).unwrap();
    assert!(best.sweep().is_err());
    let plan = best.resolve().unwrap();
    assert_eq!(plan.train.learning_rate, result.trials[0].trial.point[0]);
    assert_eq!(plan.run.output, bench.output().join("best"));
    assert_eq!(result.importance[0].name, "train.learning_rate");
    // Of the finished models the best alone is kept.
    let kept: Vec<usize> =
        (1..=16).filter(|number| bench.output().join(format!("trials/{number:04}/model")).exists()).collect();
    assert_eq!(kept, [result.trials[0].trial.number]);
    let svg = fs::read_to_string(bench.output().join("sweep.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<circle").count() == 16);
    // A search that is done tells its result again, and does not begin anew.
    assert_eq!(story(&bench.resume().unwrap()), story(&result));
    assert!(matches!(bench.sweep("trials = 16", ""), Err(SearchError::Exists { .. })));
}

#[test]
fn halving_pauses_and_promotes_the_right_trials() {
    let bench = Bench::new("0");
    let result =
        bench.sweep("trials = 9\nhalving = 3\nsampler = \"random\"\nparallel = 2\nkeep = \"all\"", "").unwrap();
    let mut by_rate: Vec<_> = result.trials.iter().collect();
    by_rate.sort_by(|a, b| {
        let off = |trial: &retune_search::TrialResult| (trial.trial.point[0].log10() + 4.0).abs();
        off(a).total_cmp(&off(b))
    });
    let trained: Vec<Option<f64>> = by_rate.iter().map(|trial| trial.trained).collect();
    let expected = [9.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    assert_eq!(trained, expected.map(Some));
    assert_eq!(by_rate[0].trial.state, TrialState::Finished);
    assert!(by_rate[1..].iter().all(|trial| matches!(trial.trial.state, TrialState::Paused { .. })));
    let ranked: Vec<usize> = result.trials.iter().map(|trial| trial.trial.number).collect();
    assert_eq!(ranked[..3], by_rate[..3].iter().map(|trial| trial.trial.number).collect::<Vec<_>>()[..]);
}

#[test]
fn a_stopped_search_goes_on_to_the_result_of_one_never_stopped() {
    let (whole, stopped) = (Bench::new("0"), Bench::new("0.02"));
    let section = "trials = 6\nhalving = 2\nsampler = \"random\"";
    let expected = whole.sweep(section, "").unwrap();
    let stop = stopped.program.stop.clone();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(250));
        stop.store(true, Ordering::Relaxed);
    });
    let first = stopped.sweep(section, "").unwrap();
    timer.join().unwrap();
    assert!(!first.is_done);
    // As a kill leaves it: a record of a process that is no more.
    let record = stopped.output().join("trials/0001.json");
    let text = fs::read_to_string(&record).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["state"] = serde_json::json!({ "is": "training", "process": 4_000_000, "until": 1 });
    fs::write(&record, json.to_string()).unwrap();
    let result = stopped.resume().unwrap();
    assert_eq!(story(&result), story(&expected));
}

#[test]
fn failures_are_recorded_and_three_at_the_start_end_it() {
    let bench = Bench::new("0");
    let decay = "\"train.weight_decay\" = { min = 0.5, max = 0.6, step = 0.1 }";
    let result = bench.sweep("trials = 8\nsampler = \"random\"", decay).unwrap();
    let failed: Vec<_> = result.trials.iter().filter(|trial| trial.value.is_none()).collect();
    assert!(!failed.is_empty() && failed.len() < 8);
    assert_eq!(failed[0].trial.state, TrialState::Failed { message: "error: bad weight decay".to_owned() });

    let bench = Bench::new("0");
    let mut recipe = recipe("trials = 8", "");
    recipe.set("train.weight_decay", "0.5", "--set");
    let error = sweep(&recipe, &bench.output(), &bench.program, &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().starts_with("the first 3 trials failed; the last said: error: bad weight decay"),
        "{error}"
    );
}

#[test]
fn mistakes_leave_nothing() {
    let bench = Bench::new("0");
    assert!(matches!(bench.sweep("trails = 3", ""), Err(SearchError::Recipe(_))));
    // Only some of the space is wrong, and it is found before anything is trained.
    let columns = "\"data.label\" = { choices = [\"b\", \"a\"] }";
    assert!(matches!(bench.sweep("trials = 3", columns), Err(SearchError::Recipe(_))));
    assert!(!bench.output().exists());
    assert!(matches!(bench.resume(), Err(SearchError::NotASearch { .. })));
}
