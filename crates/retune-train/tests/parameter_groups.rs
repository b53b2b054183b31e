//! Which parameter gets which learning rate and which weight decay.

#![allow(clippy::unwrap_used)] // Clippy excuses test functions, not their helpers.

use retune_train::optimizers::{GroupSettings, Optimizer, ParameterGroup, PatternSettings, Sgd, StepControl, groups};
use tch::Tensor;

fn named(names: &[&str]) -> Vec<(String, Tensor)> {
    names.iter().map(|name| ((*name).to_owned(), Tensor::from_slice(&[1.0]))).collect()
}

fn grouped(names: &[&str], settings: &GroupSettings) -> Vec<ParameterGroup> {
    let parameters = named(names);
    groups(parameters.iter().map(|(name, tensor)| (name.as_str(), tensor)), settings).unwrap()
}

/// The rate and the decay of each name, in the given order.
fn numbers(names: &[&str], settings: &GroupSettings) -> Vec<(f64, f64)> {
    let groups = grouped(names, settings);
    let of = |place: usize| {
        let group = groups.iter().find(|group| group.members.contains(&place)).unwrap();
        (group.rate, group.weight_decay)
    };
    (0..names.len()).map(of).collect()
}

fn error(names: &[&str], settings: &GroupSettings) -> String {
    let parameters = named(names);
    groups(parameters.iter().map(|(name, tensor)| (name.as_str(), tensor)), settings).unwrap_err().to_string()
}

fn pattern(pattern: &str, rate: Option<f64>, weight_decay: Option<f64>) -> PatternSettings {
    PatternSettings { pattern: pattern.to_owned(), rate, weight_decay }
}

const BERT: [&str; 9] = [
    "bert.embeddings.word_embeddings.weight",
    "bert.embeddings.LayerNorm.weight",
    "bert.encoder.layer.0.attention.self.query.weight",
    "bert.encoder.layer.0.attention.self.query.bias",
    "bert.encoder.layer.1.output.LayerNorm.weight",
    "bert.encoder.layer.1.output.dense.weight",
    "bert.pooler.dense.weight",
    "classifier.weight",
    "classifier.bias",
];

#[test]
fn there_is_one_group_for_each_rate_and_decay() {
    let groups = grouped(&BERT, &GroupSettings { weight_decay: 0.1, ..GroupSettings::default() });
    let members: Vec<_> = groups.iter().map(|group| (group.weight_decay, group.members.as_slice())).collect();
    assert_eq!(members, [(0.1, &[0, 2, 5, 6, 7][..]), (0.0, &[1, 3, 4, 8][..])]);
    assert_eq!(groups[1].names[1], BERT[3]);
    assert!(groups.iter().all(|group| group.rate == 1.0 && group.parameters.len() == group.members.len()));
    assert_eq!(grouped(&BERT, &GroupSettings::default()).len(), 1);
}

#[test]
fn a_layers_rate_is_a_factor_of_the_one_above() {
    let rates = |names: &[&str]| -> Vec<f64> {
        let settings = GroupSettings { layer_decay: Some(0.5), ..GroupSettings::default() };
        numbers(names, &settings).into_iter().map(|(rate, _)| rate).collect()
    };
    assert_eq!(rates(&BERT), [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1.0, 1.0, 1.0]);
    for (names, expected) in [
        (
            [
                "distilbert.embeddings.LayerNorm.weight",
                "distilbert.transformer.layer.0.ffn.lin1.weight",
                "pre_classifier.bias",
            ],
            [0.25, 0.5, 1.0],
        ),
        (
            ["model.embeddings.tok_embeddings.weight", "model.layers.0.mlp.Wi.weight", "model.final_norm.weight"],
            [0.25, 0.5, 1.0],
        ),
        (["emb_ln.weight", "encoder.layers.0.norm1.weight", "classifier.weight"], [0.25, 0.5, 1.0]),
        (
            [
                "albert.encoder.embedding_hidden_mapping_in.weight",
                "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight",
                "albert.pooler.weight",
            ],
            [0.25, 0.5, 1.0],
        ),
        (
            [
                "mpnet.encoder.relative_attention_bias.weight",
                "mpnet.encoder.layer.0.output.dense.weight",
                "lm_head.dense.weight",
            ],
            [0.25, 0.5, 1.0],
        ),
        (
            [
                "deberta.encoder.rel_embeddings.weight",
                "deberta.encoder.layer.0.output.dense.weight",
                "classifier.weight",
            ],
            [0.25, 0.5, 1.0],
        ),
        (
            ["electra.embeddings_project.weight", "electra.encoder.layer.0.output.dense.bias", "qa_outputs.bias"],
            [0.25, 0.5, 1.0],
        ),
    ] {
        assert_eq!(rates(&names), expected, "{names:?}");
    }
}

#[test]
fn twelve_layers_are_beits() {
    // lr_scale of BEiT's 12 blocks and a decay of 0.75: 0.75^(13 - id), ids 0 (embeddings), 1..=12 (blocks), 13 (head).
    let blocks: Vec<String> = (0..12).map(|layer| format!("bert.encoder.layer.{layer}.output.dense.weight")).collect();
    let names: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let settings = GroupSettings { layer_decay: Some(0.75), ..GroupSettings::default() };
    for (layer, (rate, _)) in numbers(&names, &settings).into_iter().enumerate() {
        assert!((rate - 0.75f64.powi(12 - layer as i32)).abs() < 1e-15, "layer {layer}: {rate}");
    }
}

#[test]
fn patterns_and_lora_plus_have_rates_of_their_own() {
    let names = ["a.lora_A.weight", "a.lora_B.weight", "embed.weight", "classifier.weight", "classifier.bias"];
    let settings = GroupSettings {
        weight_decay: 0.1,
        lora_plus_ratio: Some(16.0),
        patterns: vec![
            pattern("classifier.*", Some(10.0), None),
            pattern("*.bias", None, Some(0.3)),
            pattern("embed*", Some(0.0), Some(0.0)),
        ],
        ..GroupSettings::default()
    };
    assert_eq!(numbers(&names, &settings), [(1.0, 0.1), (16.0, 0.1), (0.0, 0.0), (10.0, 0.1), (10.0, 0.3)]);
}

#[test]
fn each_group_steps_at_its_own_rate() {
    let parameters = named(&["a.weight", "b.weight"]);
    let settings = GroupSettings { patterns: vec![pattern("b.*", Some(0.25), None)], ..GroupSettings::default() };
    let groups = groups(parameters.iter().map(|(name, tensor)| (name.as_str(), tensor)), &settings).unwrap();
    let mut optimizer = Optimizer::new(Box::new(Sgd::default()), groups);
    optimizer.step(&[Tensor::from_slice(&[1.0]), Tensor::from_slice(&[2.0])], StepControl::at(0.5)).unwrap();
    let values: Vec<f64> = parameters.iter().map(|(_, tensor)| tensor.double_value(&[0])).collect();
    assert_eq!(values, [0.5, 0.75]);
}

#[test]
fn what_concerns_nothing_is_an_error() {
    let none = GroupSettings::default;
    let names = ["a.weight", "b.weight", "c.weight", "d.weight"];
    for (settings, expected) in [
        (
            GroupSettings { patterns: vec![pattern("x.*", None, None)], ..none() },
            "no parameter is named 'x.*'; there are a.weight, b.weight, c.weight, …",
        ),
        (
            GroupSettings { patterns: vec![pattern("a.*", Some(-1.0), None)], ..none() },
            "the rate of 'a.*' is -1, but must be 0 or more",
        ),
        (GroupSettings { weight_decay: f64::NAN, ..none() }, "the weight decay is NaN, but must be 0 or more"),
        (
            GroupSettings { layer_decay: Some(1.5), ..none() },
            "the layer-wise decay of the learning rate is 1.5, but must be above 0 and at most 1",
        ),
        (
            GroupSettings { layer_decay: Some(0.5), ..none() },
            "there is a layer-wise decay of the learning rate, but no parameter's name holds the number of a layer",
        ),
        (
            GroupSettings { lora_plus_ratio: Some(16.0), ..none() },
            "there is a rate for LoRA's B matrices (LoRA+), but the model has no parameter with lora_B in its name",
        ),
        (GroupSettings { lora_plus_ratio: Some(0.0), ..none() }, "LoRA+'s ratio is 0, but must be above 0"),
    ] {
        assert_eq!(error(&names, &settings), expected);
    }
}
