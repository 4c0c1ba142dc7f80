//! A zone file, and then its zone, asked for everything in it.

#![no_main]
#![allow(missing_docs)]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| callsign_fuzz::checks::zone_file(octets));
