//! Judges a packet before anything else.
