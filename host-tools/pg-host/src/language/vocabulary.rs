//! The words a model knows, and texts as indices into them.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Ends every line of a text.
pub const END: &str = "<eos>";
/// Stands for every word outside the vocabulary, where it has this one.
pub const UNKNOWN: &str = "<unk>";

/// A text of which not one word in so many is known is refused: it is not one that
/// the model could say anything of. The ten most frequent words are a fifth of a text.
const STRANGE: usize = 20;

/// Words in the order of a model's outputs: by falling frequency in the
/// training text, words that are equally frequent in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    index: HashMap<String, u32>,
}

/// A text in indices of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The words, every line ended by [`END`].
    pub words: Vec<u32>,
    /// Of these, how many the vocabulary does not have: they are [`UNKNOWN`].
    pub replaced: usize,
}

impl Vocabulary {
    /// The `limit` most frequent words of `text`, [`END`] in any case.
    ///
    /// # Errors
    /// When the text has no words; `file` names it.
    pub fn of(text: &str, limit: usize, file: &Path) -> Result<Self> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for word in text.lines().flat_map(str::split_whitespace) {
            *counts.entry(word).or_default() += 1;
        }
        ensure!(!counts.is_empty(), "{} has no words", file.display());
        *counts.entry(END).or_default() += text.lines().count() as u64;
        // A map in the order of its keys, sorted stably.
        let mut words: Vec<(&str, u64)> = counts.into_iter().collect();
        words.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
        let end = words.iter().position(|(word, _)| *word == END);
        if end.is_some_and(|place| place >= limit) {
            words.truncate(limit.saturating_sub(1));
            words.push((END, 0));
        }
        words.truncate(limit);
        Self::new(words.into_iter().map(|(word, _)| word.to_owned()).collect())
    }

    /// A vocabulary of `words`, in this order.
    ///
    /// # Errors
    /// When a word is empty, has white space or stands twice, or [`END`] is
    /// missing.
    pub fn new(words: Vec<String>) -> Result<Self> {
        let mut index = HashMap::with_capacity(words.len());
        for (place, word) in words.iter().enumerate() {
            ensure!(
                !word.is_empty() && !word.contains(char::is_whitespace),
                "{word:?} is not a word"
            );
            let place = u32::try_from(place).context("too many words")?;
            ensure!(
                index.insert(word.clone(), place).is_none(),
                "{word:?} stands twice in the vocabulary"
            );
        }
        ensure!(index.contains_key(END), "the vocabulary has no {END}");
        Ok(Self { words, index })
    }

    /// The words, in order.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none: never, [`END`] is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Index of a word.
    #[must_use]
    pub fn get(&self, word: &str) -> Option<u32> {
        self.index.get(word).copied()
    }

    /// Index of [`END`].
    #[must_use]
    pub fn end(&self) -> u32 {
        self.index[END]
    }

    /// Reads a text. A word that the vocabulary does not have is [`UNKNOWN`],
    /// if it has that.
    ///
    /// # Errors
    /// When the text has no words, when hardly any is in the vocabulary, or when a
    /// word is not and neither is [`UNKNOWN`]: names the word, its line and `file`.
    pub fn read(&self, text: &str, file: &Path) -> Result<Text> {
        let unknown = self.get(UNKNOWN);
        let mut words = Vec::with_capacity(text.len() / 5);
        let mut replaced = 0;
        for (number, line) in text.lines().enumerate() {
            for word in line.split_whitespace() {
                match (self.get(word), unknown) {
                    (Some(index), _) => words.push(index),
                    (None, Some(index)) => {
                        replaced += 1;
                        words.push(index);
                    }
                    (None, None) => bail!(
                        "{:?}, line {} of {}, is not in the vocabulary of {} words, and neither \
                         is {UNKNOWN}",
                        word,
                        number + 1,
                        file.display(),
                        self.len()
                    ),
                }
            }
            words.push(self.end());
        }
        // As many ends as lines: nothing else is no text.
        let found = words.len() - text.lines().count();
        ensure!(found > 0, "{} has no words", file.display());
        ensure!(
            STRANGE * (found - replaced) >= found,
            "only {} of the {found} words of {} are among the {} of the vocabulary: is it in \
             another language, or the model of another text?",
            found - replaced,
            file.display(),
            self.len()
        );
        Ok(Text { words, replaced })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, limit: usize) -> Vocabulary {
        Vocabulary::of(text, limit, Path::new("text")).unwrap()
    }

    #[test]
    fn words_stand_by_falling_frequency_then_by_their_bytes() {
        let v = of(" b a b \n c a b <unk> \n", 100);
        assert_eq!(v.words(), ["b", END, "a", UNKNOWN, "c"]);
        assert_eq!((v.get("c"), v.get("d"), v.end()), (Some(4), None, 1));
        assert_eq!(Vocabulary::new(v.words().to_vec()).unwrap(), v);
    }

    #[test]
    fn a_limit_keeps_the_most_frequent_and_the_end_of_a_line() {
        assert_eq!(of("a a b b c\n", 3).words(), ["a", "b", END]);
        assert_eq!(of("a a a b b c c\n\n", 2).words(), ["a", END]);
    }

    #[test]
    fn texts_end_their_lines_and_know_what_they_do_not_know() {
        let v = of("a b <unk>\n", 100);
        let text = v.read("b a\nx b", Path::new("t")).unwrap();
        let at = |w: &str| v.get(w).unwrap();
        let (a, b, end, unknown) = (at("a"), at("b"), at(END), at(UNKNOWN));
        assert_eq!(text.words, [b, a, end, unknown, b, end]);
        assert_eq!(text.replaced, 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let v = of("a b\n", 100);
        let error = |text: &str| {
            let error = v.read(text, Path::new("some.txt")).unwrap_err();
            format!("{error:#}")
        };
        let e = error("a\na b zebra\n");
        assert!(
            e.contains("\"zebra\"") && e.contains("line 2") && e.contains("some.txt"),
            "{e}"
        );
        assert!(error("").contains("some.txt has no words"));
        let v = of("a b <unk>\n", 9);
        let strange = "der die das und ".repeat(4);
        let e = v
            .read(&(strange.clone() + "\n"), Path::new("x"))
            .unwrap_err();
        assert!(e.to_string().contains("only 0 of the 16 words"), "{e}");
        assert_eq!(
            v.read(&(strange + "a\n"), Path::new("x")).unwrap().replaced,
            16
        );
        assert!(error(" \n\n").contains("no words"));
        assert!(Vocabulary::of("\n \n", 9, Path::new("x")).is_err());
        for bad in [&["a"][..], &[END, "a", "a"], &[END, ""], &[END, "a b"]] {
            assert!(Vocabulary::new(bad.iter().map(|w| (*w).to_owned()).collect()).is_err());
        }
    }
}
