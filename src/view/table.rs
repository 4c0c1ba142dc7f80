//! A zone's services by label: a persistent hash table, wide and flat, so that a look-up in a catalog larger than the
//! caches misses them twice, for a page and for the service itself.
//!
//! Pages of up to [`PAGE_MAX`] services hang below branches of [`FAN_OUT`]. A page may stand in several places of its
//! branch, as in extendible hashing: it is halved when it is full, so pages are about two thirds full at any size, and
//! branches, of which there is one for some hundred services, stay in the caches. A change copies a page and the
//! branches above it. Nothing is locked or allocated for a reader.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use triomphe::ThinArc;

use super::service::{Laid, ServiceView};

/// Services of a page.
const PAGE_MAX: usize = 16;
/// Bits of the hash that choose a place in a branch.
const BRANCH_BITS: u32 = 4;
const FAN_OUT: usize = 1 << BRANCH_BITS;
/// Levels of branches after which the hash has no more bits: labels of one hash share a page of any size.
const DEPTH_MAX: u32 = u64::BITS / BRANCH_BITS;

/// An octet of each service's hash, the first service's lowest; of those past [`PAGE_MAX`] none.
type Marks = [u64; 2];

#[derive(Clone)]
enum Node {
    Page(ThinArc<Marks, Laid>),
    Branch(Arc<[Self; FAN_OUT]>),
}

/// Services by label.
#[derive(Clone)]
pub struct Table {
    root: Node,
    len: usize,
    seeds: foldhash::fast::RandomState,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            root: page(&mut std::iter::empty()),
            len: 0,
            seeds: foldhash::fast::RandomState::default(),
        }
    }
}

/// A service under way to its page.
type Hashed = (u64, Laid);

fn mark(hash: u64) -> u64 {
    hash & 0xff
}

/// The place in a branch at `depth`.
#[inline]
fn place(hash: u64, depth: u32) -> usize {
    (hash >> (u64::BITS - BRANCH_BITS * (depth + 1))) as usize & (FAN_OUT - 1)
}

fn page(items: &mut dyn ExactSizeIterator<Item = Hashed>) -> Node {
    let mut marks = [0; 2];
    let mut services = Vec::with_capacity(items.len());
    for (at, (hash, service)) in items.enumerate() {
        if let Some(word) = marks.get_mut(at / 8) {
            *word |= mark(hash) << (8 * (at % 8));
        }
        services.push(service);
    }
    Node::Page(ThinArc::from_header_and_iter(marks, services.into_iter()))
}

/// Of each octet of `marks` that may equal `mark` the highest bit. Where it is set for one that does not, a lower one
/// does (Mycroft 1987).
#[inline]
fn matching(marks: u64, mark: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    let differing = marks ^ (LOW * mark);
    differing.wrapping_sub(LOW) & !differing & (LOW << 7)
}

impl Table {
    /// Of services whose labels differ, filled whole.
    pub fn of(services: impl Iterator<Item = Laid>) -> Self {
        let mut table = Self::default();
        let mut items: Vec<Hashed> = services
            .map(|service| (table.hash(service.view().label()), service))
            .collect();
        table.len = items.len();
        items.sort_unstable_by_key(|(hash, _)| *hash);
        table.root = filled(items, 0);
        table
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash by which a label is found.
    #[inline]
    pub fn hash(&self, label: &[u8]) -> u64 {
        self.seeds.hash_one(label)
    }

    #[inline]
    fn page(&self, hash: u64) -> &ThinArc<Marks, Laid> {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Page(page) => return page,
                Node::Branch(children) => node = &children[place(hash, depth)],
            }
            depth += 1;
        }
    }

    /// The service of that label, whose hash is `hash`.
    #[inline]
    pub fn find(&self, hash: u64, label: &[u8]) -> Option<&Laid> {
        let page = self.page(hash);
        let services = &page.slice;
        for (half, marks) in page.header.header.into_iter().enumerate() {
            let mut matches = matching(marks, mark(hash));
            while matches != 0 {
                let at = 8 * half + (matches.trailing_zeros() / 8) as usize;
                if let Some(service) = services.get(at)
                    && service.view().label() == label
                {
                    return Some(service);
                }
                matches &= matches - 1;
            }
        }
        services
            .get(PAGE_MAX..)?
            .iter()
            .find(|service| service.view().label() == label)
    }

    /// Puts `service` in its place, and returns the one of that label that was there.
    pub fn insert(&mut self, service: Laid) -> Option<Laid> {
        let hash = self.hash(service.view().label());
        let seeds = &self.seeds;
        let old = insert(&mut self.root, 0, (hash, service), &|service| {
            seeds.hash_one(service.view().label())
        });
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes away the service of that label.
    pub fn remove(&mut self, label: &[u8]) -> Option<Laid> {
        let hash = self.hash(label);
        let old = self.find(hash, label)?.clone();
        let seeds = &self.seeds;
        remove(&mut self.root, 0, (hash, label), &|service| {
            seeds.hash_one(service.view().label())
        });
        self.len -= 1;
        Some(old)
    }

    /// Touches the page that a hash leads to, so that it is in the caches when it is looked into.
    #[inline]
    pub fn touch_page(&self, hash: u64) -> u64 {
        self.page(hash).header.header[0]
    }

    /// Touches the service that a hash probably leads to.
    #[inline]
    pub fn touch_service(&self, hash: u64) -> u32 {
        let page = self.page(hash);
        let [low, high] = page.header.header.map(|marks| matching(marks, mark(hash)));
        let at = if low != 0 {
            low.trailing_zeros() / 8
        } else if high != 0 {
            8 + high.trailing_zeros() / 8
        } else {
            return 0;
        };
        page.slice
            .get(at as usize)
            .map_or(0, |service| touch(service.view()))
    }
}

/// Loads a word of each line that an answer will read.
#[inline]
fn touch(view: ServiceView<'_>) -> u32 {
    const LINE_WORDS: usize = 16;
    const LINES_MAX: usize = 4;
    let lines = view.words.iter().step_by(LINE_WORDS).take(LINES_MAX);
    lines.fold(u32::from(view.head.label_octets), |sum, word| sum ^ word)
}

/// The node of `items`, which are in the order of their hashes.
fn filled(items: Vec<Hashed>, depth: u32) -> Node {
    if items.len() <= PAGE_MAX || depth == DEPTH_MAX {
        return page(&mut items.into_iter());
    }
    let mut children: [Node; FAN_OUT] = std::array::from_fn(|_| page(&mut std::iter::empty()));
    fill(&mut children, 0, items, depth);
    Node::Branch(Arc::new(children))
}

/// Fills the places of a branch at `depth` from `first` on with `items`: with one page if they fit, or half by half.
fn fill(places: &mut [Node], first: usize, mut items: Vec<Hashed>, depth: u32) {
    if let [only] = places {
        *only = filled(items, depth + 1);
    } else if items.len() <= PAGE_MAX {
        places.fill(page(&mut items.into_iter()));
    } else {
        let half = places.len() / 2;
        let (low, high) = places.split_at_mut(half);
        let at = items.partition_point(|(hash, _)| place(*hash, depth) < first + half);
        let upper = items.split_off(at);
        fill(low, first, items, depth);
        fill(high, first + half, upper, depth);
    }
}

/// The places of a branch that have the same page as `at`: a power of two, and aligned.
fn run(children: &[Node; FAN_OUT], at: usize) -> std::ops::Range<usize> {
    let Node::Page(page) = &children[at] else {
        return at..at + 1;
    };
    let is_same = |other: usize| matches!(&children[other], Node::Page(other) if std::ptr::eq(&page.header, &other.header));
    let mut octave = 1;
    while octave < FAN_OUT {
        // The neighbour with which this run would be twice as long.
        let start = at & !(2 * octave - 1);
        if !is_same(start) || !is_same(start + octave) {
            break;
        }
        octave *= 2;
    }
    let start = at & !(octave - 1);
    start..start + octave
}

fn insert(node: &mut Node, depth: u32, item: Hashed, hash_of: &dyn Fn(&Laid) -> u64) -> Option<Laid> {
    let (hash, service) = item;
    let page_of = match node {
        Node::Branch(children) => {
            let children = Arc::make_mut(children);
            let at = place(hash, depth);
            let run = run(children, at);
            if let [only] = &mut children[run.clone()] {
                return insert(only, depth + 1, (hash, service), hash_of);
            }
            let Node::Page(page_of) = &children[at] else {
                return None;
            };
            let (new, old) = with(page_of, (hash, service), hash_of);
            if new.len() <= PAGE_MAX {
                children[run].fill(page(&mut new.into_iter()));
            } else {
                let first = run.start;
                fill(&mut children[run], first, sorted(new), depth);
            }
            return old;
        }
        Node::Page(page_of) => page_of,
    };
    let (new, old) = with(page_of, (hash, service), hash_of);
    *node = filled(sorted(new), depth);
    old
}

fn sorted(mut items: Vec<Hashed>) -> Vec<Hashed> {
    if items.len() > PAGE_MAX {
        items.sort_by_key(|(hash, _)| *hash);
    }
    items
}

/// The services of a page with their hashes; with no more than the marks of them if that does, and no service need be
/// looked at.
fn items(page: &ThinArc<Marks, Laid>, whole: bool, hash_of: &dyn Fn(&Laid) -> u64) -> Vec<Hashed> {
    let mut items = Vec::with_capacity(page.slice.len() + 1);
    items.extend(page.slice.iter().enumerate().map(|(at, service)| {
        let hash = match page.header.header.get(at / 8) {
            Some(word) if !whole => word >> (8 * (at % 8)) & 0xff,
            _ => hash_of(service),
        };
        (hash, service.clone())
    }));
    items
}

/// What a page has with another service, and the one whose place that takes.
fn with(
    page: &ThinArc<Marks, Laid>,
    item: Hashed,
    hash_of: &dyn Fn(&Laid) -> u64,
) -> (Vec<Hashed>, Option<Laid>) {
    let (hash, service) = item;
    let marks = page.header.header;
    let has_mark = |at: usize| match marks.get(at / 8) {
        Some(word) => word >> (8 * (at % 8)) & 0xff == mark(hash),
        None => true,
    };
    let old = page
        .slice
        .iter()
        .enumerate()
        .position(|(at, other)| has_mark(at) && other.view().label() == service.view().label());
    let mut items = items(page, page.slice.len() >= PAGE_MAX, hash_of);
    let old = match old {
        Some(at) => Some(std::mem::replace(&mut items[at], (hash, service)).1),
        None => {
            items.push((hash, service));
            None
        }
    };
    (items, old)
}

/// A page without the service of that label.
fn without(one: &ThinArc<Marks, Laid>, label: &[u8], hash_of: &dyn Fn(&Laid) -> u64) -> Node {
    let mut items = items(one, false, hash_of);
    items.retain(|(_, service)| service.view().label() != label);
    page(&mut items.into_iter())
}

fn remove(node: &mut Node, depth: u32, key: (u64, &[u8]), hash_of: &dyn Fn(&Laid) -> u64) {
    let (hash, label) = key;
    let children = match node {
        Node::Page(page_of) => {
            *node = without(page_of, label, hash_of);
            return;
        }
        Node::Branch(children) => Arc::make_mut(children),
    };
    let at = place(hash, depth);
    let mut here = run(children, at);
    if let [only] = &mut children[here.clone()] {
        remove(only, depth + 1, key, hash_of);
    } else if let Node::Page(page_of) = &children[at] {
        let less = without(page_of, label, hash_of);
        children[here.clone()].fill(less);
    }
    // Two neighbours that are small together become one, so that pages do not stay nearly empty.
    while here.len() < FAN_OUT {
        let buddy = run(children, here.start ^ here.len());
        let (Node::Page(one), Node::Page(other)) = (&children[here.start], &children[buddy.start]) else {
            return;
        };
        if buddy.len() != here.len() || one.slice.len() + other.slice.len() > PAGE_MAX / 2 {
            return;
        }
        let mut items = [items(one, false, hash_of), items(other, false, hash_of)].concat();
        here = here.start.min(buddy.start)..here.end.max(buddy.end);
        children[here.clone()].fill(page(&mut items.drain(..)));
    }
    let whole = children[0].clone();
    *node = whole;
}

#[cfg(test)]
mod tests;
