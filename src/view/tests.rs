//! Claims about the read model.
