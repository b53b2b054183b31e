//! Small parameters that are trained in place of the pretrained ones.

use std::path::PathBuf;

use super::{AT_LEAST_ONE, section};
use crate::keys::Fallback::{Float, Integer, Switch, Text, Unset};
use crate::keys::{Kind, Range};
use crate::strategy::{AdapterKind, Factors};

section! {
    /// Small parameters that are trained in place of the pretrained ones: the keys under `adapter`.
    AdapterPlan in "adapter" {
        kind: AdapterKind = Kind::Choice(AdapterKind::NAMES), Text("none"),
            "The adapter: none, lora (Hu et al. 2021), dora (Liu et al. 2024) or ia3 (Liu et al. 2022).", flag "--adapter";
        rank: usize = AT_LEAST_ONE, Integer(8),
            "The rank of LoRA's update.";
        alpha: f64 = Kind::Float(Range::Positive), Float(16.0),
            "LoRA's update is multiplied by alpha / rank.";
        rank_stabilized: bool = Kind::Switch, Switch(false),
            "Multiply by alpha / √rank instead (rsLoRA, Kalajdzievski 2023).";
        dropout: f64 = Kind::Float(Range::BelowOne), Float(0.0),
            "Dropout of what LoRA's update reads.";
        targets: Option<Vec<String>> = Kind::Names, Unset("unset: those that PEFT takes for the architecture"),
            "The modules that are adapted, by the end of their names, or all-linear.";
        rank_pattern: Option<Factors> = Kind::Factors, Unset("unset: adapter.rank everywhere"),
            "Other ranks by module, as \"layer.11.attention.self.query=16\".";
        alpha_pattern: Option<Factors> = Kind::Factors, Unset("unset: adapter.alpha everywhere"),
            "Other alphas by module, likewise.";
        saved_modules: Option<Vec<String>> = Kind::Names, Unset("unset: the head"),
            "Modules that are trained and saved whole beside the adapter.";
        rate_ratio: f64 = Kind::Float(Range::Positive), Float(1.0),
            "The learning rate of LoRA's B matrices, as a multiple of A's (LoRA+, Hayou et al. 2024); 16 is usual.";
        path: Option<PathBuf> = Kind::Path, Unset("unset: a new adapter"),
            "A folder with an adapter, as PEFT writes it, to go on from; its own configuration counts.";
    }
}
