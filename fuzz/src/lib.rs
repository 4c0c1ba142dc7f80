//! What the fuzz targets share: the catalog that they ask, and what must hold of every answer. `tests/it/corpus.rs`
//! replays the corpus through the same checks.

#![allow(missing_docs)]

pub mod checks;
mod support;
