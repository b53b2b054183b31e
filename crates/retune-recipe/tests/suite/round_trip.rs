//! Properties over drawn recipes.

use std::path::PathBuf;

use proptest::prelude::*;
use retune_recipe::{Fallback, Key, Kind, Range, Recipe, SelectionMetric, TaskKind, keys};

/// Text with what breaks quoting: quotes of both kinds, backslashes, line ends, control characters, `#`, `=`, brackets.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_./-]{1,12}",
        proptest::collection::vec(any::<char>(), 1..8).prop_map(String::from_iter),
        "[\"'\\\\\n\r\t#=\\[\\]{},\u{0}\u{7f}é ]{0,8}x",
    ]
    .prop_filter("blank text is refused", |text| !text.trim().is_empty())
}

fn any_float(range: Range) -> BoxedStrategy<f64> {
    let positive = f64::MIN_POSITIVE..f64::MAX;
    match range {
        Range::NotNegative => prop_oneof![Just(0.0), positive].boxed(),
        Range::Positive => prop_oneof![positive, 0.01..100.0].boxed(),
        Range::PositiveToOne => prop_oneof![Just(1.0), 1e-300..1.0, 1e-6..1e-3].boxed(),
        Range::ZeroToOne => (0.0..=1.0).boxed(),
        Range::BelowOne => (0.0..1.0).boxed(),
        Range::Between => (1e-9..1.0).boxed(),
    }
}

/// TOML of a value that `key` allows where the task is `task`.
fn any_toml(key: &'static Key, task: TaskKind) -> BoxedStrategy<String> {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    match key.path {
        "task.kind" => return Just(quoted(task.as_str())).boxed(),
        "task.loss" => {
            let losses = task.losses().iter().map(|loss| loss.as_str()).chain(["auto"]).collect::<Vec<_>>();
            return proptest::sample::select(losses).prop_map(quoted).boxed();
        }
        "evaluation.metric" => {
            let metrics = SelectionMetric::of(task).iter().map(|metric| metric.as_str()).chain(["auto"]);
            return proptest::sample::select(metrics.collect::<Vec<_>>()).prop_map(quoted).boxed();
        }
        // What contradicts itself has tests of its own.
        "regularization.average_from" => return Just("1".to_owned()).boxed(),
        "adapter.kind" => return Just(quoted("none")).boxed(),
        "task.head" => return Just(quoted("architecture")).boxed(),
        "optimizer.kind" => return proptest::sample::select(&["adamw", "lion"][..]).prop_map(quoted).boxed(),
        "train.sampling" if task != TaskKind::Classification => {
            return proptest::sample::select(&["shuffled", "length-grouped"][..]).prop_map(quoted).boxed();
        }
        _ => {}
    }
    match key.kind {
        // The path keeps the drawn files apart: the same file twice is a contradiction.
        Kind::Path => any_text().prop_map(move |text| quoted(&format!("{}/{text}", key.path))).boxed(),
        Kind::Text | Kind::Expression => any_text().prop_map(move |text| quoted(&text)).boxed(),
        Kind::Columns => {
            let (least, most) = task.text_columns();
            proptest::collection::vec(any_text(), least..=most)
                .prop_map(move |names| {
                    let different = names.iter().enumerate().map(|(place, name)| quoted(&format!("{place}{name}")));
                    format!("[{}]", different.collect::<Vec<_>>().join(", "))
                })
                .boxed()
        }
        Kind::Names | Kind::Computed => proptest::collection::vec(any_text(), 1..5)
            .prop_map(move |names| {
                let different = names.iter().enumerate().map(|(place, name)| quoted(&format!("{place}{name}")));
                format!("[{}]", different.collect::<Vec<_>>().join(", "))
            })
            .boxed(),
        Kind::Integer { min } => (min..=i64::MAX as u64).prop_map(|number| number.to_string()).boxed(),
        Kind::Float(range) => any_float(range).prop_map(|number| format!("{number:?}")).boxed(),
        Kind::Switch => any::<bool>().prop_map(|switch| switch.to_string()).boxed(),
        Kind::Choice(names) => proptest::sample::select(names).prop_map(quoted).boxed(),
        Kind::Device => prop_oneof![
            Just("'auto'".to_owned()),
            Just("'cpu'".to_owned()),
            (0..9u8).prop_map(|n| format!("'cuda:{n}'"))
        ]
        .boxed(),
        Kind::Factors => (0.0..9.0).prop_map(|factor| format!("'*.a b={factor}, c.* = 2'")).boxed(),
        Kind::Weights => prop_oneof![
            Just("'none'".to_owned()),
            Just("'balanced'".to_owned()),
            (0.01..9.0).prop_map(|weight| format!("'a b={weight}, c = 2'")),
        ]
        .boxed(),
    }
}

/// A recipe that says the required keys and any of the others, as lines of dotted keys.
fn any_recipe() -> impl Strategy<Value = Vec<String>> {
    let tasks: Vec<TaskKind> = TaskKind::NAMES.iter().map(|name| name.parse().unwrap()).collect();
    proptest::sample::select(tasks).prop_flat_map(any_recipe_for)
}

fn any_recipe_for(task: TaskKind) -> impl Strategy<Value = Vec<String>> {
    let lines: Vec<_> = keys()
        .iter()
        .map(|key| {
            let line = any_toml(key, task).prop_map(move |toml| format!("{} = {toml}", key.path));
            let is_needed = ["task.kind", "data.label", "data.choices"].contains(&key.path);
            match key.fallback {
                // What they cannot go with has tests of its own.
                _ if ["few_shot.pairs", "data.train_per_class"].contains(&key.path) => Just(None).boxed(),
                _ if is_needed => line.prop_map(Some).boxed(),
                Fallback::Required => line.prop_map(Some).boxed(),
                _ => proptest::option::of(line).boxed(),
            }
        })
        .collect();
    lines.prop_map(|lines| lines.into_iter().flatten().collect())
}

fn parse(lines: &[String]) -> Recipe {
    Recipe::parse(&lines.join("\n"), PathBuf::from("drawn.toml")).unwrap()
}

proptest! {
    #[test]
    fn a_plan_is_a_recipe_for_itself(lines in any_recipe()) {
        let plan = parse(&lines).resolve().unwrap();
        let written = plan.to_toml();
        let again = Recipe::parse(&written, "plan.toml").unwrap().resolve().unwrap();
        prop_assert_eq!(&again, &plan);
        prop_assert_eq!(again.to_toml(), written);
    }

    #[test]
    fn a_written_recipe_means_the_same(lines in any_recipe()) {
        let recipe = parse(&lines);
        let again = Recipe::parse(&recipe.to_toml().unwrap(), "drawn.toml").unwrap();
        prop_assert_eq!(again.resolve().unwrap(), recipe.resolve().unwrap());
    }

    #[test]
    fn the_order_of_lines_does_not_matter(lines in any_recipe().prop_shuffle()) {
        let mut sorted = lines.clone();
        sorted.sort();
        prop_assert_eq!(parse(&lines).resolve().unwrap(), parse(&sorted).resolve().unwrap());
    }

    #[test]
    fn every_mistake_is_named_with_its_line(
        lines in any_recipe(),
        wrong in proptest::collection::btree_set("[a-z]{3,12}", 1..6),
    ) {
        // Drawn text may hold line ends, so the wrong lines stand first and their numbers are known.
        let mistakes: Vec<String> = wrong.iter().map(|name| format!("run.zz-{name} = 1")).collect();
        let all: Vec<String> = mistakes.iter().chain(&lines).cloned().collect();
        let messages = parse(&all).resolve().unwrap_err().to_string();
        let named: Vec<&str> = messages.lines().collect();
        prop_assert_eq!(named.len(), mistakes.len());
        for (index, (message, name)) in named.iter().zip(&wrong).enumerate() {
            let start = format!("drawn.toml:{}: unknown key 'run.zz-{name}'", index + 1);
            prop_assert!(message.starts_with(&start), "{}", message);
        }
    }

    #[test]
    fn no_text_makes_a_panic(text in "([a-z]{1,6}|\\[|\\]|=|\\.|\n|\"|'|#|[0-9]|train|data|run|epochs|text|\\{|\\}| ){0,40}", value in any_text()) {
        let recipe = Recipe::parse(&text, "any.toml").unwrap_or_default();
        prop_assert!(recipe.resolve().is_err());
        for key in keys() {
            let mut recipe = Recipe::new();
            recipe.set(key.path, &value, "--set").set_assignment(&text);
            prop_assert!(recipe.resolve().is_err());
        }
    }
}
