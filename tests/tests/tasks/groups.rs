//! Choices and embeddings: examples of several texts.

use serde_json::{Value, json};
use tests::Result;

use crate::lessons::{multiple_choice, pairs, scored_pairs};
use crate::{HIDDEN, Work, assert_alike, total};

#[test]
fn multiple_choice_picks_one_of_the_choices() -> Result<()> {
    let work = Work::new(multiple_choice())?;
    work.leaves("BertForMultipleChoice", &["accuracy", "loss", "top_2_accuracy"], &[])?;
    let said = work.says_of_file("dev.jsonl", &[])?;
    for (object, row) in said.objects.iter().zip(&work.lesson.dev) {
        assert!((total(&object["probabilities"]) - 1.0).abs() < 1e-9, "{object}");
        let place: usize = object["predicted"].as_str().ok_or("a choice")?.parse()?;
        assert_eq!(object["choice"], row["endings"][place], "{object}");
        assert_eq!(object["confidence"], object["probabilities"][place.to_string()], "{object}");
    }
    let row = &work.lesson.dev[0];
    let texts = [&row["context"], &row["endings"][0], &row["endings"][1], &row["endings"][2]];
    let texts: Vec<&str> = texts.into_iter().filter_map(Value::as_str).collect();
    let given = work.says(&texts.chunks(1).collect::<Vec<_>>())?;
    assert_alike(&json!(given), &json!(said.objects[..1]), "a file and arguments", 1e-5);
    Ok(())
}

#[test]
fn choices_may_be_columns_and_the_right_one_a_letter_or_its_words() -> Result<()> {
    let listed = Work::new(multiple_choice())?;
    listed.trains("out", &[])?;
    let mut lesson = multiple_choice();
    for (place, row) in lesson.train.iter_mut().chain(&mut lesson.dev).enumerate() {
        let right = row["right"].as_u64().ok_or("a number")? as usize;
        for (choice, name) in ["a", "b", "c"].into_iter().enumerate() {
            row[name] = row["endings"][choice].take();
        }
        // The words of a choice stand for it where they are its alone.
        row["right"] = if place % 2 == 0 { json!(["A", "B", "C"][right]) } else { row[["a", "b", "c"][right]].clone() };
    }
    lesson.arguments = &["--text", "context", "--choices", "a", "b", "c", "--label", "right"];
    let columns = Work::new(lesson)?;
    columns.trains("out", &[])?;
    let losses = |work: &Work| -> Result<Vec<Value>> {
        Ok(work.records("out", "train")?.iter().map(|record| record["loss"].clone()).collect())
    };
    assert_eq!(losses(&listed)?, losses(&columns)?);
    Ok(())
}

/// Runs on pairs whose model must measure these.
fn embeds(work: &Work, scores: &[&str], more: &[&str]) -> Result<()> {
    work.leaves("BertModel", scores, more)?;
    for name in ["modules.json", "1_Pooling/config.json"] {
        assert!(work.path("out/model").join(name).exists(), "{name}");
    }
    Ok(())
}

#[test]
fn embeddings_of_pairs_are_vectors_of_the_hidden_size() -> Result<()> {
    let work = Work::new(pairs())?;
    embeds(&work, &["mrr", "recall_at_1", "recall_at_10"], &["--set", "task.pooling=mean"])?;
    let said = work.says_of_file("dev.jsonl", &[])?;
    for (object, row) in said.objects.iter().zip(&said.rows) {
        for name in ["embedding", "embedding_2"] {
            for one in [object, row] {
                let numbers = one[name].as_array().ok_or("a vector")?;
                assert!(numbers.len() == HIDDEN && numbers.iter().all(Value::is_number), "{one}");
            }
        }
        assert!(object["cosine"].as_f64().is_some_and(|cosine| cosine.abs() <= 1.0 + 1e-9), "{object}");
    }
    let anchors = work.says_of_file("dev.jsonl", &["--text", "anchor"])?;
    let texts: Vec<&str> = anchors.objects.iter().filter_map(|object| object["text"].as_str()).collect();
    let given = work.says(&texts.chunks(1).collect::<Vec<_>>())?;
    assert_alike(&json!(given), &json!(anchors.objects), "a file and arguments", 1e-5);
    for (alone, paired) in anchors.objects.iter().zip(&said.objects) {
        assert_alike(&alone["embedding"], &paired["embedding"], "a text alone and with its partner", 1e-5);
    }
    Ok(())
}

#[test]
fn embeddings_learn_from_triplets_by_either_loss() -> Result<()> {
    for loss in ["task.loss=triplet", "task.loss=multiple-negatives"] {
        let mut lesson = pairs();
        for row in lesson.train.iter_mut().chain(&mut lesson.dev) {
            row["negative"] = json!("a boring film");
        }
        lesson.arguments = &["--text", "anchor", "partner", "negative"];
        let work = Work::new(lesson)?;
        embeds(&work, &["triplet_accuracy", "mrr", "recall_at_1"], &["--set", loss])?;
        let said = work.says_of_file("dev.jsonl", &[])?;
        assert!(said.objects.iter().all(|object| object["embedding_3"].as_array().map(Vec::len) == Some(HIDDEN)));
    }
    Ok(())
}

#[test]
fn embeddings_learn_numbers_as_cosines() -> Result<()> {
    let work = Work::new(scored_pairs())?;
    embeds(
        &work,
        &["spearman", "pearson", "squared_error"],
        &["--set", "train.max_steps=60", "--set", "train.learning_rate=1e-3"],
    )?;
    let last = work.records("out", "final")?.remove(0);
    assert!(last["scores"]["pearson"].as_f64() > Some(0.9), "they are easy to learn: {last}");
    Ok(())
}
