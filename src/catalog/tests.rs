//! Claims about the state machine.
