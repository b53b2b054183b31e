//! Sinusoidal positions (Vaswani et al. 2017, arXiv 1706.03762, section 3.5):
//!
//! ```text
//! PE(pos, 2i)     = sin(pos / 10000^(2i/d))
//! PE(pos, 2i + 1) = cos(pos / 10000^(2i/d))
//! ```
//!
//! For every distance `Δ` there is one rotation that turns `PE(pos)` into `PE(pos + Δ)` for all `pos`, and the norm of
//! each is `√(d/2)`.

use tch::{Kind, Tensor};

/// The encodings of `positions`, `[t]`: `[t, d]` in `kind`, on the positions' device. They are computed in float64.
///
/// ```
/// use retune_attention::positions::sinusoidal::sinusoidal;
/// use tch::{Kind, Tensor};
///
/// let encoded = sinusoidal(&Tensor::from_slice(&[0i64, 1]), 4, Kind::Double);
/// let expected = [0.0, 1.0, 0.0, 1.0, 1f64.sin(), 1f64.cos(), 0.01f64.sin(), 0.01f64.cos()];
/// assert!(encoded.allclose(&Tensor::from_slice(&expected).view([2, 4]), 1e-12, 1e-12, false));
/// ```
///
/// # Panics
/// `d` is odd.
pub fn sinusoidal(positions: &Tensor, d: i64, kind: Kind) -> Tensor {
    assert_eq!(d % 2, 0, "sines and cosines come in pairs, so d = {d} is even");
    let pair = Tensor::arange(d / 2, (Kind::Double, positions.device())); // [d/2]
    let frequency = (pair * (-2.0 / d as f64 * 10_000f64.ln())).exp(); // [d/2]
    let angle = positions.to_kind(Kind::Double).unsqueeze(1) * frequency; // [t, d/2]
    Tensor::stack(&[angle.sin(), angle.cos()], -1).flatten(1, 2).to_kind(kind) // [t, d]
}
