//! The slow forms of tokenizers against Python's `AutoTokenizer`, id by id.
//!
//! `tests/parity/tokenizer_forms.py` makes a model directory for each form and says what Transformers makes of it. Here
//! each is read by [`TextTokenizer::from_directory`] and compared in three ways: the whole tokenizer, as
//! `tokenizer.json` would hold it; the ids and types of every line at every length; and the ids that Python gives when
//! it reads what [`TextTokenizer::save`] wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retune_data::{Text, TextTokenizer, Tokenized};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Result;

/// What one form came to.
#[derive(Debug)]
pub struct Row {
    /// The name of its directory.
    pub form: String,
    /// Lines compared, each once for every length and reader.
    pub lines: usize,
    /// How many of them had other ids or types.
    pub different: usize,
    /// The first difference, of tokenizers or of lines, if there is any.
    pub first: Option<String>,
}

/// What Python found in one directory.
#[derive(Deserialize)]
struct Expected {
    tokenizer: Value,
    rows: Rows,
}

/// By length.
type Rows = BTreeMap<usize, Encoded>;

/// A row of each for every line.
#[derive(Deserialize)]
struct Encoded {
    ids: Vec<Vec<u32>>,
    types: Vec<Vec<u32>>,
}

/// Makes everything in `folder`, which must not hold any of it yet, and compares. `texts` are files of further lines.
///
/// # Errors
/// Python fails, or a directory that it reads is refused.
pub fn compare(python: &Path, folder: &Path, texts: &[PathBuf]) -> Result<Vec<Row>> {
    call(python, "make", folder, texts)?;
    let lines: Vec<(String, Option<String>)> = parse(&folder.join("lines.json"))?;
    let lines: Vec<Text> = lines.into_iter().map(|(first, second)| Text { first, second }).collect();
    let mut rows = Vec::new();
    for form in forms(folder)? {
        let directory = folder.join(&form);
        let expected: Expected = parse(&folder.join(format!("{form}.expected.json")))?;
        let written = write(&directory, &folder.join(format!("{form}.written")))?;
        let first = difference("", &expected.tokenizer, &written)
            .map(|difference| format!("the tokenizers differ at {difference}"));
        let mut row = Row { form, lines: 0, different: 0, first };
        for (length, expected) in &expected.rows {
            let found = TextTokenizer::from_directory(&directory, *length)?.encode(&lines)?;
            row.add(&lines, &found, expected, &format!("cut to {length}"), |_| true);
        }
        rows.push(row);
    }
    call(python, "again", folder, &[])?;
    for row in &mut rows {
        let expected: Rows = parse(&folder.join(format!("{}.again.json", row.form)))?;
        let directory = folder.join(format!("{}.written", row.form));
        let row_is_camembert = row.form.starts_with("camembert");
        for (length, expected) in &expected {
            let found = TextTokenizer::from_directory(&directory, *length)?.encode(&lines)?;
            let how = format!("cut to {length}, Python reads what was written");
            row.add(&lines, &found, expected, &how, |text| !(row_is_camembert && has_unused(text)));
        }
    }
    Ok(rows)
}

/// A line for each form, and how many differ.
pub fn render(rows: &[Row]) -> String {
    let mut table = String::new();
    for row in rows {
        let first = row.first.as_deref().unwrap_or("equal");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:<18} {:>7} lines {:>7} different  {first}", row.form, row.lines, row.different);
    }
    table
}

impl Row {
    fn add(
        &mut self,
        lines: &[Text],
        found: &Tokenized,
        expected: &Encoded,
        how: &str,
        counts: impl Fn(&Text) -> bool,
    ) {
        for (row, text) in lines.iter().enumerate().filter(|(_, text)| counts(text)) {
            let (mut ids, mut types) = (Vec::new(), Vec::new());
            // They are in memory.
            let _ = found.read(row, &mut ids, &mut types);
            let types: Vec<u32> = types.into_iter().map(u32::from).collect();
            self.lines += 1;
            if ids != expected.ids[row] || types != expected.types[row] {
                self.different += 1;
                self.first.get_or_insert_with(|| {
                    let (expected, expected_types) = (&expected.ids[row], &expected.types[row]);
                    format!("{how}: {text:?}: {ids:?} {types:?}, expected {expected:?} {expected_types:?}")
                });
            }
        }
    }
}

/// Python gives one CamemBERT two readings: of `tokenizer.json` without settings that name any extra tokens, but not of
/// the model file, it makes `<s>NOTUSED` and its kin in a text tokens of their own. Ours is that of the model file.
fn has_unused(text: &Text) -> bool {
    text.first.contains("NOTUSED") || text.second.as_ref().is_some_and(|second| second.contains("NOTUSED"))
}

/// Writes a model directory as the end of a run does, and gives the tokenizer in it without its cutting.
fn write(directory: &Path, target: &Path) -> Result<Value> {
    fs::create_dir(target)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        fs::copy(entry.path(), target.join(entry.file_name()))?;
    }
    TextTokenizer::from_directory(directory, 512)?.save(target)?;
    parse(&target.join("tokenizer.json"))
}

fn forms(folder: &Path) -> Result<Vec<String>> {
    let mut forms = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forms.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    forms.sort();
    Ok(forms)
}

/// Where two documents first differ, as a path, and how.
fn difference(at: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let absent = Value::Null;
            let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let (expected, found) = (expected.get(key).unwrap_or(&absent), found.get(key).unwrap_or(&absent));
                difference(&format!("{at}/{key}"), expected, found)
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (expected, found))| difference(&format!("{at}/{index}"), expected, found)),
        (expected, found) if expected == found => None,
        (expected, found) => Some(format!("{at}: {found:.200}, expected {expected:.200}")),
    }
}

fn call(python: &Path, what: &str, folder: &Path, texts: &[PathBuf]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/tokenizer_forms.py");
    let mut command = Command::new(python);
    command.arg(&script).arg(what).arg("--out").arg(folder);
    if !texts.is_empty() {
        command.arg("--texts").args(texts);
    }
    let status = command.status().map_err(|error| format!("{}: {error}", python.display()))?;
    if status.success() { Ok(()) } else { Err(format!("{} {what}: {status}", script.display()).into()) }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}
