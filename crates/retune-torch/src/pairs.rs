//! Products of bfloat16 numbers whose sums are float32, by an instruction of AVX-512 that `pulp` lacks.

#[cfg(target_arch = "x86_64")]
pub use x86::PairProducts;

/// No processor of this architecture has it.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Debug, Clone, Copy)]
pub enum PairProducts {}

#[cfg(not(target_arch = "x86_64"))]
impl PairProducts {
    /// None.
    pub fn detect() -> Option<Self> {
        None
    }

    /// Nothing that can be called.
    pub fn dispatch<W: pulp::WithSimd>(self, _: W) -> W::Output {
        match self {}
    }

    /// Nothing that can be called.
    pub fn round(self, _: pulp::f32x16) -> [half::bf16; 16] {
        match self {}
    }

    /// Nothing that can be called.
    pub fn add(self, _: pulp::f32x16, _: pulp::f32x16, _: pulp::f32x16) -> pulp::f32x16 {
        match self {}
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256bh, __m512, __m512bh, _mm512_cvtneps_pbh, _mm512_dpbf16_ps};
    use std::mem::transmute;

    use half::bf16;
    use pulp::x86::V4;
    use pulp::{WithSimd, f32x16};

    /// That this processor has `AVX512_BF16`.
    #[derive(Debug, Clone, Copy)]
    pub struct PairProducts(V4);

    impl PairProducts {
        /// Whether this processor has the instruction.
        pub fn detect() -> Option<Self> {
            V4::try_new().filter(|_| std::is_x86_feature_detected!("avx512bf16")).map(PairProducts)
        }

        /// Calls `work`, compiled for what [`add`](Self::add) needs, with vectors of AVX-512.
        pub fn dispatch<W: WithSimd>(self, work: W) -> W::Output {
            // SAFETY: that the processor has these instructions is what a value of this type says: `V4` says so of all
            // but the last, which was detected.
            unsafe { compiled(self.0, work) }
        }

        /// Of pairs of bfloat16 numbers, of which each vector holds sixteen, the two products of each, added to the
        /// sums: `sums[i] + left[2i] right[2i] + left[2i + 1] right[2i + 1]` (Intel's `VDPBF16PS`: numbers below the
        /// normal ones are zero). Only inside [`dispatch`](Self::dispatch) is it one instruction.
        #[inline(always)]
        pub fn add(self, left: f32x16, right: f32x16, sums: f32x16) -> f32x16 {
            // SAFETY: vectors of one size, of which every pattern of bits is one; and the processor has the instruction.
            // Name by name, since what passes through an array passes through memory.
            unsafe {
                let left = transmute::<f32x16, __m512bh>(left);
                let right = transmute::<f32x16, __m512bh>(right);
                transmute::<__m512, f32x16>(_mm512_dpbf16_ps(transmute::<f32x16, __m512>(sums), left, right))
            }
        }
    }

    impl PairProducts {
        /// The numbers in bfloat16, to the nearest, ties to even (`VCVTNEPS2BF16`). Only inside
        /// [`dispatch`](Self::dispatch) is it one instruction.
        #[inline(always)]
        pub fn round(self, wide: f32x16) -> [bf16; 16] {
            // SAFETY: a vector of sixteen such numbers; and the processor has the instruction.
            unsafe { transmute::<__m256bh, [bf16; 16]>(_mm512_cvtneps_pbh(transmute::<f32x16, __m512>(wide))) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi1,bmi2,lzcnt")]
    fn compiled<W: WithSimd>(simd: V4, work: W) -> W::Output {
        work.with_simd(simd)
    }

    #[cfg(test)]
    mod tests {
        use pulp::{Simd, cast};

        use super::*;

        /// One instruction's worth.
        struct Once(PairProducts, [[bf16; 32]; 2], [f32; 16]);

        impl WithSimd for Once {
            type Output = ([f32; 16], [bf16; 16]);

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Self::Output {
                let Self(simd, factors, sums) = self;
                let [left, right] = factors.map(f32x16::from_pairs);
                (cast(simd.add(left, right, cast(sums))), simd.round(cast(sums)))
            }
        }

        trait FromPairs {
            fn from_pairs(pairs: [bf16; 32]) -> Self;
        }

        impl FromPairs for f32x16 {
            fn from_pairs(pairs: [bf16; 32]) -> Self {
                let (pairs, _) = pairs.as_chunks::<2>();
                let bits: [f32; 16] = std::array::from_fn(|i| {
                    f32::from_bits(u32::from(pairs[i][0].to_bits()) | u32::from(pairs[i][1].to_bits()) << 16)
                });
                cast(bits)
            }
        }

        #[test]
        fn each_sum_grows_by_two_products() {
            let Some(simd) = PairProducts::detect() else {
                eprintln!("skipped: the processor has no AVX512_BF16");
                return;
            };
            let numbers = |scale: f32| std::array::from_fn(|i| bf16::from_f32(scale * (i as f32 - 11.0)));
            let [left, right]: [[bf16; 32]; 2] = [numbers(0.5), numbers(-0.25)];
            let sums: [f32; 16] = std::array::from_fn(|i| 100.0 * i as f32 + 0.3);
            let (found, rounded) = simd.dispatch(Once(simd, [left, right], sums));
            for i in 0..16 {
                let products = [2 * i, 2 * i + 1].map(|place| left[place].to_f32() * right[place].to_f32());
                assert!((found[i] - (sums[i] + products[0] + products[1])).abs() < 1e-3, "{i}: {}", found[i]);
                assert_eq!(rounded[i], bf16::from_f32(sums[i]), "{i}");
            }
        }
    }
}
