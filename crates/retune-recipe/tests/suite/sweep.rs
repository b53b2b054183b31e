//! The section `[sweep]`.

use expect_test::{Expect, expect};
use retune_recipe::{KeepChoice, SamplerChoice, SelectionMetric, SweepDomain, Value};

use crate::least_and;

/// The messages of the least recipe with more lines, the first of which is line 6.
fn check(texts: &[&str], expect: Expect) {
    expect
        .assert_eq(&texts.iter().map(|more| format!("{}\n", least_and(more).sweep().unwrap_err())).collect::<String>());
}

#[test]
fn a_sweep_is_read_whole() {
    let recipe = least_and(
        "[sweep]\ntrials = 7\nhalving = 3\n[sweep.space]\n\"train.learning_rate\" = { min = 1e-5, max = 1e-3, scale = \"log\" }\n\
         train.batch_size = { choices = [16, 32] }\ntrain.epochs = { min = 2, max = 6, step = 1 }\n\
         data.max_length = { min = 16, max = 64 }",
    );
    let sweep = recipe.sweep().unwrap();
    assert_eq!((sweep.trials, sweep.halving, sweep.sampler), (7, Some(3), SamplerChoice::Tpe));
    assert_eq!((sweep.metric, sweep.parallel, sweep.keep), (SelectionMetric::Accuracy, 1, KeepChoice::Best));
    let keys: Vec<&str> = sweep.space.iter().map(|dimension| dimension.key).collect();
    assert_eq!(keys, ["train.learning_rate", "train.batch_size", "train.epochs", "data.max_length"]);
    assert_eq!(sweep.space[1].values, SweepDomain::Choices(vec![Value::Integer(16), Value::Integer(32)]));
    let range = |min, max, step, log, whole| SweepDomain::Range { min, max, step, log, whole };
    assert_eq!(sweep.space[0].values, range(1e-5, 1e-3, None, true, false));
    assert_eq!(sweep.space[2].values, range(2.0, 6.0, Some(1.0), false, false));
    assert_eq!(sweep.space[3].values, range(16.0, 64.0, Some(1.0), false, true));
    assert_eq!(sweep.space[3].number(17.0), Value::Integer(17));
    // What is written reads as the same.
    let written = recipe.to_toml().unwrap();
    assert_eq!(retune_recipe::Recipe::parse(&written, "b.toml").unwrap().sweep().unwrap(), sweep);
    assert!(!recipe.without_sweep().to_toml().unwrap().contains("sweep"));
}

#[test]
fn a_run_passes_the_section_over() {
    assert!(least_and("[sweep]\ntrails = 3").resolve().is_ok());
}

#[test]
fn flags_change_it() {
    let mut recipe = least_and("[sweep.space]\n\"train.epochs\" = { min = 1, max = 2 }");
    recipe.set("sweep.trials", "3", "--trials");
    recipe.set_assignment("sweep.space.train.epochs={ choices = [4, 5] }");
    let sweep = recipe.sweep().unwrap();
    assert_eq!((sweep.trials, sweep.space.len()), (3, 1));
    assert_eq!(sweep.space[0].values, SweepDomain::Choices(vec![Value::Float(4.0), Value::Float(5.0)]));
    recipe.set("sweep.trial", "3", "--set sweep.trial");
    assert!(recipe.sweep().unwrap_err().to_string().contains("did you mean 'sweep.trials'?"));
}

#[test]
fn mistakes_are_named() {
    check(
        &[
            "",
            "[sweep]\ntrails = 3\nhalving = 1\nsampler = \"grid\"\nspace = 3",
            "[sweep]\nmetric = \"rmse\"\n[sweep.space]\n\"train.epochs\" = { min = 1, max = 2 }",
            "[sweep.space]\n\"train.learning_rat\" = { min = 1e-5, max = 1e-3 }",
            "[sweep.space]\n\"train.learning_rate\" = { min = 1e-3, max = 1e-5 }",
            "[sweep.space]\n\"train.learning_rate\" = { min = 0, max = 1e-3, scale = \"log\" }",
            "[sweep.space]\n\"train.warmup_fraction\" = { min = 0, max = 0.3, scale = \"log\" }",
            "[sweep.space]\n\"train.learning_rate\" = { min = 1e-5, max = 1e-3, scal = \"log\" }",
            "[sweep.space]\n\"train.learning_rate\" = { min = 1e-5, max = 1e-3, scale = \"cubic\" }",
            "[sweep.space]\n\"train.learning_rate\" = { min = 1e-5 }",
            "[sweep.space]\n\"train.learning_rate\" = [1e-5, 1e-3]",
            "[sweep.space]\n\"train.batch_size\" = { choices = [16, 0, 16] }",
            "[sweep.space]\n\"train.batch_size\" = { choices = [16] }",
            "[sweep.space]\n\"train.batch_size\" = { min = 8, max = 64, step = 0.5 }",
            "[sweep.space]\n\"train.batch_size\" = { min = 8, max = 64, step = 8, scale = \"log\" }",
            "[sweep.space]\n\"task.loss\" = { min = 8, max = 64 }",
            "[sweep.space]\n\"run.output\" = { choices = [\"a\", \"b\"] }",
        ],
        expect![[r#"
            a.toml: there is nothing to search: add a section [sweep.space] with keys and their ranges, as "train.learning_rate" = { min = 1e-5, max = 1e-3, scale = "log" }
            a.toml:7: unknown key 'sweep.trails'; did you mean 'sweep.trials'?
            a.toml:8: 'sweep.halving' must be a whole number, at least 2; found 1
            a.toml:9: 'sweep.sampler' must be random or tpe; found "grid"
            a.toml:10: 'sweep.space' must be a table of keys to search, begun by the line [sweep.space]; found 3
            a.toml:7: 'sweep.metric' must be accuracy, f1_macro, mcc or loss where 'task.kind' is classification; found rmse
            a.toml:7: unknown key 'train.learning_rat'; did you mean 'train.learning_rate'?
            a.toml:7: 'sweep.space."train.learning_rate"' must be a range whose min is less than its max; found 0.001 and 0.00001
            a.toml:7: 'train.learning_rate' must be a number above 0 and at most 1; found 0
            a.toml:7: unknown key 'train.warmup_fraction'; did you mean 'schedule.warmup_fraction'?
            a.toml:7: unknown key 'sweep.space."train.learning_rate".scal'; did you mean 'scale'?
            a.toml:7: 'sweep.space."train.learning_rate"' must be a range whose scale is "linear" or "log"; found the scale "cubic"
            a.toml:7: 'sweep.space."train.learning_rate"' must be { min = …, max = … }, with scale = "log" or step = … where wanted, or { choices = [ … ] }; found min
            a.toml:7: 'sweep.space."train.learning_rate"' must be { min = …, max = … }, with scale = "log" or step = … where wanted, or { choices = [ … ] }; found [0.00001, 0.001]
            a.toml:7: 'train.batch_size' must be a whole number, at least 1; found 0
            a.toml:7: 'sweep.space."train.batch_size"' must be { choices = [ … ] } with two different values or more; found 16 twice
            a.toml:7: 'sweep.space."train.batch_size"' must be { choices = [ … ] } with two different values or more; found [16]
            a.toml:7: 'sweep.space."train.batch_size"' must be a range whose step is a whole number above 0 and at most max - min; found the step 0.5
            a.toml:7: 'sweep.space."train.batch_size"' must be a range with a step or with the scale "log", not both; found both
            a.toml:7: 'sweep.space."task.loss"' must be { choices = [ … ] }, for 'task.loss' is auto, cross-entropy, focal, binary-cross-entropy, mse, huber, multiple-negatives, triplet or cosine; found a range
            a.toml:7: 'sweep.space."run.output"' must be left out of the space: each trial has a folder of its own; found { choices = ["a", "b"] }
        "#]],
    );
}
