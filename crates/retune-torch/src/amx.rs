//! Products of matrices of bfloat16 numbers, whose sums are float32, by the unit that some processors have for them
//! (Intel's AMX).
//!
//! Rust has no stable functions for its instructions, so that they stand here as assembly.

/// The rows, and the columns, of what is computed at a time.
pub const SIDE: usize = 32;
/// The terms of each sum that are added at a time: two in each factor.
pub const TERMS: usize = 32;

/// What one instruction takes of one side: 16 rows of 16 factors, of which each is the bits of two bfloat16 numbers, the
/// first the lower ones. Of the left matrix its rows, each factor two terms of the sum; of the right one pairs of terms,
/// each factor those of a column.
pub type Tile = [[f32; 16]; 16];

/// [`TERMS`] terms of [`SIDE`] rows of the left matrix, or columns of the right one.
pub type Step = [Tile; 2];

/// The sums of a left matrix's rows and a right one's columns.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Sums(pub [[f32; SIDE]; SIDE]);

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use linux::Amx;

/// No processor of this architecture has it.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[derive(Debug, Clone, Copy)]
pub enum Amx {}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
impl Amx {
    /// None.
    pub fn detect() -> Option<Self> {
        None
    }

    /// Nothing that can be called.
    pub fn multiply(self, _: &[Step], _: &[Step], _: impl FnMut(usize, &Sums)) {
        match self {}
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::cell::Cell;
    use std::sync::LazyLock;

    use super::{SIDE, Step, Sums, Tile};

    /// That this processor has AMX for bfloat16, and that the system lets this process use it.
    #[derive(Debug, Clone, Copy)]
    pub struct Amx(());

    impl Amx {
        /// Whether this process may use it, which it asks for.
        pub fn detect() -> Option<Self> {
            static DETECTED: LazyLock<bool> = LazyLock::new(|| is_there() && is_permitted());
            DETECTED.then_some(Self(()))
        }

        /// Multiplies a left matrix, [`SIDE`] rows after another, with as many columns of a right one. Each is given by
        /// the steps of its sums, of which the left one has as many for each of its groups of rows; `each` is called
        /// with a group's number and sums.
        ///
        /// Each sum is that of its products in float32, two at a time in their order. Numbers below the normal ones are
        /// zero.
        ///
        /// # Panics
        /// The left matrix's steps are not those of whole groups, or `each` multiplies.
        pub fn multiply(self, left: &[Step], right: &[Step], mut each: impl FnMut(usize, &Sums)) {
            assert!(!right.is_empty() && left.len().is_multiple_of(right.len()), "steps of whole groups");
            let _tiles = Configured::new();
            let mut sums = Sums([[0.0; SIDE]; SIDE]);
            for (group, left) in left.chunks_exact(right.len()).enumerate() {
                // SAFETY: the processor has the instructions, tiles are configured, and both sides have so many steps.
                unsafe { product(left.as_ptr().cast(), right.as_ptr().cast(), right.len(), &mut sums) };
                each(group, &sums);
            }
        }
    }

    /// `CPUID` says so: bits 22 and 24 of what leaf 7 says in `EDX`.
    fn is_there() -> bool {
        const LEAF: u32 = 7;
        if __cpuid(0).eax < LEAF {
            return false;
        }
        let flags = __cpuid_count(LEAF, 0).edx;
        [22, 24].iter().all(|bit| flags >> bit & 1 == 1)
    }

    /// Asks Linux for the state that tiles are, which it saves only for those who ask
    /// (<https://docs.kernel.org/arch/x86/xstate.html>).
    fn is_permitted() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        // SAFETY: a number is asked for, and no memory is read or written.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }

    thread_local! {
        static IS_CONFIGURED: Cell<bool> = const { Cell::new(false) };
    }

    /// That this thread's eight tiles are of 16 rows of 64 bytes each, until it is dropped.
    struct Configured(());

    impl Configured {
        fn new() -> Self {
            /// As `LDTILECFG` reads it.
            #[repr(C, align(64))]
            struct Configuration {
                palette: u8,
                start_row: u8,
                reserved: [u8; 14],
                bytes_of_a_row: [u16; 16],
                rows: [u8; 16],
            }
            assert!(!IS_CONFIGURED.replace(true), "no product within another");
            let mut tiles =
                Configuration { palette: 1, start_row: 0, reserved: [0; 14], bytes_of_a_row: [0; 16], rows: [0; 16] };
            tiles.bytes_of_a_row[..8].fill(64);
            tiles.rows[..8].fill(16);
            // SAFETY: the processor has the instruction, and reads 64 bytes.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const tiles, options(nostack, preserves_flags)) };
            Self(())
        }
    }

    impl Drop for Configured {
        fn drop(&mut self) {
            // SAFETY: the processor has the instruction; this thread uses no tile any more.
            unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
            IS_CONFIGURED.set(false);
        }
    }

    /// From one row of a tile to the next.
    const STRIDE: usize = size_of::<[f32; 16]>();
    const TILE: usize = size_of::<Tile>();

    /// The four products of two tiles each, of which each is read once a step.
    ///
    /// # Safety
    /// Tiles are configured, and both pointers are to so many [`Step`]s.
    unsafe fn product(left: *const u8, right: *const u8, steps: usize, sums: &mut Sums) {
        // SAFETY: reads two tiles of each side a step, and writes four tiles of sums. `jnz` sees what `dec` leaves.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{left} + {stride}]",
                "tileloadd tmm6, [{right} + {stride}]",
                "tileloadd tmm7, [{right} + {stride} + {TILE}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{left} + {stride} + {TILE}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left}, {STEP}", "add {right}, {STEP}", "dec {steps}", "jnz 2b",
                "tilestored [{sums} + {wide}], tmm0",
                "tilestored [{sums} + {wide} + {STRIDE}], tmm1",
                "tilestored [{sums} + {wide} + 16 * {WIDE}], tmm2",
                "tilestored [{sums} + {wide} + 16 * {WIDE} + {STRIDE}], tmm3",
                left = inout(reg) left => _, right = inout(reg) right => _, steps = inout(reg) steps => _,
                sums = in(reg) &raw mut sums.0, stride = in(reg) STRIDE, wide = in(reg) 2 * STRIDE,
                TILE = const TILE, STEP = const size_of::<Step>(), STRIDE = const STRIDE, WIDE = const 2 * STRIDE,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    #[cfg(test)]
    mod tests {
        use half::bf16;

        use super::super::{Amx, SIDE, Step, Sums, TERMS, Tile};

        fn amx() -> Option<Amx> {
            let found = Amx::detect();
            if found.is_none() {
                eprintln!("skipped: the processor has no AMX");
            }
            found
        }

        /// Steps of a matrix whose number for a row of the left one, or a column of the right one, and a term is given.
        fn steps(count: usize, is_left: bool, number: impl Fn(usize, usize) -> bf16) -> Vec<Step> {
            let mut steps: Vec<Step> = vec![[[[0.0; 16]; 16]; 2]; count];
            for (s, step) in steps.iter_mut().enumerate() {
                for (own, pair) in (0..SIDE).flat_map(|own| (0..TERMS / 2).map(move |pair| (own, pair))) {
                    let [low, high] = [0, 1].map(|second| number(own, s * TERMS + 2 * pair + second).to_bits());
                    let tile: &mut Tile = &mut step[own / 16];
                    let (row, column) = if is_left { (own % 16, pair) } else { (pair, own % 16) };
                    tile[row][column] = f32::from_bits(u32::from(low) | u32::from(high) << 16);
                }
            }
            steps
        }

        fn left(row: usize, term: usize) -> bf16 {
            bf16::from_f32(((row * 37 + term * 11) as f32 * 0.7).sin())
        }

        fn right(column: usize, term: usize) -> bf16 {
            bf16::from_f32(((column * 23 + term * 5) as f32 * 0.3).cos())
        }

        #[test]
        fn sums_are_those_of_products() {
            let Some(amx) = amx() else { return };
            for count in [1, 2, 12] {
                // Two groups of rows.
                let two = [0, SIDE].map(|first| steps(count, true, |row, term| left(first + row, term))).concat();
                let mut groups = Vec::new();
                amx.multiply(&two, &steps(count, false, right), |group, Sums(sums)| {
                    groups.push(group);
                    for (row, column) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column))) {
                        let terms = 0..count * TERMS;
                        let products =
                            terms.map(|term| left(group * SIDE + row, term).to_f64() * right(column, term).to_f64());
                        let apart = (f64::from(sums[row][column]) - products.sum::<f64>()).abs();
                        assert!(apart < 1e-6 * (count * TERMS) as f64, "{count} {group} {row} {column}: {apart:e}");
                    }
                });
                assert_eq!(groups, [0, 1]);
            }
        }

        #[test]
        fn no_product_within_another() {
            let Some(amx) = amx() else { return };
            let [a, b] = [steps(1, true, left), steps(1, false, right)];
            let within = std::panic::catch_unwind(|| amx.multiply(&a, &b, |_, _| amx.multiply(&a, &b, |_, _| ())));
            let reason = *within.unwrap_err().downcast::<&str>().unwrap();
            assert!(reason.contains("no product within another"), "{reason}");
            // The outer one is over, too.
            amx.multiply(&a, &b, |_, _| ());
        }
    }
}
