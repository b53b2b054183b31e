//! The mathematics of Transformers on packed sequences.
//!
//! A batch is *packed*: the tokens of its sequences lie end to end, `[t, d]`, with no padding, and a [`SequenceLayout`]
//! says where each sequence begins. Linear layers, norms and feed-forward work on `[t, d]` and never hear of sequences;
//! [`attention`] alone takes the layout:
//!
//! ```text
//! Attention(Q, K, V) = softmax(Q Kᵀ / √k) V        for each sequence and head   (Vaswani et al. 2017, arXiv 1706.03762)
//! ```
//!
//! ```
//! use retune_attention::{Attention, Mode, SequenceLayout, attend};
//! use tch::{Device, Kind, Tensor};
//!
//! let layout = SequenceLayout::from_lengths(&[3, 5]);                      // 2 sequences, 8 tokens
//! let [q, k, v] = [(); 3].map(|()| Tensor::randn([8, 4, 16], (Kind::Float, Device::Cpu)));   // 4 heads of size 16
//! let mixed = attend(&q, &k, &v, &layout, &Attention::default(), Mode::Evaluate);
//! assert_eq!(mixed.size(), [8, 4, 16]);
//! ```
//!
//! Notation of all files: `b` sequences, `t` tokens, `d` hidden size, `h` heads, `k` head size, `i` intermediate size,
//! `n` sequences of equal length `l`.
//!
//! Shapes are the caller's contract: a wrong one is a bug and may panic. What a user may get wrong is checked above.

pub mod attention;
mod embedding;
mod feed_forward;
mod layers;
mod layout;
mod multi_head;

pub use attention::{Attention, Visibility, attend};
pub use embedding::Embedding;
pub use feed_forward::{Activation, FeedForward};
pub use layers::{Dropout, LayerNorm, Linear};
pub use layout::{LayoutError, Run, SequenceLayout};
pub use multi_head::MultiHeadAttention;

/// Whether dropout is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Training: dropout is drawn from libtorch's default generator.
    Train,
    /// Evaluation: dropout is the identity.
    Evaluate,
}

impl Mode {
    /// Whether this is training.
    pub fn is_train(self) -> bool {
        self == Self::Train
    }
}
