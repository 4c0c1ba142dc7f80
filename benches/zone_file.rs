//! A large zone file: how long it takes from the disk to records that can be answered from, and the most memory that
//! the process has held by then.
//!
//! `cargo bench --bench zone_file -- [RECORDS]` (1,000,000 by default; two files, each read 3 times in a process of its
//! own, the median counts)

#![allow(missing_docs, clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use callsign::zonefile;

/// Set in the process that reads: the file.
const READ: &str = "CALLSIGN_BENCH_ZONE_FILE";
const READS: usize = 3;

fn main() {
    if let Some(path) = std::env::var_os(READ) {
        return read(Path::new(&path));
    }
    let records: usize = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a folder");
    for (name, write) in [
        ("hosts", hosts as fn(&mut dyn Write, usize) -> std::io::Result<()>),
        ("mixed", mixed),
    ] {
        let path = dir.path().join(format!("{name}.example.org.zone"));
        let mut file = BufWriter::new(File::create(&path).expect("a file"));
        write(&mut file, records).expect("room on the disk");
        file.flush().expect("room on the disk");
        let octets = fs::metadata(&path).expect("the file").len();
        let mut reads: Vec<_> = (0..READS).map(|_| measured(&path)).collect();
        reads.sort_unstable();
        let (ms, peak_kib, said) = &reads[READS / 2];
        println!(
            "{name}: {said} from {} MiB: {ms} ms, {} MiB at most",
            octets >> 20,
            peak_kib >> 10
        );
    }
}

/// Reads the file in a process of its own: milliseconds, the most KiB it had resident, what it read.
fn measured(path: &Path) -> (u64, u64, String) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .env(READ, path)
        .output()
        .expect("it runs again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields: Vec<_> = said.trim().splitn(3, ' ').collect();
    let [ms, kib, rest] = fields[..] else {
        panic!("it failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    let number = |text: &str| text.parse().expect("a number");
    (number(ms), number(kib), rest.to_string())
}

fn read(path: &Path) {
    let started = Instant::now();
    let zone = zonefile::read(path, None).expect("a right zone file");
    let took = started.elapsed();
    println!(
        "{} {} {} records, {} names",
        took.as_millis(),
        peak_kib(),
        zone.contents.records(),
        zone.contents.names()
    );
}

/// The most memory that was resident.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

const HEAD: &str = "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 15m 1w 5m\n@ NS ns1\nns1 A 192.0.2.1\n";

/// Hosts, each with an address.
fn hosts(out: &mut dyn Write, records: usize) -> std::io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    for number in 0..records {
        let [_, b, c, d] = (number as u32).to_be_bytes();
        writeln!(out, "h{number:07} A 10.{b}.{c}.{d}")?;
    }
    Ok(())
}

/// Five records of five types at each name, out of order.
fn mixed(out: &mut dyn Write, records: usize) -> std::io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    let names = records / 5;
    for number in 0..names {
        // A step that is prime to the number of names: each once, in no order.
        let name = number * 7919 % names;
        let [_, b, c, d] = (name as u32).to_be_bytes();
        writeln!(out, "host-{name}.site{}\t600\tIN\tA\t10.{b}.{c}.{d}", name % 100)?;
        writeln!(out, "\t\t\tAAAA\t2001:db8::{b:x}:{c:x}:{d:x}")?;
        writeln!(
            out,
            "\t\t\tTXT\t( \"v=1; number={name}\" ; a comment\n\t\t\t\"second \\\"string\\\"\" )"
        )?;
        writeln!(
            out,
            "\t\t\tMX\t10 host-{}.site{}",
            (name + 1) % names,
            (name + 1) % names % 100
        )?;
        writeln!(
            out,
            "_http._tcp.host-{name}.site{} SRV 0 1 8080 host-{name}.site{}",
            name % 100,
            name % 100
        )?;
    }
    Ok(())
}
