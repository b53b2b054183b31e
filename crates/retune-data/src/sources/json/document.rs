//! The array of a document that holds its rows.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;

use super::{CUT_DOCUMENT, Start, json_error, kind_of};
use crate::error::DataError;

/// An array of rows and the path to it.
type Array<'a> = (String, Vec<&'a RawValue>);

/// How deep in a document an array is looked for.
const DEPTH: usize = 3;

/// The rows of a document: its elements; those of the one array in it that can be rows; or those of the array that was
/// chosen by its path.
pub(super) fn rows<'a>(path: &Path, text: &'a str, chosen: Option<&str>) -> Result<Vec<&'a RawValue>, DataError> {
    let syntax = |error| json_error(path, Start::of_file(), &error, CUT_DOCUMENT);
    let document: &RawValue = serde_json::from_str(text).map_err(syntax)?;
    let no_array = |arrays| match chosen {
        Some(name) => DataError::MissingArray { path: path.to_owned(), name: name.to_owned(), arrays },
        None => DataError::WhichArray { path: path.to_owned(), arrays },
    };
    match document.get().as_bytes().first() {
        Some(b'[') if chosen.is_none() => serde_json::from_str(document.get()).map_err(syntax),
        Some(b'[') => Err(no_array(Vec::new())),
        Some(b'{') => {
            let mut arrays = Vec::new();
            gather(document, "", DEPTH, &mut arrays);
            let names = || arrays.iter().map(|(name, _): &Array<'_>| name.clone()).collect();
            let found = match (chosen, arrays.as_slice()) {
                (Some(chosen), arrays) => arrays.iter().position(|(name, _)| name == chosen),
                (None, [_]) => Some(0),
                _ => None,
            };
            let found = found.ok_or_else(|| no_array(names()))?;
            Ok(arrays.swap_remove(found).1)
        }
        _ => {
            let expected = "an array of objects or of lists, or an object that holds one";
            Err(DataError::NotRecords { place: Start::of_file().place(path), expected, found: kind_of(document) })
        }
    }
}

/// Gathers the arrays whose elements are all objects or all lists.
fn gather<'a>(value: &'a RawValue, name: &str, depth: usize, arrays: &mut Vec<Array<'a>>) {
    let all_begin_with = |elements: &[&RawValue], byte| elements.iter().all(|element| element.get().starts_with(byte));
    if value.get().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        if all_begin_with(&elements, '{') || all_begin_with(&elements, '[') {
            arrays.push((name.to_owned(), elements));
        }
    } else if value.get().starts_with('{') && depth > 0 {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        for (field, inner) in fields {
            let name = if name.is_empty() { field } else { format!("{name}.{field}") };
            gather(inner, &name, depth - 1, arrays);
        }
    }
}
