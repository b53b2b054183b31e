//! The mathematics of Transformers on packed sequences.
//!
//! A batch is *packed*: the tokens of its sequences lie end to end, `[t, d]`, with no padding, and a [`SequenceLayout`]
//! says where each sequence begins. Linear layers, norms and feed-forward networks work on `[t, d]` and never hear of
//! sequences; [`attention`] alone takes the layout.
//!
//! # Equations
//!
//! For each sequence and head, with queries `Q: [l_q, k]`, keys and values `K, V: [l_k, k]`, a bias `B` of the scores or
//! none, and a mask `M` that is 0 where a query may look and −∞ where it may not:
//!
//! ```text
//! attend               softmax(Q Kᵀ / √k + B + M) V                                Vaswani et al. 2017, arXiv 1706.03762
//! MultiHeadAttention   concat(attend(X W_Qᵢ, X W_Kᵢ, X W_Vᵢ) for each head i)      the same, section 3.2.2
//! Linear               x Wᵀ + b
//! LayerNorm            (x − mean(x)) / √(var(x) + ε) · γ + β                       Ba et al. 2016, arXiv 1607.06450
//! RmsNorm              x / √(mean(x²) + ε) · γ                                     Zhang and Sennrich 2019, arXiv 1910.07467
//! FeedForward          W₂ φ(W₁ x + b₁) + b₂                                        Vaswani et al. 2017, section 3.3
//! GatedFeedForward     W₂ (φ(W₁ x + b₁) ⊙ (V x + c)) + b₂                          Shazeer 2020, arXiv 2002.05202
//! ```
//!
//! [`adapters`] has those of LoRA, DoRA and (IA)³, beside linear layers and embeddings; [`positions`] has those of
//! sinusoidal and rotary positions, of T5's and ALiBi's biases and of disentangled attention.
//!
//! # An example
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
//! Others stand where they belong: masks at [`Visibility`], cross-attention at [`Pairing`], a bias at [`ScoreBias`],
//! grouped queries at [`attend`], and one at every layer.
//!
//! # Conventions
//!
//! Notation of all files: `b` sequences, `t` tokens, `d` hidden size, `h` heads, `k` head size, `i` intermediate size,
//! `n` sequences of equal length `l`.
//!
//! Shapes are the caller's contract: a wrong one is a bug and may panic. What a user may get wrong is checked above.

pub mod adapters;
mod add_norm;
mod affine;
pub mod attention;
mod dropout;
mod embedding;
mod feed_forward;
mod gelu;
mod layers;
mod layout;
mod multi_head;
pub mod positions;
mod real;

pub use add_norm::add_norm;
pub use attention::{Attention, Pairing, ScoreBias, Visibility, attend, attention_weights, recording_weights};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use feed_forward::{Activation, FeedForward, GatedFeedForward, GatedProjection};
pub use layers::{LayerNorm, Linear, RmsNorm};
pub use layout::{LayoutError, Run, SequenceLayout, runs_of_pairs};
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
