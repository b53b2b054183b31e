//! What keeps a model from learning its training data by heart.

use super::section;
use crate::keys::Fallback::{Float, Integer};
use crate::keys::{Kind, Range};

section! {
    /// What keeps a model from learning its training data by heart: the keys under `regularization`. (Label smoothing is
    /// the task's, weight decay under `train`, dropout the pretrained model's own.)
    RegularizationPlan in "regularization" {
        r_drop: f64 = Kind::Float(Range::NotNegative), Float(0.0),
            "The weight of the divergence between two passes with different dropout (R-Drop, Liang et al. 2021); 0 for none. \
             Costs a second pass.";
        neftune_alpha: f64 = Kind::Float(Range::NotNegative), Float(0.0),
            "The size of the noise on embeddings in training (NEFTune, Jain et al. 2023); 0 for none, 5 is usual.";
        ema_decay: f64 = Kind::Float(Range::BelowOne), Float(0.0),
            "The decay of a running mean of the parameters, which is what is evaluated and kept; 0 for none, 0.999 is usual. In \
             the first steps it is (1 + n) / (10 + n), if that is less.";
        average_from: f64 = Kind::Float(Range::ZeroToOne), Float(1.0),
            "The share of training after which the plain mean of the parameters of all steps is kept instead (SWA); 1 for none.";
        reinitialized_layers: usize = Kind::Integer { min: 0 }, Integer(0),
            "How many of the encoder's top layers are drawn anew before training (Zhang et al. 2021), the pooler with them.";
    }
}
