//! Every measure against the values of its reference; `tests/golden/generate.py` writes them.

use std::collections::BTreeMap;

use serde_json::Value;

#[path = "../golden/evaluate.rs"]
mod evaluate;

const TOLERANCE: f64 = 1e-9;

/// The cases, each with what is expected of it.
fn golden() -> Vec<(Value, Value)> {
    let mut golden: Value = serde_json::from_str(include_str!("../golden/cases.json")).unwrap();
    let cases = golden["cases"].as_array_mut().unwrap();
    cases.iter_mut().map(|case| (case["case"].take(), case["expected"].take())).collect()
}

/// The path to the first value that differs, with both.
fn difference(path: &str, found: &Value, expected: &Value) -> Option<String> {
    let same = match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut items = found.iter().zip(expected).enumerate();
            return items.find_map(|(i, (found, expected))| difference(&format!("{path}[{i}]"), found, expected));
        }
        (Value::Object(found), Value::Object(expected)) if found.keys().all(|key| expected.contains_key(key)) => {
            let missing = Value::Null;
            return expected.iter().find_map(|(key, expected)| {
                difference(&format!("{path}, {key}"), found.get(key).unwrap_or(&missing), expected)
            });
        }
        _ => found == expected,
    };
    (!same).then(|| format!("{path}: {found} is not {expected}"))
}

#[test]
fn every_measure_equals_its_reference() {
    let mut differences = Vec::new();
    for (index, (case, expected)) in golden().into_iter().enumerate() {
        let found = Value::Object(evaluate::evaluate(&case));
        let name = format!("case {index}, {}", case["metric"].as_str().unwrap());
        differences.extend(difference(&name, &found, &expected).map(|message| format!("{message}\n    of {case}")));
    }
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}

/// A comparison that would find nothing is worth nothing.
#[test]
fn the_comparison_finds_a_changed_value_of_every_family() {
    let mut families: BTreeMap<String, usize> = BTreeMap::new();
    for (case, mut expected) in golden() {
        let found = Value::Object(evaluate::evaluate(&case));
        let measures = expected.as_object_mut().unwrap();
        let numbers = measures.values_mut().filter(|value| value.is_number());
        for number in numbers {
            let right = number.take();
            *number = Value::from(right.as_f64().unwrap() * (1.0 + 1e-8) + 1e-8);
            *families.entry(case["metric"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert!(difference("", &found, &expected).is_some());
    }
    assert!(families.len() >= 13 && families.values().all(|numbers| *numbers > 40), "{families:?}");
}

/// The edges are among the cases: measures that are not defined, and every way in which they are not.
#[test]
fn the_cases_have_the_edges() {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (_, expected) in golden() {
        for value in expected.as_object().unwrap().values().filter_map(Value::as_str) {
            *names.entry(value.to_owned()).or_default() += 1;
        }
    }
    for name in ["Constant", "TooFew", "OneSided", "OneSidedClass", "Empty", "NothingPairable", "OtherCount"] {
        assert!(names.get(name).is_some_and(|count| *count > 1), "{name}: {names:?}");
    }
}
