//! Which parameters move, and when: all, an adapter's, biases, the head; some never; layers one after another.

use retune_models::adapters::{self, AdapterConfig, Ia3, Lora, Names, Targets};
use retune_models::parameter_names::layer_of;
use retune_models::{Part, Trainable};
use retune_recipe::{AdapterKind, AdapterPlan, Plan, Trained};
use tch::Tensor;

use crate::TrainError;
use crate::checkpoint::NamedTensors;
use crate::network::Network;

/// The adapter that a plan asks for, new; `None` where it asks for none.
pub(crate) fn adapter(plan: &AdapterPlan) -> Option<AdapterConfig> {
    let lora = |use_dora| {
        adapters::AdapterKind::Lora(Lora {
            rank: plan.rank as i64,
            alpha: plan.alpha,
            dropout: plan.dropout,
            use_rslora: plan.rank_stabilized,
            use_dora,
            rank_pattern: pairs(&plan.rank_pattern).map(|(name, rank)| (name, rank as i64)).collect(),
            alpha_pattern: pairs(&plan.alpha_pattern).collect(),
            ..Lora::default()
        })
    };
    let kind = match plan.kind {
        AdapterKind::None => return None,
        AdapterKind::Lora => lora(false),
        AdapterKind::Dora => lora(true),
        AdapterKind::Ia3 => adapters::AdapterKind::Ia3(Ia3::default()),
    };
    let target_modules = match plan.targets.as_deref() {
        None => Targets::Default,
        Some([all]) if all == "all-linear" => Targets::AllLinear,
        Some(names) => Targets::Named(Names::Ends(names.to_vec())),
    };
    Some(AdapterConfig { target_modules, modules_to_save: plan.saved_modules.clone(), ..AdapterConfig::new(kind) })
}

fn pairs(factors: &Option<retune_recipe::Factors>) -> impl Iterator<Item = (String, f64)> {
    factors.iter().flat_map(|factors| factors.0.clone())
}

/// Marks what a plan trains, and gives it: the parameters that move at any time of the run, in the model's order.
///
/// # Errors
/// A pattern matches no parameter, or nothing would be trained.
pub(crate) fn choose(plan: &Plan, network: &Network) -> Result<NamedTensors, TrainError> {
    match plan.train.trained {
        // An adapter was chosen when it was loaded.
        Trained::All => {}
        Trained::Biases => network.select(Trainable::BitFit)?,
        Trained::Head => network.select(Trainable::HeadOnly)?,
    }
    network.parameters().freeze(plan.train.frozen.as_deref().unwrap_or_default())?;
    let moving = network.parameters().iter().filter(|(_, tensor)| tensor.requires_grad());
    Ok(moving.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect())
}

/// Gradual unfreezing (Howard and Ruder 2018, arXiv 1801.06146): the head alone at first, then one layer more after
/// each so many steps, from the top, and at last what lies below all layers.
#[derive(Debug)]
pub(crate) struct Thaw {
    every: u64,
    /// From the top.
    stages: Vec<Vec<Tensor>>,
}

impl Thaw {
    /// Of the parameters that move, those of the base model.
    pub(crate) fn new(every: usize, network: &Network) -> Self {
        let moving = network.parameters().parameters().iter().filter(|one| one.tensor.requires_grad());
        let base: Vec<_> = moving.filter(|one| one.part != Part::Head).collect();
        let layers = base.iter().filter_map(|one| layer_of(&one.name)).max().map_or(0, |last| last + 1);
        let mut stages: Vec<Vec<Tensor>> = (0..=layers).map(|_| Vec::new()).collect();
        for one in base {
            let stage = layer_of(&one.name).map_or(layers, |layer| layers - 1 - layer);
            stages[stage].push(one.tensor.shallow_clone());
        }
        Self { every: every as u64, stages }
    }

    /// Marks what moves in a step, counted from 0: a function of the step alone, so that a checkpoint keeps nothing of
    /// it.
    pub(crate) fn at(&self, step: u64) {
        for (stage, tensors) in self.stages.iter().enumerate() {
            let moves = step / self.every > stage as u64;
            for tensor in tensors {
                let _same = tensor.set_requires_grad(moves);
            }
        }
    }
}
