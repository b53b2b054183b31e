/// What numbers are drawn for. Each has streams of its own, so that no two draws under one seed are correlated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The order of the rows in an epoch; the stream is the epoch.
    Epoch,
    /// The rows of a share of the training data.
    Share,
    /// The rows of each class that are trained on; the stream is the class.
    PerClass,
    /// The partners of rows in contrastive pairs; the stream is the row.
    Pairs,
    /// The rows held out for evaluation; the stream is the class.
    Split,
    /// The tokens that are masked; the stream is the epoch, and the row is the substream.
    Masking,
    /// What a trial of a search tries; the stream is the trial.
    Trial,
    /// Resamples behind the interval of a learning curve.
    LearningCurve,
    /// Which fold of a cross-validation a row falls into; the stream is the class.
    Folds,
    /// Which rows of a data set are looked at.
    Sample,
}

impl Purpose {
    /// The last half of a key. A tag once given stays: with another one, every split, order and trial would be another.
    pub(crate) fn tag(self) -> &'static [u8; 16] {
        match self {
            Purpose::Epoch => b"retune/epoch/v1\0",
            Purpose::Share => b"retune/share/v1\0",
            Purpose::PerClass => b"retune/class/v1\0",
            Purpose::Pairs => b"retune/pairs/v1\0",
            Purpose::Split => b"retune/split/v1\0",
            Purpose::Masking => b"retune/mask/v1\0\0",
            Purpose::Trial => b"retune/trial/v1\0",
            Purpose::LearningCurve => b"retune/boots/v1\0",
            Purpose::Folds => b"retune/folds/v1\0",
            Purpose::Sample => b"retune/insam/v1\0",
        }
    }
}
