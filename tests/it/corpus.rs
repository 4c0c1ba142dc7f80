//! The fuzzer's corpus, replayed: what it has found once holds in every run of the tests. `scripts/fuzz` looks for more.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/checks/mod.rs"]
#[allow(unreachable_pub)]
mod checks;

/// Fewer are no corpus: it was moved or lost.
const FILES_MIN: usize = 15;

/// Says which file it was.
struct Replayed<'a>(&'a Path);

impl Drop for Replayed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the check failed with {}", self.0.display());
        }
    }
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("read {}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry of the corpus").path())
        .collect();
    files.sort();
    assert!(
        files.len() >= FILES_MIN,
        "{} files in {}",
        files.len(),
        folder.display()
    );
    for file in &files {
        let octets = fs::read(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
        let replayed = Replayed(file);
        check(&octets);
        drop(replayed);
    }
}

#[test]
fn every_packet_of_the_corpus_gets_what_it_is_owed() {
    replay("packet", checks::packet);
}

#[test]
fn every_stream_of_the_corpus_gets_what_it_is_owed_in_any_segments() {
    replay("framing", checks::framing);
}

#[test]
fn every_zone_file_of_the_corpus_is_refused_with_a_reason_or_served_whole() {
    replay("zone_file", checks::zone_file);
}
