//! The head of a `README.md` as the Hub gives it: as far as `configs` goes.
//!
//! It is YAML, of which this reads what `datasets` itself writes: block maps and lists of plain or quoted scalars.
//! Whatever else stands under `configs` makes the whole unreadable, so that nothing is ever taken for something else.

use serde_json::{Map, Value, json};

/// What the Hub would give as the card of a repository with this `README.md`; `None` where that cannot be told.
pub(crate) fn card_of(readme: &str) -> Option<Value> {
    let mut lines = readme.lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Some(Value::Null);
    }
    let head: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end() != "---").collect();
    let Some(at) = head.iter().position(|line| line.split('#').next().map(str::trim_end) == Some("configs:")) else {
        // Of the other keys none says which files there are; one in another form might.
        return (!head.iter().any(|line| line.starts_with("configs"))).then(|| json!({}));
    };
    let mut rows = Vec::new();
    for line in &head[at + 1..] {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        if indent == 0 && !text.starts_with("- ") {
            break;
        }
        rows.push((indent, text.to_owned()));
    }
    let mut rest = &rows[..];
    let configs = block(&mut rest, 0)?;
    rest.is_empty().then(|| json!({ "configs": configs }))
}

type Rows<'a> = &'a [(usize, String)];

/// A list or a map whose lines are indented by at least so much.
fn block(rest: &mut Rows<'_>, least: usize) -> Option<Value> {
    let (indent, first) = rest.first()?;
    if *indent < least {
        return None;
    }
    if first.starts_with("- ") { list(rest, *indent) } else { map(rest, *indent) }
}

fn list(rest: &mut Rows<'_>, indent: usize) -> Option<Value> {
    let mut items = Vec::new();
    while let Some((_, text)) = rest.first().filter(|(at, text)| *at == indent && text.starts_with("- ")) {
        let content = text[1..].trim_start();
        let within = indent + text.len() - content.len();
        if key_of(content).is_none() {
            items.push(scalar(content)?);
            *rest = &rest[1..];
            continue;
        }
        // What stands behind the dash is the first line of a map of its own.
        let end = rest[1..].iter().position(|(at, _)| *at <= indent).map_or(rest.len(), |end| end + 1);
        let mut own = rest[..end].to_vec();
        own[0] = (within, content.to_owned());
        let mut own = &own[..];
        items.push(map(&mut own, within)?);
        if !own.is_empty() {
            return None;
        }
        *rest = &rest[end..];
    }
    Some(Value::Array(items))
}

fn map(rest: &mut Rows<'_>, indent: usize) -> Option<Value> {
    let mut entries = Map::new();
    while let Some((_, text)) = rest.first().filter(|(at, text)| *at == indent && !text.starts_with("- ")) {
        let (key, value) = key_of(text)?;
        *rest = &rest[1..];
        let value = if value.is_empty() {
            // A list may begin under its key itself.
            match rest.first() {
                Some((at, next)) if *at > indent || *at == indent && next.starts_with("- ") => block(rest, indent)?,
                _ => Value::Null,
            }
        } else {
            scalar(value)?
        };
        if entries.insert(key.to_owned(), value).is_some() {
            return None;
        }
    }
    (!entries.is_empty()).then_some(Value::Object(entries))
}

/// The key and what stands behind it in its line.
fn key_of(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let is_plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    (is_plain && (value.is_empty() || value.starts_with(' '))).then_some((key, value.trim()))
}

fn scalar(text: &str) -> Option<Value> {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote).filter(|inner| !inner.contains([quote, '\\']))?;
            return Some(inner.into());
        }
    }
    // Forms of YAML that mean something else than what stands there.
    let is_plain =
        !text.starts_with(['[', '{', '&', '!', '|', '>', '%', '@', '`', '?', ',']) && !text.contains([':', '#']);
    // A pattern may begin with an asterisk only in quotes: bare, it is an alias.
    let value = match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        other => other.into(),
    };
    (is_plain && !text.starts_with('*')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_datasets_writes_is_read() {
        let readme = "---\nlicense: mit\nconfigs:\n- config_name: cola\n  data_files:\n  - split: train\n    path: cola/train-*\n  \
                      - split: test\n    path: cola/test-*\n  default: true\n- config_name: \"20231101.en\"\n  data_files:\n    train: 'en/*'\n    \
                      test:\n    - a.parquet\n    - \"**/b.parquet\"\ndataset_info:\n- config_name: cola\n---\n\n# Glue\n";
        let expected = json!({"configs": [
            {"config_name": "cola", "data_files": [{"split": "train", "path": "cola/train-*"}, {"split": "test", "path": "cola/test-*"}], "default": true},
            {"config_name": "20231101.en", "data_files": {"train": "en/*", "test": ["a.parquet", "**/b.parquet"]}},
        ]});
        assert_eq!(card_of(readme), Some(expected.clone()));
        // Lists may be indented, and comments stand between.
        let indented = "---\nconfigs: # all\n  - config_name: a\n    # the files\n    data_files: x.parquet\n---\n";
        assert_eq!(card_of(indented), Some(json!({"configs": [{"config_name": "a", "data_files": "x.parquet"}]})));
    }

    #[test]
    fn without_configs_there_are_none() {
        for readme in ["", "# Films\n", "---\nlicense: mit\n---\n", "---\n---\n"] {
            let card = card_of(readme).expect("a card");
            assert!(card["configs"].is_null(), "{readme:?}: {card}");
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_not_guessed() {
        for configs in [
            "configs: [{config_name: a}]\n",
            "configs:\n- {config_name: a}\n",
            "configs:\n- config_name: &a x\n",
            "configs:\n- config_name: a\n  data_files: *x\n",
            "configs:\n- config_name: a\n  data_files: |\n    x\n",
            "configs:\n- config_name: a\n   data_files: x\n",
            "configs:\n- config_name: a\n  config_name: b\n",
            "configs:\n- config_name: \"a\\n\"\n",
            "configs:\n  - a: x\n - b: y\n",
        ] {
            assert_eq!(card_of(&format!("---\n{configs}---\n")), None, "{configs}");
        }
    }
}
