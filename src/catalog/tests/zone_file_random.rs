//! Random services and zone files from small pools of names, so that they meet: what is refused is what would hide
//! something, and the serial moves with what is published.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::*;
use super::static_oracle::{hides, hides_names_of, whole};
use super::static_records::*;
use super::{oracle, random};
use crate::catalog::*;

/// Owners below a zone; services of [`random`] have names among them.
const OWNERS: [&str; 25] = [
    "@",
    "web",
    "a.web",
    "v2.web",
    "b.api",
    "_tcp",
    "_web._tcp",
    "_http._tcp",
    "_http._tcp.web",
    "_tcp.web",
    "y",
    "x.y",
    "www.y",
    "www.x.y",
    "z",
    "c.z",
    "*",
    "*.web",
    "_dns._udp.web",
    "_main._tcp.v2.web",
    "_acme-challenge.web",
    "a",
    "0.a",
    "_a._tcp",
    "canary.web",
];

/// Each as the fixture writes it.
const RECORDS: [&str; 18] = [
    "A 192.0.2.200",
    "A 192.0.2.201",
    "60 A 192.0.2.202",
    "AAAA 2001:db8::200",
    "TXT text",
    "60 TXT other",
    "MX 10 www",
    "SRV 0 0 1 www",
    "CNAME www",
    "CNAME www",
    "DNAME www.example.com.",
    "NS ns.example.com.",
    "NS ns.example.com.",
    "NS ns.y",
    "DS x",
    "PTR www",
    "CAA x",
    "HTTPS 1 .",
];

/// A file that can be built, and the lines that it has.
pub(crate) fn lines(random: &mut fastrand::Rng, apex: &str, serial: u32) -> Vec<String> {
    for _ in 0..50 {
        let mut texts: Vec<String> = Vec::new();
        if random.bool() {
            let serial = serial.wrapping_add(random.u32(..7)).wrapping_sub(3);
            texts.push(format!("@ SOA {serial} {}", random.u32(60..62)));
        }
        for _ in 0..random.usize(..7) {
            let owner = OWNERS[random.usize(..OWNERS.len())];
            texts.push(format!("{owner} {}", RECORDS[random.usize(..RECORDS.len())]));
        }
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        if built(apex, &all).is_ok() {
            return texts;
        }
    }
    Vec::new()
}

/// A catalog with files, and one that has the same without files.
pub(crate) struct Both {
    pub(crate) real: Catalog,
    bare: Catalog,
    /// The lines of each file.
    pub(crate) files: BTreeMap<ZoneName, Vec<Line>>,
}

impl Both {
    pub(crate) fn new() -> Self {
        Self {
            real: Catalog::new(),
            bare: Catalog::new(),
            files: BTreeMap::new(),
        }
    }

    /// Whether anything is hidden, were these the files.
    fn hidden(state: &State, files: &BTreeMap<ZoneName, Vec<Line>>) -> bool {
        files.iter().any(|(name, lines)| {
            let Some(zone) = state.zones.get(name) else {
                return false;
            };
            let below = |lower: &ZoneName| {
                lower.below(name).is_some() && hides_names_of(lower.as_str(), name.as_str(), lines)
            };
            hides(state, zone, lines) || state.zones.keys().any(below)
        })
    }

    /// Makes the step of that seed in both, and holds the outcome against the oracle. The change, if it was made.
    pub(crate) fn step(&mut self, seed: u64) -> Result<Option<Change>, TestCaseError> {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let (operation, lines) = match dice.u8(..5) {
            0 | 1 => {
                let name = zone(random::ZONES[dice.usize(..random::ZONES.len())]);
                let serial = self.real.state.zones.get(&name).map_or(7, |zone| zone.serial);
                let lines = dice
                    .u8(..8)
                    .gt(&0)
                    .then(|| lines(&mut dice, name.as_str(), serial));
                let change = match &lines {
                    Some(lines) => {
                        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                        file(name.as_str(), &lines)
                    }
                    None => no_file(name.as_str()),
                };
                (Operation::from(change), lines.map(|lines| (name, lines)))
            }
            _ => {
                let change = random::operation(seed, &mut self.real).change;
                (Operation::from(change), None)
            }
        };
        self.bare.now = self.real.now;
        let mut files = self.files.clone();
        let mut is_fine = true;
        let mut bare = self.bare.clone();
        match &operation.change {
            Change::ZoneFile { zone, contents } => {
                if contents.is_some() && !bare.state.zones.contains_key(zone) {
                    let made = bare.attempt(Change::PutZone {
                        zone: zone.clone(),
                        settings: ZoneSettings::default(),
                    });
                    is_fine = made.is_ok();
                }
                files.remove(zone);
                if let Some((name, lines)) = lines {
                    let lines = lines.iter().map(|text| line(name.as_str(), text));
                    files.insert(name.clone(), lines.collect());
                }
            }
            Change::DeleteZone { zone } if files.contains_key(zone) => is_fine = false,
            _ => is_fine = bare.attempt(operation.clone()).is_ok(),
        }
        is_fine &= !Self::hidden(&bare.state, &files);

        let before = self.real.state.clone();
        let files_before = self.files.clone();
        let outcome = self.real.attempt(operation.clone());
        prop_assert_eq!(
            outcome.is_ok(),
            is_fine,
            "{:?}\n{:?}\nfiles {:#?}",
            outcome.as_ref().err(),
            operation,
            files
        );
        let Ok(effect) = outcome else {
            return Ok(None);
        };
        (self.bare, self.files) = (bare, files);
        for (name, zone) in &self.real.state.zones {
            let Some(old) = before.zones.get(name) else {
                continue;
            };
            let lines_of =
                |files: &BTreeMap<ZoneName, Vec<Line>>| files.get(name).cloned().unwrap_or_default();
            let differs = whole(&before, old, &lines_of(&files_before))
                != whole(&self.real.state, zone, &lines_of(&self.files));
            let newer = match &operation.change {
                Change::ZoneFile {
                    zone: changed,
                    contents: Some(contents),
                } if changed == name => contents
                    .soa()
                    .is_some_and(|soa| (1..1 << 31).contains(&soa.serial.wrapping_sub(old.serial))),
                _ => false,
            };
            prop_assert_eq!(
                zone.serial != old.serial,
                differs || newer,
                "{}: {:?}",
                name,
                operation
            );
            let ahead = zone.serial.wrapping_sub(old.serial);
            prop_assert!(ahead < 1 << 31, "{}: it went back", name);
        }
        Ok(effect.changed().then_some(operation.change))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// A file, a service or a zone is refused if and only if something would be hidden; the serial moves if and only
    /// if what is published differs, or the file's is newer.
    #[test]
    fn nothing_is_hidden_nothing_is_refused_in_vain_and_serials_move_with_records(seeds in random::seeds(60)) {
        let mut both = Both::new();
        for seed in seeds {
            both.step(seed)?;
        }
        // Services are what they would be without files.
        for (name, zone) in &both.real.state.zones {
            let bare = &both.bare.state.zones[name];
            prop_assert_eq!(
                oracle::rrsets(&oracle::table(&both.real.state, zone)),
                oracle::rrsets(&oracle::table(&both.bare.state, bare))
            );
        }
    }
}
