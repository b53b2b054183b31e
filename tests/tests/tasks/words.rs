//! Tags, answers and masks: what stands in a text, and where.

use retune_attention::Mode;
use retune_data::{Text, TextTokenizer, Tokenized, collate};
use retune_models::{HeadKind, HeadPolicy, HeadSpec, LoadOptions, ModelConfig};
use retune_train::{Network, OutputLayer, to_input};
use serde_json::{Value, json};
use tch::{Device, Kind};
use tests::Result;

use crate::lessons::{masked_lm, question_answering, token_classification};
use crate::{Work, assert_alike, slice};

const LEARN: [&str; 6] =
    ["--set", "train.max_steps=60", "--set", "train.learning_rate=5e-3", "--set", "train.log_every=10"];

#[test]
fn token_classification_finds_entities_where_they_stand() -> Result<()> {
    let work = Work::new(token_classification())?;
    let scores = ["entity_f1", "entity_precision", "entity_recall", "entity_f1_strict", "accuracy", "f1_macro", "loss"];
    work.leaves("BertForTokenClassification", &scores, &LEARN)?;
    let config = work.json("model/config.json")?;
    assert_eq!(config["id2label"], json!({"0": "B-LOC", "1": "B-PER", "2": "I-PER", "3": "O"}));
    let last = work.records("out", "final")?.remove(0);
    assert_eq!(last["scores"]["entity_f1"], 1.0, "it is easy to learn: {last}");

    let said = work.says_of_file("dev.jsonl", &[])?;
    for (object, row) in said.objects.iter().zip(&work.lesson.dev) {
        assert_eq!((&object["words"], &object["tags"]), (&row["words"], &row["tags"]));
    }
    let texts = ["Zoë Zoë  lives in Paris.", "It rains, in Rome", "Bob Bob lives in London"];
    for (object, text) in work.says(&texts.map(|text| [text]).each_ref().map(|text| &text[..]))?.iter().zip(texts) {
        let entities = object["entities"].as_array().ok_or("entities")?;
        assert!(!entities.is_empty(), "{object}");
        for entity in entities {
            let surface = slice(text, &entity["start"], &entity["end"]);
            assert_eq!(entity["text"].as_str(), surface.as_deref(), "{object}");
            assert!(entity["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)), "{entity}");
        }
        assert_eq!(object["words"].as_array().map(Vec::len), object["tags"].as_array().map(Vec::len), "{object}");
    }
    let zoe = &work.says(&[&[texts[0]]])?[0]["entities"];
    assert_eq!((&zoe[0]["label"], &zoe[0]["text"], &zoe[0]["end"]), (&json!("PER"), &json!("Zoë Zoë"), &json!(7)));
    assert_eq!((&zoe[1]["label"], &zoe[1]["text"]), (&json!("LOC"), &json!("Paris")));
    Ok(())
}

#[test]
fn running_text_in_a_file_is_split_into_words() -> Result<()> {
    let work = Work::new(token_classification())?;
    work.trains("out", &[])?;
    let texts = ["Zoë Zoë lives in Paris.", "It rains, in Rome"];
    work.write("texts.jsonl", &texts.map(|text| json!({"said": text})))?;
    let said = work.says_of_file("texts.jsonl", &["--text", "said"])?;
    let given = work.says(&[&[texts[0]], &[texts[1]]])?;
    assert_alike(&json!(said.objects), &json!(given), "a file and arguments", 1e-5);
    Ok(())
}

#[test]
fn tags_that_mark_no_spans_are_measured_as_tags() -> Result<()> {
    let mut lesson = token_classification();
    for row in lesson.train.iter_mut().chain(&mut lesson.dev) {
        let kind = |tag: &Value| if tag == "O" { "OTHER" } else { "NAME" };
        row["tags"] = row["tags"].as_array().into_iter().flatten().map(kind).collect();
    }
    let work = Work::new(lesson)?;
    work.leaves("BertForTokenClassification", &["accuracy", "f1_macro", "loss"], &[])?;
    let last = work.records("out", "final")?.remove(0);
    assert!(last["scores"]["entity_f1"].is_null(), "{last}");
    assert!(work.says(&[&["Anna lives"]])?[0]["entities"].is_null());
    Ok(())
}

/// The answers of objects stand where they say, in these contexts.
#[track_caller]
fn answers_stand_in(contexts: &[&str], objects: &[Value]) {
    assert_eq!(contexts.len(), objects.len());
    for (object, context) in objects.iter().zip(contexts) {
        let answers = object["n_best"].as_array().into_iter().flatten().chain([object]);
        for answer in answers.filter(|answer| !answer["start"].is_null()) {
            let text = answer.get("answer").unwrap_or(&answer["text"]);
            let surface = slice(context, &answer["start"], &answer["end"]);
            assert_eq!(text.as_str(), surface.as_deref(), "{answer} in {context}");
        }
        assert!(object["probability"].as_f64().is_some_and(|one| (0.0..=1.0).contains(&one)), "{object}");
    }
}

fn contexts(work: &Work) -> Vec<&str> {
    work.lesson.dev.iter().filter_map(|row| row["context"].as_str()).collect()
}

#[test]
fn question_answering_finds_answers_where_they_stand() -> Result<()> {
    let work = Work::new(question_answering(false))?;
    work.leaves("BertForQuestionAnswering", &["f1", "exact_match", "loss"], &LEARN)?;
    let said = work.says_of_file("dev.jsonl", &[])?;
    answers_stand_in(&contexts(&work), &said.objects);
    assert!(said.objects.iter().all(|object| object["start"].is_number()), "each question has an answer here");
    for (object, row) in said.objects.iter().zip(&said.rows) {
        assert_eq!((&row["start"], &row["end"]), (&object["start"], &object["end"]), "{row}");
    }
    let (question, context) = ("Where does Zoë live ?", "Zoë : the plot . Zoë lives in Rome and works in Paris .");
    answers_stand_in(&[context], &work.says(&[&[question, context]])?);
    Ok(())
}

#[test]
fn questions_may_have_no_answer() -> Result<()> {
    let work = Work::new(question_answering(true))?;
    let scores = ["f1", "exact_match", "f1_answerable", "f1_unanswerable", "best_f1", "best_f1_threshold", "loss"];
    work.leaves("BertForQuestionAnswering", &scores, &["--set", "evaluation.tune_thresholds=true"])?;
    let settings = work.json("model/config.json")?["retune"].take();
    assert_eq!(settings["unanswerable"], true);
    let threshold = settings["null_threshold"].as_f64().ok_or("a threshold")?;
    let said = work.says_of_file("dev.jsonl", &[])?;
    answers_stand_in(&contexts(&work), &said.objects);
    for object in &said.objects {
        let over = object["null_score_diff"].as_f64().ok_or("a difference")?;
        assert_eq!(object["answer"] == "", over > threshold, "{object} at {threshold}");
    }
    Ok(())
}

#[test]
fn masked_lm_fills_masks() -> Result<()> {
    let work = Work::new(masked_lm())?;
    work.leaves("BertForMaskedLM", &["loss", "perplexity", "accuracy", "masked_tokens"], &[])?;
    let texts = ["Anna lives in [MASK] .", "[MASK] lives [MASK] Rome", "it rains"];
    work.write("fill.jsonl", &texts.map(|text| json!({"text": text})))?;
    let said = work.says_of_file("fill.jsonl", &[])?;
    for (object, masks) in said.objects.iter().zip([1, 2, 0]) {
        let filled = object["masks"].as_array().ok_or("masks")?;
        assert_eq!(filled.len(), masks, "{object}");
        for mask in filled {
            let words: Vec<&str> =
                mask.as_array().into_iter().flatten().filter_map(|one| one["token"].as_str()).collect();
            let numbers: Vec<f64> = (0..words.len()).filter_map(|place| mask[place]["probability"].as_f64()).collect();
            assert!(words.len() == 5 && words.iter().all(|word| !word.is_empty()), "{mask}");
            assert!(numbers.is_sorted_by(|a, b| a >= b) && numbers.iter().sum::<f64>() <= 1.0 + 1e-6, "{mask}");
        }
    }
    let given = work.says(&[&[texts[0]], &[texts[1]], &[texts[2]]])?;
    assert_alike(&json!(given), &json!(said.objects), "a file and arguments", 1e-5);
    Ok(())
}

#[test]
fn masked_lm_learns_line_by_line_and_by_whole_words() -> Result<()> {
    let work = Work::new(masked_lm())?;
    work.trains(
        "out",
        &[&LEARN[..], &["--set", "task.line_by_line=true", "--set", "task.whole_word_masking=true"]].concat(),
    )?;
    let losses: Vec<f64> = work.records("out", "train")?.iter().filter_map(|record| record["loss"].as_f64()).collect();
    assert!(losses.last() < losses.first(), "{losses:?}");
    let last = work.records("out", "final")?.remove(0);
    assert_eq!(last["scores"]["examples"], work.lesson.dev.len());
    Ok(())
}

#[test]
fn inspect_asks_a_masked_language_model_how_familiar_texts_are() -> Result<()> {
    let work = Work::new(masked_lm())?;
    work.trains("out", &["--set", "model.offline=true"])?;
    let directory = work.path("out").join("model");
    let mut command = work.job.command(&["inspect", "--task", "masked-lm", "--text", "text", "--train", "train.jsonl"]);
    command
        .args(["--device", "cpu", "--set", "data.max_length=24", "--json", "found.json"])
        .arg("--model")
        .arg(&directory);
    let output = command.output()?;
    assert!(output.status.success(), "{}", tests::job::said(&output));
    let found: Value = serde_json::from_str(&std::fs::read_to_string(work.path("found.json"))?)?;
    let findings = found["findings"].as_array().ok_or("findings")?;
    let familiar = findings.iter().find(|finding| finding["kind"] == "unfamiliar").ok_or("a finding")?;

    // The plain twin: one text and one mask at a time.
    let config = ModelConfig::read(&directory)?;
    let (mask, vocabulary) = (4, config.values()["vocab_size"].as_u64().ok_or("a size")? as usize);
    let head = OutputLayer::Head(HeadSpec::new(HeadKind::MaskedLanguageModel, vocabulary));
    let options = LoadOptions::new(HeadPolicy::Require, Device::Cpu);
    let (network, _) = Network::load(&directory, &config, head, &options, 24)?;
    let tokenizer = TextTokenizer::from_directory(&directory, 24)?;
    let (mut sum, mut tokens) = (0.0, 0);
    for row in &work.lesson.train {
        let text = Text::single(row["text"].as_str().ok_or("a text")?);
        let (mut ids, mut types) = (Vec::new(), Vec::new());
        tokenizer.encode(&[text])?.read(0, &mut ids, &mut types)?;
        for place in 1..ids.len() - 1 {
            let masked = ids.iter().enumerate().map(|(at, id)| (if at == place { mask } else { *id }, 0));
            let packed = collate(&Tokenized::from_rows([masked.collect::<Vec<_>>()]), &[0])?;
            let logits = network.forward(&to_input(&packed, Device::Cpu)?, None, Mode::Evaluate); // [t, v]
            sum += logits.log_softmax(-1, Kind::Double).double_value(&[place as i64, i64::from(ids[place])]);
            tokens += 1;
        }
    }
    let numbers = &familiar["numbers"];
    assert_eq!(numbers["tokens"].as_f64(), Some(f64::from(tokens)));
    let (own, expected) = (numbers["pseudo-perplexity"].as_f64().ok_or("a number")?, (-sum / f64::from(tokens)).exp());
    assert!((own - expected).abs() < 1e-4 * expected, "{own} instead of {expected}");
    Ok(())
}
