//! A UDP packet, through gate and answer, over both transports.

#![no_main]
#![allow(missing_docs)]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| callsign_fuzz::checks::packet(octets));
