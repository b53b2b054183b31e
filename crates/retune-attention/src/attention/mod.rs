//! Scaled dot-product attention over a packed batch.
//!
//! For each sequence and head, with queries `Q: [l_q, k]`, keys and values `K, V: [l_k, k]`:
//!
//! ```text
//! S = scale · Q Kᵀ + B       [l_q, l_k]   scale = 1/√k unless given; B is a bias of the scores, or nothing
//! P = softmax(S + M)         [l_q, l_k]   M is 0 where a query may look and −∞ where it may not
//! O = dropout(P) V           [l_q, k]
//! ```
//!
//! (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1; dropout on the weights as in BERT.) A query that may look at
//! nothing gets a zero, not NaN. Where there are fewer heads of keys and values than of queries, each serves a group of
//! adjacent query heads (Ainslie et al. 2023, arXiv 2305.13245).
//!
//! [`mod@reference`] is this, read aloud: one sequence after another. The other modules are backends that equal it, and
//! [`attend`] chooses among them: [`rectangles`] anywhere, [`varlen`] on CUDA. Nothing is padded.

pub mod packed;
pub mod rectangles;
pub mod reference;
pub mod varlen;
mod weights;

use tch::{Device, Kind, Tensor};

use crate::{Mode, SequenceLayout};
pub use weights::{attention_weights, recording_weights};

/// Which keys a query may look at, by their places `i` and `j` in the query's and the key's own sequence, from 0.
///
/// ```
/// use retune_attention::{Attention, Mode, SequenceLayout, Visibility, attend};
/// use tch::{Device, Kind, Tensor};
///
/// let layout = SequenceLayout::from_lengths(&[4]);
/// let [q, k, v] = [(); 3].map(|()| Tensor::randn([4, 1, 8], (Kind::Double, Device::Cpu)));
/// let run = |visibility| {
///     let attention = Attention { visibility, ..Attention::default() };
///     attend(&q, &k, &v, &layout, &attention, Mode::Evaluate)
/// };
///
/// // The first query of a causal model sees itself alone, and gets its own value.
/// let causal = run(Visibility::Causal);
/// assert!(causal.get(0).allclose(&v.get(0), 1e-12, 1e-12, false));
///
/// // A window that looks back as far as the sequence is long, and not ahead, is the same.
/// let window = run(Visibility::Window { before: 3, after: 0 });
/// assert!(window.allclose(&causal, 1e-12, 1e-12, false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// All of them.
    #[default]
    Bidirectional,
    /// Those up to its own place: `j ≤ i`.
    Causal,
    /// Those near its own place: `i − before ≤ j ≤ i + after` (Beltagy et al. 2020, arXiv 2004.05150, section 3.1).
    Window {
        /// How many keys before its own place.
        before: i64,
        /// How many keys after its own place.
        after: i64,
    },
}

impl Visibility {
    /// Whether the query at place `i` may look at the key at place `j`.
    pub fn allows(self, i: i64, j: i64) -> bool {
        match self {
            Self::Bidirectional => true,
            Self::Causal => j <= i,
            Self::Window { before, after } => i - before <= j && j <= i + after,
        }
    }

    /// The places of the keys that the query at place `i` may look at, of `keys` that there are.
    pub fn seen(self, i: usize, keys: usize) -> std::ops::Range<usize> {
        let (first, past) = match self {
            Self::Bidirectional => (0, keys as i64),
            Self::Causal => (0, i as i64 + 1),
            Self::Window { before, after } => ((i as i64).saturating_sub(before), (i as i64 + 1).saturating_add(after)),
        };
        let past = past.clamp(0, keys as i64) as usize;
        (first.max(0) as usize).min(past)..past
    }

    /// Whether every one of `queries` may look at every one of `keys`.
    pub fn is_full(self, queries: i64, keys: i64) -> bool {
        queries == 0 || keys == 0 || (self.allows(0, keys - 1) && self.allows(queries - 1, 0))
    }

    /// `M`: 0 where a query may look, −∞ where it may not; `[l_q, l_k]`, and `None` where nothing is hidden.
    pub fn mask(self, queries: i64, keys: i64, (kind, device): (Kind, Device)) -> Option<Tensor> {
        if self.is_full(queries, keys) {
            return None;
        }
        let options = (Kind::Int64, device);
        let ahead = Tensor::arange(keys, options).unsqueeze(0) - Tensor::arange(queries, options).unsqueeze(1); // j − i: [l_q, l_k]
        let hidden = match self {
            Self::Bidirectional => return None,
            Self::Causal => ahead.gt(0),
            Self::Window { before, after } => ahead.lt(-before).logical_or(&ahead.gt(after)),
        };
        Some(Tensor::zeros([queries, keys], (kind, device)).masked_fill(&hidden, f64::NEG_INFINITY))
    }
}

/// What attention does beyond its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Attention {
    /// Which keys a query may look at.
    pub visibility: Visibility,
    /// The factor of the scores; `None` is `1/√k`.
    pub scale: Option<f64>,
    /// The probability with which a weight is dropped in training.
    pub dropout: f64,
}

impl Attention {
    /// The factor of the scores of heads of this size.
    pub fn scale_for(&self, head_size: i64) -> f64 {
        self.scale.unwrap_or_else(|| 1.0 / (head_size as f64).sqrt())
    }

    fn dropout_in(&self, mode: Mode) -> f64 {
        if mode.is_train() { self.dropout } else { 0.0 }
    }
}

/// A bias that is added to the scores: relative positions, ALiBi, DeBERTa's disentangled terms.
///
/// ```
/// use retune_attention::{Attention, Mode, Pairing, ScoreBias, SequenceLayout, attend};
/// use tch::{Device, Kind, Tensor};
///
/// /// Nearer keys count more: `−|i − j|`.
/// struct Near;
///
/// impl ScoreBias for Near {
///     fn of(&self, q: &Tensor, k: &Tensor) -> Tensor {
///         let places = |tensor: &Tensor| Tensor::arange(tensor.size()[2], (tensor.kind(), tensor.device()));
///         -(places(q).unsqueeze(1) - places(k).unsqueeze(0)).abs()               // [l_q, l_k]
///     }
/// }
///
/// let layout = SequenceLayout::from_lengths(&[2]);
/// let q = Tensor::zeros([2, 1, 2], (Kind::Double, Device::Cpu));                 // all scores are 0 but for the bias
/// let v = Tensor::eye(2, (Kind::Double, Device::Cpu)).unsqueeze(1);              // the output is the weights
/// let weights = attend(&q, &q, &v, Pairing::from(&layout).with_bias(&Near), &Attention::default(), Mode::Evaluate);
/// let own = 1.0 / (1.0 + (-1.0f64).exp());
/// assert!((weights.double_value(&[0, 0, 0]) - own).abs() < 1e-12);
/// ```
pub trait ScoreBias {
    /// The bias of `n` sequences that have `l_q` queries and `l_k` keys each. `q` is `[n, h, l_q, k]` and `k` is
    /// `[n, h, l_k, k]`, for biases that depend on what is said and not on its place alone; the result broadcasts to
    /// `[n, h, l_q, l_k]`.
    fn of(&self, q: &Tensor, k: &Tensor) -> Tensor;
}

/// Which sequences of keys the sequences of queries look into: the first into the first, and so on. A layout stands for
/// self-attention wherever a pairing is asked for.
///
/// ```
/// use retune_attention::{Attention, Mode, Pairing, SequenceLayout, attend};
/// use tch::{Device, Kind, Tensor};
///
/// let options = (Kind::Float, Device::Cpu);
/// let (target, source) = (SequenceLayout::from_lengths(&[2, 3]), SequenceLayout::from_lengths(&[7, 4]));
/// let q = Tensor::randn([5, 4, 16], options);
/// let [k, v] = [(); 2].map(|()| Tensor::randn([11, 4, 16], options));
/// let pairing = Pairing::across(&target, &source);
/// let mixed = attend(&q, &k, &v, pairing, &Attention::default(), Mode::Evaluate);
/// assert_eq!(mixed.size(), [5, 4, 16]);
/// ```
#[derive(Clone, Copy)]
pub struct Pairing<'a> {
    /// Where the sequences of queries lie.
    pub queries: &'a SequenceLayout,
    /// Where the sequences of keys and values lie.
    pub keys: &'a SequenceLayout,
    /// What is added to the scores.
    pub bias: Option<&'a dyn ScoreBias>,
}

impl<'a> Pairing<'a> {
    /// Cross-attention: both layouts have the same number of sequences.
    pub fn across(queries: &'a SequenceLayout, keys: &'a SequenceLayout) -> Self {
        Self { queries, keys, bias: None }
    }

    /// The same with a bias of the scores.
    pub fn with_bias(self, bias: &'a dyn ScoreBias) -> Self {
        Self { bias: Some(bias), ..self }
    }
}

impl<'a> From<&'a SequenceLayout> for Pairing<'a> {
    /// Self-attention.
    fn from(layout: &'a SequenceLayout) -> Self {
        Self::across(layout, layout)
    }
}

/// Attention over a packed batch, by the fastest backend that there is for it: `q` is `[t_q, h, k]`, `k` and `v` are
/// `[t_k, h_kv, k]` with `h_kv` a divisor of `h`; the result is `[t_q, h, k]`.
///
/// ```
/// use retune_attention::{Attention, Mode, SequenceLayout, attend};
/// use tch::{Device, Kind, Tensor};
///
/// let layout = SequenceLayout::from_lengths(&[3, 2]);
/// let random = |heads| Tensor::randn([5, heads, 8], (Kind::Double, Device::Cpu));
/// let (q, k, v) = (random(6), random(2), random(2));      // 6 heads of queries, which share 2 of keys and values
/// let run = |k, v| attend(&q, k, v, &layout, &Attention::default(), Mode::Evaluate);
///
/// // The same as if each head of keys and values stood there three times.
/// let [k3, v3] = [&k, &v].map(|tensor| tensor.repeat_interleave_self_int(3, 1, None));
/// assert!(run(&k, &v).allclose(&run(&k3, &v3), 1e-12, 1e-12, false));
/// ```
pub fn attend<'a>(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    pairing: impl Into<Pairing<'a>>,
    attention: &Attention,
    mode: Mode,
) -> Tensor {
    let pairing = pairing.into();
    weights::record(q, k, &pairing, attention);
    match varlen::supports(q, &pairing, attention) {
        Some(kernel) => varlen::attend(kernel, q, k, v, &pairing, attention, mode),
        None if packed::is_preferred(q, &pairing, attention, mode) => {
            packed::attend(q, k, v, &pairing, attention, mode)
        }
        None => rectangles::attend(q, k, v, &pairing, attention, mode),
    }
}
