//! Word-level language models: texts and their vocabulary, trained models, and
//! their evaluation by the runtime's own layers.

pub mod corpus;
pub mod model;
pub mod vocabulary;

pub use corpus::Corpus;
pub use model::LanguageModel;
pub use vocabulary::{Text, Vocabulary};
