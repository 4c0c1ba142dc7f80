//! Claims about deadlines.
