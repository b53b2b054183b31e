//! The arithmetic of kernels of our own, in both precisions, and what they take for granted.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

use half::bf16;
use retune_torch::slices::Element;

/// Why slices of tensors are there.
pub(crate) const IS_PLAIN: &str = "contiguous, of this type, on the processor";
/// Why a loop on libtorch's threads has no error to report.
pub(crate) const NO_REFUSAL: &str = "libtorch refuses no loop";

/// A floating-point number.
pub trait Real:
    Element
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + std::fmt::Debug
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞.
    const LOWEST: Self;
    /// The number nearest to this one.
    fn from_f64(value: f64) -> Self;
    /// `eˣ` for `x ≤ 0`, to a few units in the last place; 0 for what is smaller than any normal number.
    fn exp_of_negative(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// `self · a + b`, rounded once: one instruction in the functions that were compiled for AVX2 or AVX-512.
    fn fused(self, a: Self, b: Self) -> Self;
}

/// A number as tensors hold it, and the type that is computed in.
pub trait Stored: Element {
    /// The type that is computed in.
    type Wide: Real + Stored<Wide = Self::Wide>;
    /// The same number.
    fn widen(self) -> Self::Wide;
    /// The number nearest to this one.
    fn narrow(wide: Self::Wide) -> Self;
}

impl Stored for f32 {
    type Wide = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(wide: f32) -> Self {
        wide
    }
}

impl Stored for f64 {
    type Wide = f64;

    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }

    #[inline(always)]
    fn narrow(wide: f64) -> Self {
        wide
    }
}

impl Stored for bf16 {
    type Wide = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// To the nearest, ties to even; without the branches of `bf16::from_f32`, so that it is vectorised. NaN stays NaN.
    #[inline(always)]
    fn narrow(wide: f32) -> Self {
        let bits = wide.to_bits();
        // Of a NaN no carry may clear what makes it one. Of the others none goes beyond the last bit; but a sum that is
        // checked for that is a branch.
        let carried = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
        let rounded = if bits & 0x7FFF_FFFF > 0x7F80_0000 { bits | 0x0040_0000 } else { carried };
        Self::from_bits((rounded >> 16) as u16)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const LOWEST: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    /// `2ⁿ · eʳ` with `|r| ≤ ln(2)/2`, and `eʳ` by its Taylor polynomial of degree 7, whose remainder is below a tenth
    /// of a unit in the last place. Branchless, so that the compiler vectorises it: the library's `exp` is a call.
    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        // ln(2) in two parts, of which the first times n is exact.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer, which its lowest bits then are
        let shifted = self * std::f32::consts::LOG2_E + MAGIC;
        let n = shifted - MAGIC;
        let r = (self - n * LN2_HIGH) - n * LN2_LOW;
        let mut polynomial = 1.0 / 5040.0;
        for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            polynomial = polynomial * r + coefficient;
        }
        // From its bits: a cast would saturate, which keeps the compiler from vectorising.
        let power = f32::from_bits(shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23);
        // Of what is smaller the power was none.
        if self < -87.0 { 0.0 } else { polynomial * power }
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_a_few_units() {
        let mut worst = 0f64;
        for step in 0..=200_000 {
            let x = -87.0 * step as f32 / 200_000.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(x.exp_of_negative()) - exact).abs() / exact);
        }
        assert!(worst < 3e-7, "{worst:e}");
        assert_eq!(0f32.exp_of_negative(), 1.0);
        assert_eq!(f32::NEG_INFINITY.exp_of_negative(), 0.0);
        assert_eq!((-1e30f32).exp_of_negative(), 0.0);
        assert_eq!((-87.00001f32).exp_of_negative(), 0.0);
        assert!(f32::NAN.exp_of_negative().is_nan());
    }

    /// Numbers, ties of both parities, numbers that round to infinity or are none, and NaN of all sorts.
    #[test]
    fn float32_is_narrowed_as_half_narrows_it() {
        for high in 0..=u16::MAX {
            for low in [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
                let wide = f32::from_bits(u32::from(high) << 16 | low);
                let (found, expected) = (<bf16 as Stored>::narrow(wide), bf16::from_f32(wide));
                let same = found.to_bits() == expected.to_bits() || (found.is_nan() && wide.is_nan());
                assert!(same, "{:08x}: {found:?}, not {expected:?}", wide.to_bits());
            }
            assert_eq!(bf16::from_bits(high).widen().to_bits(), u32::from(high) << 16);
        }
    }
}
