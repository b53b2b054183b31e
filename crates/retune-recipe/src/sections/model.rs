//! The pretrained model.

use super::section;
use crate::keys::Fallback::{Required, Switch, Text};
use crate::keys::Kind;

section! {
    /// The pretrained model: the keys under `model`.
    ModelPlan in "model" {
        path: String = Kind::Text, Required,
            "The pretrained model: a folder, or a name on the Hugging Face Hub such as org/name.", flag "--model";
        revision: String = Kind::Text, Text("main"),
            "The branch, tag or commit on the Hub. A folder has none.", flag "--revision";
        offline: bool = Kind::Switch, Switch(false),
            "Take files from folders and caches only, never from the network.", flag "--offline";
    }
}
