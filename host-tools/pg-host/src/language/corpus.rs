//! A directory with the texts of a language model.

use super::vocabulary::{Text, Vocabulary};
use crate::data::Split;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The three texts, in indices of the training text's vocabulary.
///
/// ```text
/// DIR/ptb.train.txt   one sentence a line, words between blanks
/// DIR/ptb.valid.txt
/// DIR/ptb.test.txt
/// ```
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Words of the training text.
    pub vocabulary: Vocabulary,
    /// What the parameters are fitted to.
    pub train: Text,
    /// What chooses an epoch.
    pub valid: Text,
    /// The final figure.
    pub test: Text,
}

impl Corpus {
    /// Reads `directory`; the vocabulary has the `limit` most frequent words of
    /// the training text.
    ///
    /// # Errors
    /// When a file is missing, is not UTF-8 or has no words, or has a word that
    /// the vocabulary has no place for.
    pub fn open(directory: &Path, limit: usize) -> Result<Self> {
        let (path, text) = load(directory, Split::Train)?;
        let vocabulary = Vocabulary::of(&text, limit, &path)?;
        Ok(Self {
            train: vocabulary.read(&text, &path)?,
            valid: read(directory, Split::Valid, &vocabulary)?,
            test: read(directory, Split::Test, &vocabulary)?,
            vocabulary,
        })
    }
}

/// One text of `directory`, in indices of `vocabulary`.
///
/// # Errors
/// As [`Corpus::open`].
pub fn read(directory: &Path, split: Split, vocabulary: &Vocabulary) -> Result<Text> {
    let (path, text) = load(directory, split)?;
    vocabulary.read(&text, &path)
}

/// Name and content of a file.
fn load(directory: &Path, split: Split) -> Result<(PathBuf, String)> {
    let path = directory.join(format!("ptb.{split}.txt"));
    let bytes = std::fs::read(&path).with_context(|| {
        format!(
            "cannot read {}; the directory has to have ptb.train.txt, ptb.valid.txt and \
             ptb.test.txt, one sentence a line",
            path.display()
        )
    })?;
    let text = String::from_utf8(bytes);
    let text = text.with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok((path, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_and_a_missing_or_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        let error = || format!("{:#}", Corpus::open(folder.path(), 100).unwrap_err());
        assert!(error().contains("ptb.train.txt"));
        put("ptb.train.txt", b" a b <unk> \n b \n");
        put("ptb.valid.txt", b" b zebra \n");
        assert!(error().contains("ptb.test.txt"));
        put("ptb.test.txt", b"a \xff\n");
        assert!(error().contains("not UTF-8"));
        put("ptb.test.txt", b"");
        assert!(error().contains("ptb.test.txt has no words"));
        put("ptb.test.txt", b"a a\n");
        let corpus = Corpus::open(folder.path(), 100).unwrap();
        assert_eq!(corpus.vocabulary.len(), 4);
        assert_eq!((corpus.train.words.len(), corpus.test.words.len()), (6, 3));
        assert_eq!((corpus.valid.replaced, corpus.test.replaced), (1, 0));
    }
}
