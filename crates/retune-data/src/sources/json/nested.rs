//! Fields by their path: `answers.text`, `choices.0.label`.

use serde_json::{Map, Value};

/// The value at a path. A field that bears the whole name, dots and all, goes first.
pub(super) fn find<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let rest = &path[dot + 1..];
        match object.get(&path[..dot])? {
            Value::Object(inner) => find(inner, rest),
            Value::Array(items) => find_in_list(items, rest),
            // Nothing is there, and so is nothing in it.
            null @ Value::Null => Some(null),
            _ => None,
        }
    })
}

fn find_in_list<'a>(items: &'a [Value], path: &str) -> Option<&'a Value> {
    let (index, rest) = match path.split_once('.') {
        Some((index, rest)) => (index, Some(rest)),
        None => (path, None),
    };
    let item = items.get(index.parse::<usize>().ok()?)?;
    match (rest, item) {
        (None, item) => Some(item),
        (Some(rest), Value::Object(inner)) => find(inner, rest),
        (Some(rest), Value::Array(items)) => find_in_list(items, rest),
        _ => None,
    }
}

/// The fields there are, for a message about a path that is not there: with those within objects where the path, or a
/// field that bears its name, leads into one.
pub(super) fn names(object: &Map<String, Value>, wanted: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in object {
        match value {
            Value::Object(inner) if wanted.contains('.') || inner.contains_key(wanted) => {
                names.extend(inner.keys().map(|inner| format!("{name}.{inner}")));
            }
            _ => names.push(name.clone()),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_objects_and_lists() {
        let json = r#"{"a.b": 0, "a": {"b": 1, "c.d": 2, "e": [[{"f": 3}], 4]}, "n": null}"#;
        let object: Map<String, Value> = serde_json::from_str(json).expect("an object");
        for (path, expected) in [("a.b", "0"), ("a.c.d", "2"), ("a.e.0.0.f", "3"), ("a.e.1", "4"), ("n.x.y", "null")] {
            assert_eq!(find(&object, path).map(Value::to_string).as_deref(), Some(expected), "{path}");
        }
        for path in ["a.e.2", "a.e.x", "a.e.1.x", "a.b.c", "b", "", ".", "a."] {
            assert_eq!(find(&object, path), None, "{path}");
        }
        let flat = ["a.b", "a.b", "a.c.d", "a.e", "n"];
        assert_eq!(
            (names(&object, "a.x"), names(&object, "e")),
            (flat.map(String::from).into(), flat.map(String::from).into())
        );
        assert_eq!(names(&object, "x"), ["a.b", "a", "n"]);
    }
}
