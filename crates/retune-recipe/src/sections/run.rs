//! Where and how the program runs.

use std::path::PathBuf;

use super::{AT_LEAST_ONE, section};
use crate::choices::{DeviceChoice, Precision};
use crate::keys::Fallback::{Derived, Integer, Switch, Text, Unset};
use crate::keys::Kind;

section! {
    /// Where and how the program runs: the keys under `run`.
    RunPlan in "run" {
        output: PathBuf = Kind::Path, Derived("runs/ and the name of the recipe, or else of the training file"),
            "The folder that the run writes; it must not hold another run.", flag "--output";
        seed: u64 = Kind::Integer { min: 0 }, Integer(42),
            "The seed of every random draw.", flag "--seed";
        device: DeviceChoice = Kind::Device, Text("auto"),
            "Where to compute; auto takes a GPU where there is one.", flag "--device";
        precision: Precision = Kind::Choice(Precision::NAMES), Text("fp32"),
            "The number format of the matrix products.", flag "--precision";
        threads: Option<usize> = AT_LEAST_ONE, Unset("unset: as libtorch decides"),
            "Processor threads to compute with.", flag "--threads";
        tensorboard: bool = Kind::Switch, Switch(true),
            "Write event files for TensorBoard into the folder tensorboard of the run.";
    }
}
