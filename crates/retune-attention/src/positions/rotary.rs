//! Rotary positions (Su et al. 2021, arXiv 2104.09864): queries and keys are rotated by their position, in planes of two
//! dimensions, so that a score depends on the distance alone and no norm changes.
//!
//! ```text
//! θᵢ = base^(−2i/r)                        for each plane i of r/2;  r ≤ k dimensions are rotated
//! (x, y) at position p  →  (x cos pθᵢ − y sin pθᵢ, y cos pθᵢ + x sin pθᵢ)
//! ```
//!
//! [`Scaling`] stretches the frequencies for sequences longer than the model was trained on, as `transformers`'
//! `modeling_rope_utils` does (5.17), whose names it keeps.

use std::f64::consts::PI;

use retune_torch::transfer::to_device;
use tch::{Kind, Tensor};

/// Which two dimensions make a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planes {
    /// `i` and `i + r/2`, as in GPT-NeoX, Llama and ModernBERT (`rotate_half`).
    #[default]
    Halves,
    /// `2i` and `2i + 1`, as in the paper and in GPT-J.
    Adjacent,
}

/// How frequencies are changed for long sequences. `r` is the number of rotated dimensions.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scaling {
    /// Not at all.
    #[default]
    Default,
    /// All divided by one factor (Chen et al. 2023, arXiv 2306.15595).
    Linear {
        /// The factor, from 1.
        factor: f64,
    },
    /// The base grows with the sequence, once that is longer than the trained length ("dynamic NTK").
    Dynamic {
        /// The factor, from 1.
        factor: f64,
        /// The trained length in tokens.
        trained: i64,
    },
    /// Fast planes as they are, slow ones interpolated, a ramp between (Peng et al. 2023, arXiv 2309.00071).
    Yarn {
        /// The factor, from 1.
        factor: f64,
        /// The trained length in tokens.
        trained: i64,
        /// Planes that turn more often than this over the trained length are left alone; 32 in the paper.
        beta_fast: f64,
        /// Planes that turn less often than this are interpolated; 1 in the paper.
        beta_slow: f64,
        /// The factor of cosines and sines; `None` is the paper's `0.1 ln(factor) + 1`.
        attention_factor: Option<f64>,
    },
    /// Llama 3.1's: slow planes divided by the factor, fast ones left alone, smoothly between.
    Llama3 {
        /// The factor, from 1.
        factor: f64,
        /// The trained length in tokens.
        trained: i64,
        /// Waves longer than `trained / low` tokens are divided.
        low: f64,
        /// Waves shorter than `trained / high` tokens are left alone.
        high: f64,
    },
    /// A factor for each plane, one list for short sequences and one for long (Ding et al. 2024, arXiv 2402.13753).
    LongRope {
        /// For sequences up to the trained length: `[r/2]`.
        short: Vec<f64>,
        /// For longer ones: `[r/2]`.
        long: Vec<f64>,
        /// The trained length in tokens.
        trained: i64,
        /// How many times longer sequences may be.
        factor: f64,
        /// The factor of cosines and sines; `None` is the paper's `√(1 + ln(factor)/ln(trained))`.
        attention_factor: Option<f64>,
    },
}

/// Rotary positions of heads of one size.
///
/// ```
/// use retune_attention::{Attention, Mode, SequenceLayout, attend, positions::rotary::Rotary};
/// use tch::{Device, Kind, Tensor};
///
/// let layout = SequenceLayout::from_lengths(&[3, 5]);
/// let [q, k, v] = [(); 3].map(|()| Tensor::randn([8, 4, 16], (Kind::Double, Device::Cpu)));
/// let rotary = Rotary::new(16, 10_000.0);
/// let run = |positions: &Tensor| {
///     let angles = rotary.angles(positions, Kind::Double);                 // once for all layers
///     attend(&angles.rotate(&q), &angles.rotate(&k), &v, &layout, &Attention::default(), Mode::Evaluate)
/// };
///
/// // Distances alone count: counting from 100 instead of 0 changes nothing.
/// let positions = layout.positions(Device::Cpu);
/// assert!(run(&positions).allclose(&run(&(&positions + 100)), 1e-9, 1e-9, false));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// How many dimensions of a head are rotated, `r`: even, at most the head size. The others pass through.
    pub rotated: i64,
    /// The base of the frequencies; 10,000 in the paper.
    pub base: f64,
    /// Which dimensions make a plane.
    pub planes: Planes,
    /// What is done for long sequences.
    pub scaling: Scaling,
}

/// Cosines and sines of a packed batch's tokens, made once for all layers.
#[derive(Debug)]
pub struct Angles {
    /// `[t, 1, r/2]`.
    cos: Tensor,
    /// `[t, 1, r/2]`.
    sin: Tensor,
    planes: Planes,
}

impl Clone for Angles {
    /// The same tensors, not copies of them.
    fn clone(&self) -> Self {
        Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone(), planes: self.planes }
    }
}

impl Rotary {
    /// The paper's, for heads of this size.
    pub fn new(head_size: i64, base: f64) -> Self {
        Self { rotated: head_size, base, planes: Planes::Halves, scaling: Scaling::Default }
    }

    /// The angle per position of each plane, `[r/2]`, and the factor of cosines and sines, where the longest sequence
    /// has `longest` tokens.
    pub fn frequencies(&self, longest: i64) -> (Vec<f64>, f64) {
        self.rounded_frequencies(longest, |number| number)
    }

    /// The same, each step rounded, in the order of the reference's steps.
    fn rounded_frequencies(&self, longest: i64, round: fn(f64) -> f64) -> (Vec<f64>, f64) {
        let r = self.rotated as f64;
        let waves = |base: f64| {
            (0..self.rotated / 2).map(move |plane| round(round(base).powf(round(2.0 * plane as f64 / r)))) // base^(2i/r)
        };
        let plain = |base: f64| waves(base).map(move |wave| round(1.0 / wave));
        match &self.scaling {
            Scaling::Default => (plain(self.base).collect(), 1.0),
            Scaling::Linear { factor } => (plain(self.base).map(|frequency| round(frequency / factor)).collect(), 1.0),
            Scaling::Dynamic { factor, trained } => {
                let stretch = longest.max(*trained) as f64 / *trained as f64;
                let base = self.base * (factor * stretch - (factor - 1.0)).powf(r / (r - 2.0));
                (plain(base).collect(), 1.0)
            }
            Scaling::Yarn { factor, trained, beta_fast, beta_slow, attention_factor } => {
                // The plane that turns so many times over the trained length.
                let plane = |turns: f64| r * (*trained as f64 / (turns * 2.0 * PI)).ln() / (2.0 * self.base.ln());
                let low = plane(*beta_fast).floor().max(0.0);
                let high = plane(*beta_slow).ceil().min(r - 1.0);
                let width = if low == high { 0.001 } else { high - low };
                let stretched = waves(self.base).zip(0..).map(|(wave, plane)| {
                    let kept = round(1.0 - round((f64::from(plane) - low) / width).clamp(0.0, 1.0));
                    let (own, slow) = (round(1.0 / wave), round(1.0 / round(factor * wave)));
                    round(round(slow * round(1.0 - kept)) + round(own * kept))
                });
                let paper = if *factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
                (stretched.collect(), attention_factor.unwrap_or(paper))
            }
            Scaling::Llama3 { factor, trained, low, high } => {
                let stretched = plain(self.base).map(|frequency| {
                    // The reference divides a number by a tensor as torch does, by way of the tensor's reciprocal.
                    let wave = round(round(2.0 * PI) * round(1.0 / frequency));
                    let turns = round(*trained as f64 * round(1.0 / wave));
                    // How far between the slow planes (0) and the fast ones (1).
                    let fast = round(round(turns - low) / (high - low)).clamp(0.0, 1.0);
                    let slow = round(round(round(1.0 - fast) * frequency) / factor);
                    round(slow + round(fast * frequency))
                });
                (stretched.collect(), 1.0)
            }
            Scaling::LongRope { short, long, trained, factor, attention_factor } => {
                let factors = if longest > *trained { long } else { short };
                let stretched =
                    waves(self.base).zip(factors).map(|(wave, factor)| round(1.0 / round(round(*factor) * wave)));
                let paper = if *factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (*trained as f64).ln()).sqrt() };
                (stretched.collect(), attention_factor.unwrap_or(paper))
            }
        }
    }

    /// The angles of tokens at `positions`, `[t]`, in `kind`.
    pub fn angles(&self, positions: &Tensor, kind: Kind) -> Angles {
        // Only where it is needed: a GPU would be waited for.
        let longest = match self.scaling {
            Scaling::Dynamic { .. } | Scaling::LongRope { .. } if positions.numel() > 0 => {
                positions.max().int64_value(&[]) + 1
            }
            _ => 0,
        };
        // Far from the first token, the last place of a frequency is a turn that can be told.
        let (frequencies, factor) = match kind {
            Kind::Double => self.frequencies(longest),
            _ => self.rounded_frequencies(longest, |number| f64::from(number as f32)),
        };
        let frequencies = to_device(&Tensor::from_slice(&frequencies).to_kind(kind), positions.device()); // [r/2]
        let angle = positions.to_kind(kind).unsqueeze(1) * frequencies; // [t, r/2]
        let [cos, sin] = [angle.cos(), angle.sin()].map(|part| part.unsqueeze(1) * factor); // [t, 1, r/2]
        Angles { cos, sin, planes: self.planes }
    }
}

impl Angles {
    /// Rotates queries or keys, `[t, h, k]`; the result has their shape and kind, and is computed in the angles' kind.
    pub fn rotate(&self, heads: &Tensor) -> Tensor {
        let half = self.cos.size()[2]; // r/2
        let rest = heads.size()[2] - 2 * half; // k − r
        let turned = heads.narrow(2, 0, 2 * half).to_kind(self.cos.kind()); // [t, h, r]
        let (x, y) = match self.planes {
            Planes::Halves => (turned.narrow(2, 0, half), turned.narrow(2, half, half)),
            Planes::Adjacent => (turned.slice(2, 0, None, 2), turned.slice(2, 1, None, 2)),
        }; // [t, h, r/2] each
        let (new_x, new_y) = (&x * &self.cos - &y * &self.sin, &y * &self.cos + &x * &self.sin);
        let turned = match self.planes {
            Planes::Halves => Tensor::cat(&[new_x, new_y], 2),
            Planes::Adjacent => Tensor::stack(&[new_x, new_y], 3).flatten(2, 3),
        }
        .to_kind(heads.kind()); // [t, h, r]
        if rest == 0 {
            return turned;
        }
        Tensor::cat(&[turned, heads.narrow(2, 2 * half, rest)], 2) // [t, h, k]
    }
}
