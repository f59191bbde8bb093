//! Snippets whose cycles the cores' manuals state.
