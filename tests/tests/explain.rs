//! Integrated gradients, with every architecture: they add up to what the tokens change, and are the integral that they
//! say.

use std::path::Path;

use retune_models::HeadKind;
use retune_models::registry::ARCHITECTURES;
use retune_train::{Network, Sequence, attention, integrated_gradients};
use tch::{Device, Kind, Tensor};
use tests::golden::ModelDirectory;
use tests::{Reference, Result, zoo};

/// A golden model, and a sequence of twelve tokens of which the first and the last stay in the baseline.
fn case(architecture: &str) -> Result<(Network, Sequence)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo");
    let stem = format!("{architecture}.{}", zoo::head_name(HeadKind::SequenceClassification));
    let reference = Reference::open(&folder.join(format!("{stem}.safetensors")))?;
    let config = zoo::golden_config(&folder.join(format!("{stem}.json")))?;
    let directory = ModelDirectory::new(&config, &zoo::formula_weights(&reference)?)?;
    let (model, read) = zoo::load(directory.path(), HeadKind::SequenceClassification, &reference)?;
    let padding = read.values()["pad_token_id"].as_i64().unwrap_or(0);
    let input_ids: Vec<i64> = (0..12).map(|place| 4 + place * 5 % 37).collect();
    let baseline_ids = (0..12).map(|place| if place % 11 == 0 { input_ids[place] } else { padding }).collect();
    Ok((Network::Headed(model), Sequence { token_type_ids: vec![0; 12], input_ids, baseline_ids }))
}

#[test]
fn the_tokens_shares_add_up_to_what_they_change() -> Result<()> {
    for architecture in ARCHITECTURES.iter().filter(|one| one.heads.contains(&HeadKind::SequenceClassification)) {
        let (network, sequence) = case(architecture.model_type)?;
        for class in 0..3 {
            let found = integrated_gradients(&network, &sequence, class, 1000, Device::Cpu)?;
            let (sum, change) = (found.tokens.iter().sum::<f64>(), found.output - found.baseline);
            let name = architecture.model_type;
            assert!((sum - change).abs() <= 0.01 * change.abs() + 1e-6, "{name}, class {class}: {sum}, not {change}");
            assert!(found.tokens.iter().filter(|token| **token == 0.0).count() == 2, "{name}: {:?}", found.tokens);
            assert_eq!((found.tokens[0], found.tokens[11]), (0.0, 0.0), "{name}: what stays has no share");
        }
    }
    Ok(())
}

/// The integral by many rectangles, of central differences instead of gradients: one token's embedding moved as a whole.
#[test]
fn a_share_is_the_integral_along_the_way() -> Result<()> {
    let (network, sequence) = case("bert")?;
    let found = integrated_gradients(&network, &sequence, 1, 1000, Device::Cpu)?;
    let rows = |ids: &[i64]| network.word_embeddings().index_select(0, &Tensor::from_slice(ids)).detach();
    let (end, start) = (rows(&sequence.input_ids), rows(&sequence.baseline_ids));
    let way = &end - &start;
    let output = |embeddings: &Tensor| -> f64 {
        let input = retune_models::PackedInput {
            input_ids: Tensor::from_slice(&sequence.input_ids),
            token_type_ids: Tensor::from_slice(&sequence.token_type_ids),
            layout: retune_attention::SequenceLayout::from_lengths(&[12]),
            embedding_noise: None,
            sparse_embeddings: false,
            inputs_embeds: Some(embeddings.shallow_clone()),
        };
        network.forward(&input, None, retune_attention::Mode::Evaluate).double_value(&[0, 1])
    };
    assert!((output(&end) - found.output).abs() < 1e-6 && (output(&start) - found.baseline).abs() < 1e-6);
    const STEPS: i64 = 100;
    for token in [3, 7] {
        let only = way.zeros_like();
        only.get(token).copy_(&way.get(token));
        let width = 0.02;
        let share: f64 = (0..STEPS)
            .map(|step| {
                let here = &start + &way * ((step as f64 + 0.5) / STEPS as f64);
                (output(&(&here + &only * width)) - output(&(&here - &only * width))) / (2.0 * width)
            })
            .sum::<f64>()
            / STEPS as f64;
        let own = found.tokens[token as usize];
        // The nodes are as many as completeness to a hundredth asks for.
        assert!((share - own).abs() < 2e-2 * own.abs(), "token {token}: {own}, expected {share}");
    }
    Ok(())
}

#[test]
fn attention_of_each_layer_is_of_this_sequence_and_sums_to_one() -> Result<()> {
    let (network, sequence) = case("bert")?;
    let layers = attention(&network, &sequence, Device::Cpu);
    assert_eq!(layers.iter().map(Tensor::size).collect::<Vec<_>>(), vec![vec![4, 12, 12]; 2]);
    for weights in layers {
        let sums = weights.sum_dim_intlist(-1, false, Kind::Double);
        assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-6);
    }
    Ok(())
}
