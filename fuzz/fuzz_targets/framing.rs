//! What a TCP client may send, whatever the segments are.

#![no_main]
#![allow(missing_docs)]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| callsign_fuzz::checks::framing(octets));
