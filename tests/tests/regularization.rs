//! What changes the forward pass in training alone, with every architecture.

use std::path::Path;

use retune_attention::{Mode, SequenceLayout};
use retune_models::parameter_names::{is_of_pooler, layer_of};
use retune_models::registry::ARCHITECTURES;
use retune_models::{HeadKind, Model, ModelError, PackedInput, Trace};
use tch::{Device, Kind, Tensor};
use tests::golden::ModelDirectory;
use tests::{Reference, Result, zoo};

/// The golden classifier of an architecture.
fn classifier(architecture: &str) -> Result<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/zoo");
    let stem = format!("{architecture}.sequence_classification");
    let reference = Reference::open(&folder.join(format!("{stem}.safetensors")))?;
    let config = zoo::golden_config(&folder.join(format!("{stem}.json")))?;
    let directory = ModelDirectory::new(&config, &zoo::formula_weights(&reference)?)?;
    Ok(zoo::load(directory.path(), HeadKind::SequenceClassification, &reference)?.0)
}

/// The architectures with their golden classifiers.
fn classifiers() -> impl Iterator<Item = Result<(&'static str, Model)>> {
    ARCHITECTURES.iter().map(|one| Ok((one.model_type, classifier(one.model_type)?)))
}

/// Sequences of 3, 1 and 6 tokens.
fn input(input_ids: Tensor, embedding_noise: Option<f64>) -> PackedInput {
    let token_type_ids = input_ids.zeros_like();
    PackedInput {
        input_ids,
        token_type_ids,
        layout: SequenceLayout::from_lengths(&[3, 1, 6]),
        embedding_noise,
        sparse_embeddings: false,
        inputs_embeds: None,
    }
}

/// Ids of ten tokens.
fn ids() -> Tensor {
    (Tensor::arange(10, (Kind::Int64, Device::Cpu)) * 3).remainder(11) + 4
}

fn hidden_states(model: &Model, input: &PackedInput, mode: Mode) -> Vec<Tensor> {
    tch::no_grad(|| model.forward_traced(input, mode, Trace::HiddenStates).hidden_states)
}

/// Whether all hidden states are equal to the bit.
fn same(one: &[Tensor], other: &[Tensor]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.equal(other))
}

#[test]
fn embedding_noise_is_off_in_evaluation_and_nothing_where_its_size_is_zero() -> Result<()> {
    let _generator = tests::generator();
    for one in classifiers() {
        let (name, model) = one?;
        let plain = hidden_states(&model, &input(ids(), None), Mode::Train);
        for (alpha, mode, expected) in
            [(0.0, Mode::Train, true), (5.0, Mode::Evaluate, true), (5.0, Mode::Train, false)]
        {
            let states = hidden_states(&model, &input(ids(), Some(alpha)), mode);
            assert_eq!(same(&states, &plain), expected, "{name}: {alpha} in {mode:?}");
        }
    }
    Ok(())
}

/// A model whose table of words holds, for each token of the batch, its row with the noise, computes without noise what
/// the model itself computes with it.
#[test]
fn embedding_noise_is_that_of_the_word_embeddings_by_its_formula() -> Result<()> {
    let _generator = tests::generator();
    const ALPHA: f64 = 5.0;
    for one in classifiers() {
        let (name, model) = one?;
        retune_torch::random::seed(17);
        let noisy = hidden_states(&model, &input(ids(), Some(ALPHA)), Mode::Train);

        let is_table = |name: &str| name.ends_with("word_embeddings.weight") || name.ends_with("tok_embeddings.weight");
        let table = model.parameters().iter().find(|(name, _)| is_table(name)).ok_or("no word embeddings")?.1;
        let size = table.size()[1];
        retune_torch::random::seed(17);
        let noise = Tensor::empty([10, size], (Kind::Float, Device::Cpu)).uniform_(-1.0, 1.0); // [t, e]
        let lengths = [3, 3, 3, 1, 6, 6, 6, 6, 6, 6].map(|length: i64| ALPHA / ((length * size) as f64).sqrt());
        let noise = noise * Tensor::from_slice(&lengths).to_kind(Kind::Float).unsqueeze(1);
        tch::no_grad(|| table.narrow(0, 0, 10).copy_(&(table.index_select(0, &ids()) + noise)));
        let own = Tensor::arange(10, (Kind::Int64, Device::Cpu));
        let twin = hidden_states(&model, &input(own, None), Mode::Train);
        assert!(same(&noisy, &twin), "{name}");
    }
    Ok(())
}

/// Name and value of every parameter.
fn values(model: &Model) -> Vec<(String, Tensor)> {
    model.parameters().iter().map(|(name, tensor)| (name.to_owned(), tensor.detach().copy())).collect()
}

#[test]
fn top_layers_and_the_pooler_begin_as_new_ones_and_nothing_else_changes() -> Result<()> {
    let _generator = tests::generator();
    const DEVIATION: f64 = 0.02;
    for one in classifiers() {
        let (name, model) = one?;
        if name == "albert" {
            continue; // its layers are one
        }
        let before = values(&model);
        let layers = before.iter().filter_map(|(name, _)| layer_of(name)).max().ok_or("no layers")? + 1;
        let state = retune_torch::random::state(Device::Cpu)?;
        assert!(model.parameters().draw_top_layers(0, DEVIATION)?.is_empty(), "{name}");
        assert!(retune_torch::random::state(Device::Cpu)? == state, "{name}: no layer, and yet something is drawn");

        retune_torch::random::seed(5);
        let drawn: Vec<String> =
            model.parameters().draw_top_layers(1, DEVIATION)?.into_iter().map(str::to_owned).collect();
        let mut normal = Vec::new();
        for ((parameter, old), (_, new)) in before.iter().zip(values(&model)) {
            let is_fresh = is_of_pooler(parameter) || layer_of(parameter) == Some(layers - 1);
            assert_eq!(drawn.contains(parameter), is_fresh, "{name}: {parameter}");
            if !is_fresh {
                assert!(new.equal(old), "{name}: {parameter} has changed");
            } else if parameter.ends_with("bias") {
                assert!(new.equal(&new.zeros_like()), "{name}: {parameter} is not 0");
            } else if parameter.to_lowercase().contains("norm") {
                assert!(new.equal(&new.ones_like()), "{name}: {parameter} is not 1");
            } else {
                assert_eq!(new.dim(), 2, "{name}: {parameter}");
                normal.push(new.flatten(0, 1) / DEVIATION);
            }
        }
        let normal = Tensor::cat(&normal, 0);
        let n = normal.numel() as f64;
        let [mean, variance] = [normal.mean(Kind::Double), normal.var(false)].map(|value| value.double_value(&[]));
        // Within five deviations of what n numbers of the standard normal have.
        assert!(
            mean.abs() < 5.0 / n.sqrt() && (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "{name}: {mean}, {variance}"
        );

        let first = values(&model);
        retune_torch::random::seed(5);
        model.parameters().draw_top_layers(1, DEVIATION)?;
        assert!(first.iter().zip(values(&model)).all(|((_, first), (_, again))| first.equal(&again)), "{name}");
        assert!(model.parameters().draw_top_layers(layers, DEVIATION).is_ok(), "{name}: all layers");
    }
    Ok(())
}

#[test]
fn more_layers_than_there_are_or_the_same_one_throughout_are_refused_and_nothing_changes() -> Result<()> {
    let _generator = tests::generator();
    for one in classifiers() {
        let (name, model) = one?;
        let before = values(&model);
        let layers = before.iter().filter_map(|(name, _)| layer_of(name)).max().ok_or("no layers")? + 1;
        let refused = model.parameters().draw_top_layers(layers + 3, 0.02);
        match (name, refused) {
            ("albert", Err(ModelError::SharedLayers)) => {}
            (_, Err(ModelError::TooFewLayers { asked, there })) => {
                assert_eq!((asked, there), (layers + 3, layers), "{name}")
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
        assert!(before.iter().zip(values(&model)).all(|((_, before), (_, after))| before.equal(&after)), "{name}");
    }
    Ok(())
}
