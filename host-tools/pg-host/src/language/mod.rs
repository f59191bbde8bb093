//! Word-level language models: texts and their vocabulary, trained models, their
//! images, and evaluation by the runtime's own layers.

pub mod corpus;
mod eval;
mod export;
mod image;
pub mod model;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod vocabulary;

pub use corpus::Corpus;
pub use eval::{LanguageEvaluation, evaluate};
pub use export::{export, with_words};
pub use image::{LanguageImage, vocabulary as image_vocabulary};
pub use model::LanguageModel;
pub use vocabulary::{Text, Vocabulary};

#[cfg(test)]
mod tests;
