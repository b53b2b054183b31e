//! What Python's `datasets` notes of its columns in the files that it writes: which of them hold classes by number, and
//! the names of these. Parquet and Arrow have it as JSON under the key `huggingface` of their metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// The key of a file's metadata.
const KEY: &str = "huggingface";

/// The names of the classes of each wanted column that holds classes.
pub(crate) type Classes = Arc<BTreeMap<String, Vec<String>>>;

/// The note of a file, or nothing.
#[derive(Debug, Default)]
pub(super) struct Features(Value);

impl Features {
    /// From the metadata of a file. What cannot be read is as if it were not there: it is no part of the data.
    pub(super) fn of<'m>(metadata: impl IntoIterator<Item = (&'m str, &'m str)>) -> Self {
        let note = metadata.into_iter().find(|(key, _)| *key == KEY);
        let note: Option<Value> = note.and_then(|(_, note)| serde_json::from_str(note).ok());
        let features = |mut note: Value| note.get_mut("info")?.get_mut("features").map(Value::take);
        Self(note.and_then(features).unwrap_or_default())
    }

    /// The names of the classes of a column, of a field in it, or of the items of its lists.
    pub(super) fn class_names(&self, path: &[String]) -> Option<Vec<String>> {
        let column = path.iter().try_fold(&self.0, |feature, step| items_of(feature).get(step.as_str()))?;
        let column = items_of(column);
        let names = column.get("names").filter(|_| column["_type"] == "ClassLabel")?.as_array()?;
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

/// What the items of lists are; of anything else, itself. Lists are written in three ways, by the version.
fn items_of(feature: &Value) -> &Value {
    match feature {
        Value::Array(only) => only.first().unwrap_or(feature),
        list if list["_type"].is_string() && list["feature"].is_object() => &list["feature"],
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(note: &Value, path: &str) -> Option<Vec<String>> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        Features::of([("pandas", "{}"), (KEY, note.to_string().as_str())]).class_names(&path)
    }

    #[test]
    fn classes_are_found_wherever_they_stand() {
        let class = json!({"names": ["no", "yes"], "_type": "ClassLabel"});
        let note = json!({"info": {"features": {
            "label": class,
            "text": {"dtype": "string", "_type": "Value"},
            "list": {"feature": class, "_type": "List"},
            "sequence": {"feature": class, "length": -1, "_type": "Sequence"},
            "old": [class],
            "nested": {"kind": class},
            "records": {"feature": {"kind": class}, "_type": "Sequence"},
            // A column may bear the names of the note's own words.
            "feature": {"_type": class},
        }}});
        let expected = Some(vec!["no".to_owned(), "yes".to_owned()]);
        for path in ["label", "list", "sequence", "old", "nested.kind", "records.kind", "feature._type"] {
            assert_eq!(names(&note, path), expected, "{path}");
        }
        for path in ["text", "nested", "nested.other", "gone", "label.names"] {
            assert_eq!(names(&note, path), None, "{path}");
        }
        for other in
            [json!(null), json!([]), json!({"info": 1}), json!({"info": {"features": {"label": {"names": 3}}}})]
        {
            assert_eq!(names(&other, "label"), None, "{other}");
        }
        assert_eq!(Features::of([(KEY, "not JSON")]).class_names(&["label".to_owned()]), None);
    }
}
