//! Two tensors that ought to be equal: how far they are apart, and where.

use std::fmt;

use tch::{Kind, Tensor};

use crate::Result;

/// The element at which two tensors differ most. What is not a number differs more than anything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// Its index.
    pub index: Vec<i64>,
    /// The value there.
    pub found: f64,
    /// The value that ought to be there.
    pub expected: f64,
}

impl Worst {
    /// The absolute difference.
    pub fn difference(&self) -> f64 {
        // Equal infinities are equal, and have no difference.
        if self.found == self.expected { 0.0 } else { (self.found - self.expected).abs() }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: found {}, expected {}", self.index, self.found, self.expected)
    }
}

/// The element at which two tensors of one shape differ most, compared in float64.
///
/// # Errors
/// The shapes differ, or there is no element.
pub fn worst(found: &Tensor, expected: &Tensor) -> Result<Worst> {
    let shape = expected.size();
    if found.size() != shape {
        return Err(format!("found shape {:?}, expected {shape:?}", found.size()).into());
    }
    if expected.numel() == 0 {
        return Err("there is nothing to compare".into());
    }
    let (found, expected) = (flat(found), flat(expected));
    let equal = found.eq_tensor(&expected);
    let apart = (&found - &expected).abs().masked_fill(&equal, 0.0);
    // libtorch takes what is not a number for the largest.
    let mut place = i64::try_from(apart.argmax(0, false))?;
    let (at_found, at_expected) = (found.double_value(&[place]), expected.double_value(&[place]));
    let mut index = vec![0; shape.len()];
    for (axis, size) in shape.iter().enumerate().rev() {
        index[axis] = place % size;
        place /= size;
    }
    Ok(Worst { index, found: at_found, expected: at_expected })
}

fn flat(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(Kind::Double).reshape([-1])
}

/// How far something is from the reference, and how far it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was compared: `logits`, `gradient`.
    pub what: String,
    /// Which of its kind: a parameter's name; empty where there is one only.
    pub name: String,
    /// How many numbers were compared.
    pub elements: usize,
    /// The largest absolute difference, or that of the whole relative to its norm.
    pub difference: f64,
    /// The largest difference that passes.
    pub bound: f64,
    /// Where the difference is largest.
    pub worst: Worst,
}

impl Comparison {
    /// The largest absolute difference of an element.
    ///
    /// # Errors
    /// The shapes differ, or there is no element.
    pub fn absolute(what: &str, name: &str, found: &Tensor, expected: &Tensor, bound: f64) -> Result<Self> {
        let worst = worst(found, expected).map_err(|error| format!("{what} {name}: {error}"))?;
        let (what, name) = (what.to_owned(), name.to_owned());
        Ok(Self { what, name, elements: expected.numel(), difference: worst.difference(), bound, worst })
    }

    /// The difference in norm: `‖found − expected‖ / ‖expected‖`.
    ///
    /// # Errors
    /// The shapes differ, or there is no element.
    pub fn relative(what: &str, name: &str, found: &Tensor, expected: &Tensor, bound: f64) -> Result<Self> {
        let elementwise = Self::absolute(what, name, found, expected, bound)?;
        let apart = (flat(found) - flat(expected)).norm().double_value(&[]);
        // Of two zeros the quotient is not a number, and they are equal.
        let difference = if apart == 0.0 { 0.0 } else { apart / flat(expected).norm().double_value(&[]) };
        Ok(Self { difference, ..elementwise })
    }

    /// Whether the difference is within the bound; one that is not a number is not.
    pub fn passes(&self) -> bool {
        self.difference <= self.bound
    }

    /// The difference in bounds: over 1 is too much, and what is not a number is infinitely much.
    pub fn severity(&self) -> f64 {
        match self.difference / self.bound {
            _ if self.difference == 0.0 => 0.0,
            ratio if ratio.is_nan() => f64::INFINITY,
            ratio => ratio,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, difference, bound, worst, .. } = self;
        write!(formatter, "{what} {name}: difference {difference:.1e}, bound {bound:.1e}; at {worst}")
    }
}

/// The comparisons that do not pass, a line each; empty where all do.
pub fn failures(comparisons: &[Comparison]) -> String {
    let lines: Vec<String> =
        comparisons.iter().filter(|comparison| !comparison.passes()).map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(found: &[f64], expected: &[f64]) -> Comparison {
        Comparison::absolute("x", "", &Tensor::from_slice(found), &Tensor::from_slice(expected), 0.1).unwrap()
    }

    #[test]
    fn the_worst_element_is_named_by_its_index() {
        let expected = Tensor::from_slice(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0]).view([2, 3]);
        let found = Tensor::from_slice(&[0f32, 1.0, 2.0, 3.5, 4.25, 5.0]).view([2, 3]);
        let worst = worst(&found, &expected).unwrap();
        assert_eq!(worst, Worst { index: vec![1, 0], found: 3.5, expected: 3.0 });
        assert_eq!(worst.to_string(), "[1, 0]: found 3.5, expected 3");
    }

    #[test]
    fn what_is_not_a_number_never_passes() {
        for (found, expected) in
            [([0.0, f64::NAN], [9.0, 0.0]), ([f64::INFINITY, 0.0], [0.0; 2]), ([0.0; 2], [f64::NAN, 0.0])]
        {
            let comparison = compare(&found, &expected);
            assert!(!comparison.passes() && comparison.severity() == f64::INFINITY, "{comparison}");
            assert!(!failures(&[comparison]).is_empty());
        }
        assert!(compare(&[f64::INFINITY], &[f64::INFINITY]).passes());
        assert!(compare(&[1.05], &[1.0]).passes());
    }

    #[test]
    fn relative_is_to_the_expected_norm() {
        let relative = |found: &[f64], expected: &[f64]| {
            let comparison =
                Comparison::relative("x", "", &Tensor::from_slice(found), &Tensor::from_slice(expected), 0.1);
            comparison.unwrap().difference
        };
        assert_eq!(relative(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
        assert_eq!(relative(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative(&[1.0], &[0.0]), f64::INFINITY);
    }

    #[test]
    fn shapes_that_differ_are_an_error() {
        let error = worst(&Tensor::from_slice(&[1.0, 2.0]), &Tensor::from_slice(&[1.0])).unwrap_err();
        assert_eq!(error.to_string(), "found shape [2], expected [1]");
    }
}
