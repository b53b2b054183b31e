//! The formula that gives every weight of a golden model its value, on both sides: `golden/formula.py` is its twin and
//! says why it has this form.
//!
//! ```text
//! u     = (FNV-1a 64 of the name, modulo 1 000 000) / 1 000 000
//! wave  = sin((1 + u) · (i + 1)²)               for the flat index i
//! value = shift + scale · wave                  in float64, rounded once to float32
//! ```

use tch::{Kind, Tensor};

use crate::Result;

/// The parameter `name` by the formula: float32 of the given shape.
///
/// # Errors
/// The formula is for parameters of one or two dimensions.
pub fn parameter_value(name: &str, shape: &[i64]) -> Result<Tensor> {
    let (shift, scale) = shift_and_scale(name, shape)?;
    let frequency = 1.0 + (fnv1a64(name) % 1_000_000) as f64 / 1e6;
    let elements: i64 = shape.iter().product();
    let values: Vec<f64> =
        (0..elements).map(|i| shift + scale * (frequency * ((i + 1) * (i + 1)) as f64).sin()).collect();
    Ok(Tensor::from_slice(&values).to_kind(Kind::Float).reshape(shape))
}

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>
fn fnv1a64(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn shift_and_scale(name: &str, shape: &[i64]) -> Result<(f64, f64)> {
    match *shape {
        [_] if name.ends_with(".weight") => Ok((1.0, 0.2)),
        [_] => Ok((0.0, 0.1)),
        [_, _] if name.contains("embeddings") => Ok((0.0, 0.2)),
        [_, inputs] => {
            let gain = if name.contains("query") || name.contains("key") { 2.0 } else { 1.0 };
            Ok((0.0, gain * (2.0 / inputs as f64).sqrt()))
        }
        _ => Err(format!("{name}: the formula is for one or two dimensions, this has shape {shape:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Values of the authors' own test suite.
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a64(text), hash, "{text:?}");
        }
    }

    #[test]
    fn other_dimensions_are_refused() {
        assert!(parameter_value("a.weight", &[2, 2, 2]).is_err());
    }
}
