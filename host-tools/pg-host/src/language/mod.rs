//! Word-level language models: texts and their vocabulary, trained models, and
//! their evaluation by the runtime's own layers.

pub mod corpus;
mod eval;
mod integer;
pub mod model;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod vocabulary;

pub use corpus::Corpus;
pub use eval::{LanguageEvaluation, evaluate};
pub use integer::IntegerModel;
pub use model::LanguageModel;
pub use vocabulary::{Text, Vocabulary};

#[cfg(test)]
mod tests;
