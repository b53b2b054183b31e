//! A small lesson for each task: rows to learn from, rows to measure on, and the arguments that name their columns.

use serde_json::{Value, json};

/// What a task learns here.
pub struct Lesson {
    /// The task's name.
    pub kind: &'static str,
    /// Rows to learn from.
    pub train: Vec<Value>,
    /// Rows to measure on.
    pub dev: Vec<Value>,
    /// The columns.
    pub arguments: &'static [&'static str],
}

impl Lesson {
    fn new(kind: &'static str, arguments: &'static [&'static str], row: impl Fn(usize) -> Value) -> Self {
        Self { kind, train: (0..24).map(&row).collect(), dev: (24..31).map(&row).collect(), arguments }
    }
}

/// The words that the tokenizer knows.
const WORDS: [&str; 34] = [
    "good", "bad", "film", "very", "a", "the", "was", "and", "plot", "music", "story", "boring", "moving", "anna",
    "bob", "carol", "paris", "london", "rome", "lives", "works", "in", "at", "who", "where", "does", "live", "?", ".",
    ",", "it", "rains", "zoe", "i",
];
const PEOPLE: [&str; 4] = ["Anna", "Bob", "Carol", "Zoë"];
const PLACES: [&str; 3] = ["Paris", "London", "Rome"];

/// A word-piece tokenizer, with a mask or without.
pub fn tokenizer(masks: bool) -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].into_iter().chain(masks.then_some("[MASK]"));
    let vocabulary: serde_json::Map<String, Value> =
        special.chain(WORDS).enumerate().map(|(id, word)| (word.to_owned(), json!(id))).collect();
    let added = json!([{
        "id": 4, "content": "[MASK]", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false,
        "special": true
    }]);
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": if masks { added } else { json!([]) },
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary
        }
    })
    .to_string()
}

fn very(row: usize) -> String {
    "very ".repeat(row % 4)
}

pub fn classification() -> Lesson {
    Lesson::new("classification", &["--text", "text", "--label", "label"], |row| {
        let (word, label) = if row.is_multiple_of(3) { ("good", "yes") } else { ("bad", "no") };
        json!({"text": format!("the film was {}{word} .", very(row)), "label": label})
    })
}

pub fn multi_label() -> Lesson {
    Lesson::new("multi-label", &["--text", "text", "--label", "labels"], |row| {
        let labels: Vec<&str> = ["music", "plot", "story"]
            .into_iter()
            .enumerate()
            .filter(|(place, _)| (row >> place) & 1 == 1)
            .map(|(_, label)| label)
            .collect();
        json!({"text": format!("a {}good film , {} .", very(row), labels.join(" and ")), "labels": labels})
    })
}

pub fn regression() -> Lesson {
    Lesson::new(
        "regression",
        &["--text", "text", "--label", "score"],
        |row| json!({"text": format!("it was {}moving", very(row)), "score": (row % 4) as f64 / 4.0}),
    )
}

pub fn token_classification() -> Lesson {
    Lesson::new("token-classification", &["--text", "words", "--label", "tags"], |row| {
        let (person, place) = (PEOPLE[row % 4], PLACES[row % 3]);
        if row % 5 == 4 {
            return json!({"words": ["It", "rains", "in", place], "tags": ["O", "O", "O", "B-LOC"]});
        }
        json!({"words": [person, person, "lives", "in", place], "tags": ["B-PER", "I-PER", "O", "O", "B-LOC"]})
    })
}

/// Of every third question, where there are `unanswerable` ones, the context knows nothing.
pub fn question_answering(unanswerable: bool) -> Lesson {
    Lesson::new("question-answering", &["--set", "task.stride=4"], |row| {
        let (person, place, other) = (PEOPLE[row % 4], PLACES[row % 3], PLACES[(row + 1) % 3]);
        // The longer contexts are read in several windows.
        let rain = "It rains . ".repeat(if row % 4 == 3 { 6 } else { 0 });
        let before = format!("{rain}The plot : {person} lives in ");
        let context = format!("{before}{place} and works in {other} .");
        let answers = match unanswerable && row % 3 == 1 {
            true => json!({"text": [], "answer_start": []}),
            false => json!({"text": [place], "answer_start": [before.chars().count()]}),
        };
        json!({"question": format!("Where does {person} live ?"), "context": context, "answers": answers})
    })
}

pub fn masked_lm() -> Lesson {
    Lesson::new(
        "masked-lm",
        &["--text", "text"],
        |row| json!({"text": format!("{} lives in {} and the film was {}good .", PEOPLE[row % 4], PLACES[row % 3], very(row))}),
    )
}

pub fn multiple_choice() -> Lesson {
    Lesson::new("multiple-choice", &["--text", "context", "--choices", "endings", "--label", "right"], |row| {
        let (person, right) = (PEOPLE[row % 4], row % 3);
        let ending =
            |place: usize| if place == right { format!("the film was {}good", very(row)) } else { "it rains".into() };
        json!({"context": format!("{person} works in Paris"), "endings": [ending(0), ending(1), ending(2)], "right": right})
    })
}

/// Pairs that mean the same.
pub fn pairs() -> Lesson {
    Lesson::new("embeddings", &["--text", "anchor", "partner"], |row| {
        let (person, place) = (PEOPLE[row % 4], PLACES[row % 3]);
        json!({"anchor": format!("{person} lives in {place}"), "partner": format!("in {place} lives {person} {}", very(row))})
    })
}

/// Pairs with a number that says how near they are.
pub fn scored_pairs() -> Lesson {
    Lesson::new("embeddings", &["--text", "first", "second", "--label", "score"], |row| {
        let (person, place) = (PEOPLE[row % 4], PLACES[row % 3]);
        let second =
            if row.is_multiple_of(2) { format!("in {place} lives {person}") } else { "a boring film".to_owned() };
        json!({"first": format!("{person} lives in {place}"), "second": second, "score": ((row + 1) % 2) as f64 * 0.8})
    })
}

/// One of each task.
pub fn all() -> [Lesson; 8] {
    [
        classification(),
        multi_label(),
        regression(),
        token_classification(),
        question_answering(false),
        masked_lm(),
        multiple_choice(),
        scored_pairs(),
    ]
}
