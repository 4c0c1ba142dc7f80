//! A zone's services by label, held in each way that was considered: a look-up of a hit and of a miss, one change with
//! its publication, and memory.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use crate::median;
use crate::support;
use arc_swap::ArcSwap;
use callsign::view::{Laid, Table};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use imbl::shared_ptr::DefaultSharedPtr;

const LOOKUPS: usize = 262_144;
const CHANGES: usize = 512;
const ROUNDS: usize = 7;
const BATCH: usize = 64;

/// What each of them must do.
trait Held {
    const NAME: &'static str;
    fn of(services: Vec<Laid>) -> Self;
    /// Something of the service of that label; 0 if there is none.
    fn find(&self, label: &[u8]) -> u32;
    fn replace(&mut self, service: Laid);
    /// Look-ups in batches, with what the way offers to overlap them.
    fn find_all(&self, labels: &[Vec<u8>]) -> u32 {
        labels.iter().fold(0, |sum, label| sum ^ self.find(label))
    }
}

/// What an answer reads at least.
fn read(service: &Laid) -> u32 {
    let view = service.view();
    u32::from_ne_bytes(view.v4(0)) | u32::from(view.label()[0])
}

/// A service that is found by its label.
#[derive(Clone)]
struct Slot(Laid);

impl Borrow<[u8]> for Slot {
    fn borrow(&self) -> &[u8] {
        self.0.view().label()
    }
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.view().label().hash(state);
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.0.view().label() == other.0.view().label()
    }
}

impl Eq for Slot {}

/// Pages of our own.
struct Pages(ArcSwap<Table>);

impl Held for Pages {
    const NAME: &'static str = "wide pages, ours";

    fn of(services: Vec<Laid>) -> Self {
        Self(ArcSwap::from_pointee(Table::of(services.into_iter())))
    }

    fn find(&self, label: &[u8]) -> u32 {
        let table = self.0.load();
        table.find(table.hash(label), label).map_or(0, read)
    }

    fn replace(&mut self, service: Laid) {
        let mut next = Table::clone(&self.0.load());
        next.insert(service);
        self.0.store(Arc::new(next));
    }
}

/// The same, looking ahead over batches.
struct PagesAhead(Pages);

impl Held for PagesAhead {
    const NAME: &'static str = "the same, 64 ahead";

    fn of(services: Vec<Laid>) -> Self {
        Self(Pages::of(services))
    }

    fn find(&self, label: &[u8]) -> u32 {
        self.0.find(label)
    }

    fn replace(&mut self, service: Laid) {
        self.0.replace(service);
    }

    fn find_all(&self, labels: &[Vec<u8>]) -> u32 {
        let table = self.0.0.load();
        let mut sum = 0;
        let mut hashes = [0; BATCH];
        for batch in labels.chunks(BATCH) {
            for (hash, label) in hashes.iter_mut().zip(batch) {
                *hash = table.hash(label);
            }
            let hashes = &hashes[..batch.len()];
            black_box(hashes.iter().fold(0, |sum, hash| sum ^ table.touch_page(*hash)));
            black_box(
                hashes
                    .iter()
                    .fold(0, |sum, hash| sum ^ table.touch_service(*hash)),
            );
            for (hash, label) in hashes.iter().zip(batch) {
                sum ^= table.find(*hash, label).map_or(0, read);
            }
        }
        sum
    }
}

/// A tree of hashes, whose nodes are shared between snapshots.
struct Tree(ArcSwap<imbl::GenericHashMap<Slot, (), RandomState, DefaultSharedPtr>>);

impl Held for Tree {
    const NAME: &'static str = "persistent HAMT (imbl)";

    fn of(services: Vec<Laid>) -> Self {
        Self(ArcSwap::from_pointee(
            services.into_iter().map(|service| (Slot(service), ())).collect(),
        ))
    }

    fn find(&self, label: &[u8]) -> u32 {
        self.0
            .load()
            .get_key_value(label)
            .map_or(0, |(slot, ())| read(&slot.0))
    }

    fn replace(&mut self, service: Laid) {
        let mut next = imbl::GenericHashMap::clone(&self.0.load());
        next.remove(service.view().label());
        next.insert(Slot(service), ());
        self.0.store(Arc::new(next));
    }
}

/// One map that readers and writer share: no snapshot.
struct Concurrent(papaya::HashMap<Box<[u8]>, Laid, RandomState>);

impl Held for Concurrent {
    const NAME: &'static str = "concurrent map (papaya)";

    fn of(services: Vec<Laid>) -> Self {
        let map = papaya::HashMap::with_capacity_and_hasher(services.len(), RandomState::default());
        for service in services {
            map.pin().insert(service.view().label().into(), service);
        }
        Self(map)
    }

    fn find(&self, label: &[u8]) -> u32 {
        self.0.pin().get(label).map_or(0, read)
    }

    fn replace(&mut self, service: Laid) {
        self.0.pin().insert(service.view().label().into(), service);
    }

    fn find_all(&self, labels: &[Vec<u8>]) -> u32 {
        let map = self.0.pin();
        labels
            .iter()
            .fold(0, |sum, label| sum ^ map.get(&label[..]).map_or(0, read))
    }
}

/// Tables of some services each, each replaced whole: no snapshot of all.
struct Shards {
    shards: Box<[ArcSwap<HashTable<Laid>>]>,
    seeds: RandomState,
}

/// Services of a shard, and of a shard of bodies.
const SHARD: usize = 64;
const BODIES: usize = 16;

fn sharded(services: Vec<Laid>, each: usize, seeds: &RandomState) -> Vec<Vec<Laid>> {
    let count = (services.len() / each).next_power_of_two();
    let mut shards = vec![Vec::new(); count];
    for service in services {
        shards[shard_of(seeds.hash_one(service.view().label()), count)].push(service);
    }
    shards
}

fn shard_of(hash: u64, shards: usize) -> usize {
    (hash >> 32) as usize & (shards - 1)
}

impl Held for Shards {
    const NAME: &'static str = "sharded copies behind arc-swap";

    fn of(services: Vec<Laid>) -> Self {
        let seeds = RandomState::default();
        let hash = |service: &Laid| seeds.hash_one(service.view().label());
        let shards = sharded(services, SHARD, &seeds).into_iter().map(|services| {
            let mut table = HashTable::with_capacity(services.len());
            for service in services {
                table.insert_unique(hash(&service), service, hash);
            }
            ArcSwap::from_pointee(table)
        });
        let shards = shards.collect();
        Self { shards, seeds }
    }

    fn find(&self, label: &[u8]) -> u32 {
        let hash = self.seeds.hash_one(label);
        let shard = self.shards[shard_of(hash, self.shards.len())].load();
        shard
            .find(hash, |service| service.view().label() == label)
            .map_or(0, read)
    }

    fn replace(&mut self, service: Laid) {
        let hash = self.seeds.hash_one(service.view().label());
        let shard = &self.shards[shard_of(hash, self.shards.len())];
        let mut next = HashTable::clone(&shard.load());
        if let Some(old) = next.find_mut(hash, |old| old.view().label() == service.view().label()) {
            *old = service;
        }
        shard.store(Arc::new(next));
    }
}

/// Bodies end to end, with an octet of the hash and the end of each: a page holds what it leads to.
#[derive(Default)]
struct Bodies {
    marks: Vec<u8>,
    ends: Vec<u32>,
    words: Vec<u32>,
}

impl Bodies {
    fn push(&mut self, hash: u64, body: &[u32]) {
        self.marks.push(hash as u8);
        self.words.extend_from_slice(body);
        self.ends.push(self.words.len() as u32);
    }

    fn at(&self, place: usize) -> &[u32] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start as usize..self.ends[place] as usize]
    }

    fn place(&self, hash: u64, label: &[u8]) -> Option<usize> {
        let body = |place: usize| -> &[u8] { bytemuck::cast_slice(self.at(place)) };
        let mut places = (0..self.marks.len()).filter(|place| self.marks[*place] == hash as u8);
        places
            .find(|place| body(*place)[1..].starts_with(label) && usize::from(body(*place)[0]) == label.len())
    }
}

/// A body as long as the service's block: its label first.
fn body(service: &Laid) -> Vec<u32> {
    let label = service.view().label();
    let mut octets = vec![label.len() as u8];
    octets.extend_from_slice(label);
    octets.resize(service.octets().next_multiple_of(4), 1);
    let (words, _) = octets.as_chunks::<4>();
    words.iter().map(|octets| u32::from_ne_bytes(*octets)).collect()
}

/// Shards of bodies.
struct Arena {
    shards: Box<[ArcSwap<Bodies>]>,
    seeds: RandomState,
}

impl Held for Arena {
    const NAME: &'static str = "arena of bodies, sharded";

    fn of(services: Vec<Laid>) -> Self {
        let seeds = RandomState::default();
        let shards = sharded(services, BODIES, &seeds).into_iter().map(|services| {
            let mut bodies = Bodies::default();
            for service in &services {
                bodies.push(seeds.hash_one(service.view().label()), &body(service));
            }
            bodies.words.shrink_to_fit();
            ArcSwap::from_pointee(bodies)
        });
        let shards = shards.collect();
        Self { shards, seeds }
    }

    fn find(&self, label: &[u8]) -> u32 {
        let hash = self.seeds.hash_one(label);
        let bodies = self.shards[shard_of(hash, self.shards.len())].load();
        let place = bodies.place(hash, label);
        place.map_or(0, |place| bodies.at(place)[0] | bodies.at(place)[20])
    }

    fn replace(&mut self, service: Laid) {
        let label = service.view().label();
        let hash = self.seeds.hash_one(label);
        let shard = &self.shards[shard_of(hash, self.shards.len())];
        let old = shard.load();
        let replaced = old.place(hash, label);
        let mut next = Bodies::default();
        next.words.reserve(old.words.len() + service.octets());
        for place in 0..old.marks.len() {
            if Some(place) == replaced {
                next.push(hash, &body(&service));
            } else {
                next.push(u64::from(old.marks[place]), old.at(place));
            }
        }
        shard.store(Arc::new(next));
    }
}

/// What is measured of one of them.
struct Figures {
    octets: u64,
    hit: Vec<u64>,
    miss: Vec<u64>,
    change: Vec<u64>,
}

fn measure<H: Held>(services: &[Laid], hits: &[Vec<u8>], misses: &[Vec<u8>], changed: &[Laid]) {
    let before = support::resident_octets();
    let mut held = H::of(services.to_vec());
    let mut figures = Figures {
        octets: support::resident_octets().saturating_sub(before),
        hit: Vec::new(),
        miss: Vec::new(),
        change: Vec::new(),
    };
    let each = |begin: Instant, count: usize| begin.elapsed().as_nanos() as u64 * 10 / count as u64;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        assert_ne!(black_box(held.find_all(hits)), 1);
        figures.hit.push(each(begin, hits.len()));
        let begin = Instant::now();
        assert_eq!(black_box(held.find_all(misses)), 0);
        figures.miss.push(each(begin, misses.len()));
        let begin = Instant::now();
        for service in changed {
            held.replace(service.clone());
        }
        figures.change.push(each(begin, changed.len()));
    }
    assert!(
        hits.iter().all(|label| held.find(label) != 0),
        "{} lost one",
        H::NAME
    );
    println!(
        "| {} | {} | {} | {:.0} ns | {:.0} ns | {:.0} ns | {} |",
        3 * services.len(),
        H::NAME,
        services.len(),
        median(figures.hit) as f64 / 10.0,
        median(figures.miss) as f64 / 10.0,
        median(figures.change) as f64 / 10.0,
        figures.octets / services.len() as u64,
    );
}

/// Prints a row for each way and size.
pub(crate) fn compare(sizes: &[usize]) {
    println!(
        "| instances | way | services | hit | miss | change | octets a service beside the services' own |"
    );
    println!("|---|---|---|---|---|---|---|");
    for instances in sizes {
        let count = instances / 3;
        let services: Vec<Laid> = {
            let state = support::catalog(count);
            let zone = state.zones.values().next().expect("a zone");
            zone.services
                .iter()
                .map(|service| Laid::new(service.clone()))
                .collect()
        };
        let mut random = fastrand::Rng::with_seed(1);
        let mut labels = |name: &str| -> Vec<Vec<u8>> {
            let labels = (0..LOOKUPS).map(|_| format!("{name}-{}", random.usize(..count)).into_bytes());
            labels.collect()
        };
        let (hits, misses) = (labels("service"), labels("absent"));
        let changed: Vec<Laid> = (0..CHANGES)
            .map(|_| Laid::new(services[random.usize(..count)].view().service().clone()))
            .collect();
        measure::<Tree>(&services, &hits, &misses, &changed);
        measure::<Concurrent>(&services, &hits, &misses, &changed);
        measure::<Shards>(&services, &hits, &misses, &changed);
        measure::<Arena>(&services, &hits, &misses, &changed);
        measure::<Pages>(&services, &hits, &misses, &changed);
        measure::<PagesAhead>(&services, &hits, &misses, &changed);
    }
}
