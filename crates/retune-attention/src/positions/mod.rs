//! How a model learns where a token stands: positions added to the embeddings ([`sinusoidal`], or a learned
//! [`Embedding`](crate::Embedding)), rotations of queries and keys ([`rotary`]), biases of the scores ([`relative`],
//! [`disentangled`]).

pub mod disentangled;
pub mod relative;
pub mod rotary;
pub mod sinusoidal;
