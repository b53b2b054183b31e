//! Mistakes that only some tasks can see: each is refused with its place and how to mend it.

use std::fs;

use serde_json::json;
use tests::Result;

use crate::Work;
use crate::lessons::{
    self, Lesson, classification, masked_lm, multi_label, multiple_choice, pairs, question_answering, regression,
    token_classification,
};

/// Fails where a message lacks one of these words.
#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "the message lacks '{word}':\n{message}");
    }
}

/// Spoils a row of a lesson's training data, and expects the message to name its line and these words.
#[track_caller]
fn refuses(mut lesson: Lesson, key: &str, value: serde_json::Value, words: &[&str]) -> Result<()> {
    lesson.train[2][key] = value;
    let work = Work::new(lesson)?;
    assert_says(&work.refused(&[]), &[&["train.jsonl:3", key], words].concat());
    Ok(())
}

#[test]
fn a_label_that_is_no_number() -> Result<()> {
    refuses(regression(), "score", json!("much"), &["much", "number"])
}

#[test]
fn fewer_tags_than_words() -> Result<()> {
    let words = ["2 tags for 5 words", "a tag for each word is wanted"];
    refuses(token_classification(), "tags", json!(["O", "B-PER"]), &words)
}

#[test]
fn a_choice_that_is_not_there_and_too_few_choices() -> Result<()> {
    let words = ["'3'", "its number from 0, its letter from A, or its words"];
    refuses(multiple_choice(), "right", json!(3), &words)?;
    let words = ["2 choice(s)", "as many choices as in the first row"];
    refuses(multiple_choice(), "endings", json!(["it rains", "it was good"]), &words)
}

#[test]
fn losses_and_measures_of_other_tasks() -> Result<()> {
    let work = Work::new(classification())?;
    let message = work.refused(&["--set", "task.loss=huber", "--set", "evaluation.metric=pearson"]);
    assert_says(
        &message,
        &["'task.loss'", "cross-entropy", "focal", "'evaluation.metric'", "f1_macro", "classification"],
    );
    assert_says(&message, &["huber", "pearson"]);
    Ok(())
}

#[test]
fn weights_of_no_class() -> Result<()> {
    for (lesson, key) in [
        (classification(), "task.class_weights"),
        (token_classification(), "task.class_weights"),
        (multi_label(), "task.positive_weights"),
    ] {
        let known = if key == "task.positive_weights" {
            "music"
        } else if lesson.kind == "classification" {
            "yes"
        } else {
            "B-PER"
        };
        let work = Work::new(lesson)?;
        assert_says(&work.refused(&["--set", &format!("{key}=maybe=2")]), &[key, "maybe", known]);
    }
    Ok(())
}

#[test]
fn losses_that_want_other_columns() -> Result<()> {
    let work = Work::new(pairs())?;
    assert_says(&work.refused(&["--set", "task.loss=triplet"]), &["triplet", "three columns", "data.text"]);
    assert_says(&work.refused(&["--set", "task.loss=cosine"]), &["cosine", "two columns", "data.label"]);
    let message = work.refused(&["--set", "train.micro_batch_size=2"]);
    assert_says(&message, &["train.micro_batch_size", "in-batch negatives", "leave them out"]);
    Ok(())
}

#[test]
fn windows_that_are_too_short_for_what_they_share() -> Result<()> {
    let work = Work::new(question_answering(false))?;
    let message = work.refused(&["--set", "task.stride=20"]);
    assert_says(&message, &["question", "24 tokens", "share 20", "raise", "stride"]);
    Ok(())
}

#[test]
fn a_tokenizer_without_a_mask() -> Result<()> {
    let work = Work::new(masked_lm())?;
    fs::write(work.job.model().join("tokenizer.json"), lessons::tokenizer(false))?;
    assert_says(&work.refused(&[]), &["no mask token", "mask_token", "tokenizer_config.json"]);
    Ok(())
}

#[test]
fn a_label_that_is_not_among_the_names() -> Result<()> {
    let work = Work::new(multi_label())?;
    work.job.write("names.txt", "music\nplot\n")?;
    let message = work.refused(&["--set", "data.label_names=names.txt"]);
    let first =
        work.lesson.train.iter().position(|row| row["labels"].to_string().contains("story")).ok_or("a story")?;
    assert_says(&message, &[&format!("train.jsonl:{}", first + 1), "labels", "story", "music", "plot"]);
    Ok(())
}

#[test]
fn data_in_which_nothing_is_asked() -> Result<()> {
    let mut lesson = multi_label();
    lesson.train.iter_mut().for_each(|row| row["labels"] = json!([]));
    assert_says(&Work::new(lesson)?.refused(&[]), &["train.jsonl", "no row has a label", "'labels'", "data.label"]);

    let mut lesson = token_classification();
    lesson.train.iter_mut().for_each(|row| (row["words"], row["tags"]) = (json!([]), json!([])));
    assert_says(&Work::new(lesson)?.refused(&[]), &["train.jsonl", "no word has a tag", "'tags'"]);

    let mut lesson = masked_lm();
    lesson.dev.truncate(1);
    // Steps in which nothing is masked pass; a measure of nothing does not.
    let few = ["--set", "task.mask_probability=0.000001"];
    assert_says(&Work::new(lesson)?.refused(&few), &["dev.jsonl", "none was masked", "0.000001", "data.validation"]);
    Ok(())
}

#[test]
fn r_drop_of_vectors() -> Result<()> {
    let work = Work::new(pairs())?;
    let message = work.refused(&["--set", "regularization.r_drop=1.0"]);
    assert_says(&message, &["regularization.r_drop", "embeddings", "leave it out"]);
    Ok(())
}
