//! What the tests share. Nothing in here knows the library's insides: it speaks to the program over sockets and
//! judges bytes by itself. [`server`] alone starts the library, to give it a clock that a test moves.
//!
//! - [`disk`]: what a power loss may leave of what was written.
//! - [`dns`]: messages built and judged byte by byte, over UDP and TCP.
//! - [`http`]: a blocking HTTP/1.1 client.
//! - [`program`]: the real program, started on free ports, killed and started again.
//! - [`strace`], [`trace`]: the program under strace, with calls that fail, and what strace tells.
//! - [`server`]: a server in this process, whose clock the test moves.

// No test needs all of it, and what one test stops using the next will want.
#![allow(dead_code, unused_imports)]

pub(crate) mod disk;
pub(crate) mod dns;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod server;
pub(crate) mod strace;
pub(crate) mod trace;
