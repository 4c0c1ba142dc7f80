//! Bounds of zone files: each is what a person never meets and a broken or hostile file does.

/// Octets of a file.
pub const FILE_OCTETS_MAX: usize = 512 * 1024 * 1024;
/// Octets of an entry, its comments included. A record's data of 65,535 octets, all of them escaped, has 262,140.
pub const ENTRY_OCTETS_MAX: usize = 1024 * 1024;
/// Zone files in a folder.
pub const FILES_MAX: usize = 1000;
/// Entries of a folder that are looked at, zone files or not.
pub const FOLDER_ENTRIES_MAX: usize = 100_000;
/// Octets of targets (of NS, MX, SRV and CNAME) that are kept to be looked up at the end.
pub(super) const TARGET_OCTETS_MAX: usize = 32 * 1024 * 1024;
