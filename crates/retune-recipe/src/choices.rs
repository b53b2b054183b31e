//! Settings with a closed set of values.
//!
//! Each is an enum that reads and writes the one spelling that recipes, flags, `plan.toml` and JSON use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::nearest;

/// A word that is none of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found '{found}'{}", nearest::did_you_mean(*.suggestion))]
pub struct ChoiceError {
    /// The choices, listed as in "a, b or c".
    pub expected: String,
    /// The word that was given.
    pub found: String,
    /// The choice nearest to it, if one is near.
    pub suggestion: Option<&'static str>,
}

impl ChoiceError {
    pub(crate) fn new(names: &[&'static str], found: &str) -> Self {
        let suggestion = nearest::word(found, names.iter().copied());
        ChoiceError { expected: one_of(names), found: found.to_owned(), suggestion }
    }
}

/// Lists names as in "a, b or c".
pub(crate) fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// Declares an enum of plain choices with the spelling of each, and the conversions that the spelling gives.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every choice's spelling, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($text),+];

            /// The spelling in recipes and flags.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = ChoiceError;

            fn from_str(text: &str) -> Result<Self, ChoiceError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(ChoiceError::new(Self::NAMES, text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        through_text!($name);
    };
}

/// The conversions that serde takes, by way of `FromStr` and `Display`.
macro_rules! through_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = ChoiceError;

            fn try_from(text: String) -> Result<Self, ChoiceError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(choice: $name) -> String {
                choice.to_string()
            }
        }
    };
}

choices! {
    /// How a data file is written.
    DataFormat {
        /// As the file's extension says.
        Auto = "auto",
        /// Comma-separated values, quoted as in RFC 4180.
        Csv = "csv",
        /// Tab-separated values, quoted like CSV.
        Tsv = "tsv",
        /// Tab-separated values in which a quotation mark is a character like any other, as in the GLUE files.
        TsvUnquoted = "tsv-unquoted",
        /// One JSON document that holds an array of objects or of lists, or several.
        Json = "json",
        /// One JSON object, or list, on each line.
        Jsonl = "jsonl",
        /// Apache Parquet.
        Parquet = "parquet",
        /// Apache Arrow, a file (Feather) or a stream.
        Arrow = "arrow",
        /// Plain text, one example on each line.
        Text = "text",
        /// One token and its tags on each line, an empty line after each sentence.
        Conll = "conll",
        /// Questions on paragraphs, as in SQuAD.
        Squad = "squad",
    }
}

choices! {
    /// The number format that the model computes in.
    Precision {
        /// 32-bit floats throughout.
        Fp32 = "fp32",
        /// Matrix products in bfloat16; weights, sums and the optimiser in 32 bits.
        Bf16 = "bf16",
        /// Matrix products in float16, the loss scaled so that gradients stay within its range; the rest in 32 bits.
        Fp16 = "fp16",
        /// Factors of matrix products in TF32, which NVIDIA's GPUs since Ampere multiply; all else in 32 bits.
        Tf32 = "tf32",
    }
}

/// Where the model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The first GPU if there is one that works, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA GPU of this index. Plain `cuda` means the first, `cuda:0`.
    Cuda(usize),
}

impl DeviceChoice {
    /// Every choice's spelling, in the order of the documentation.
    pub const NAMES: &[&str] = &["auto", "cpu", "cuda", "cuda:N"];
}

impl FromStr for DeviceChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "auto" => return Ok(DeviceChoice::Auto),
            "cpu" => return Ok(DeviceChoice::Cpu),
            "cuda" => return Ok(DeviceChoice::Cuda(0)),
            _ => {}
        }
        // `parse` alone would take "+1" too.
        text.strip_prefix("cuda:")
            .filter(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|index| index.parse().ok())
            .map(DeviceChoice::Cuda)
            .ok_or_else(|| {
                let error = ChoiceError::new(Self::NAMES, text);
                // By its letters "gpu" is nearest to "cpu", which is the one thing that it does not mean.
                if text.to_lowercase().contains("gpu") {
                    ChoiceError { suggestion: Some("cuda"), ..error }
                } else {
                    error
                }
            })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.pad("auto"),
            DeviceChoice::Cpu => f.pad("cpu"),
            DeviceChoice::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

through_text!(DeviceChoice);

pub(crate) use {choices, through_text};
