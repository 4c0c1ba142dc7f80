//! Host names by address: a persistent radix tree over the digits of the address and of the name's hash.
//!
//! The digits of an address are four bits each, so each label of a reverse name is one digit (`ip6.arpa`) or two
//! (`in-addr.arpa`), and what stands below a label is one subtree: whether a name above an address exists is one
//! descent, and the addresses of a zone go to another zone as a whole. Names that share an address follow by their
//! hashes, which is an order that neither time nor a restart changes. A change copies the few nodes above it and
//! shares all others; looking up allocates nothing.
//!
//! `imbl::OrdMap` was not taken: a range look-up allocates, and a change would clone the 64 names of a leaf.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::super::contents::name_end;

/// Digits of an address; those of IPv4 stand at the begin.
pub(super) const ADDRESS_DIGITS: u8 = 32;
/// Digits of an address and a hash.
const DIGITS: u8 = ADDRESS_DIGITS + 16;

/// Where a name stands in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The address in its two halves: so a key takes 24 octets, not 32.
    address: [u64; 2],
    hash: u64,
}

impl Key {
    /// The begin of all keys of an address, or of a part of one that is filled up with zeros.
    pub(super) fn of_address(address: u128) -> Self {
        Self {
            address: [(address >> 64) as u64, address as u64],
            hash: 0,
        }
    }

    fn of(address: u128, host: &[u8]) -> Self {
        Self {
            hash: xxh3_64(host),
            ..Self::of_address(address)
        }
    }

    fn words(self) -> [u64; 3] {
        [self.address[0], self.address[1], self.hash]
    }

    pub(super) fn address(self) -> u128 {
        u128::from(self.address[0]) << 64 | u128::from(self.address[1])
    }

    fn digit(self, at: u8) -> u8 {
        (self.words()[usize::from(at / 16)] >> (60 - 4 * (at % 16)) & 0xf) as u8
    }

    /// How many digits both begin with.
    fn common(self, other: Self) -> u8 {
        let words = self.words().into_iter().zip(other.words());
        let mut digits = 0;
        for (one, other) in words {
            let same = ((one ^ other).leading_zeros() / 4) as u8;
            digits += same;
            if same < 16 {
                break;
            }
        }
        digits
    }

    /// Its first `digits` digits, zeros after them.
    fn prefix(self, digits: u8) -> Self {
        let mut words = self.words();
        for (word, first) in words.iter_mut().zip([0, 16, 32]) {
            let kept = u32::from(digits.saturating_sub(first).min(16));
            *word &= !u64::MAX.checked_shr(4 * kept).unwrap_or(0);
        }
        Self {
            address: [words[0], words[1]],
            hash: words[2],
        }
    }
}

/// A subtree with at least one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// The names of one key: one, but for names of one hash.
    Leaf {
        key: Key,
        /// In wire form and lower case, one after the other, sorted.
        hosts: Box<[u8]>,
    },
    /// At least two subtrees that differ in the digit after `digits`.
    Branch {
        key: Key,
        digits: u8,
        /// Bit n: there is a child with the digit n.
        present: u16,
        children: Vec<Arc<Self>>,
    },
}

impl Node {
    pub(super) fn leaf(address: u128, host: &[u8]) -> Self {
        Self::Leaf {
            key: Key::of(address, host),
            hosts: host.into(),
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Leaf { key, .. } | Self::Branch { key, .. } => *key,
        }
    }

    /// How many digits all its names share.
    pub(super) fn digits(&self) -> u8 {
        match self {
            Self::Leaf { .. } => DIGITS,
            Self::Branch { digits, .. } => *digits,
        }
    }

    /// The subtree of all keys that begin with the first `digits` digits of `wanted`.
    pub(super) fn at(&self, wanted: Key, digits: u8) -> Option<&Self> {
        let mut node = self;
        // Each step goes down by a digit at least.
        loop {
            let own = node.digits();
            if wanted.common(node.key()) < own.min(digits) {
                return None;
            }
            match node {
                Self::Branch {
                    present, children, ..
                } if own < digits => {
                    node = children.get(place(*present, wanted.digit(own)).ok()?)?;
                }
                _ => return Some(node),
            }
        }
    }

    /// Whether `host` has `address` in this subtree.
    pub(super) fn has(&self, address: u128, host: &[u8]) -> bool {
        match self.at(Key::of(address, host), DIGITS) {
            Some(Self::Leaf { hosts, .. }) => each_in(hosts).any(|other| other == host),
            _ => false,
        }
    }

    /// Gives each key with a name to `visit`, in order, for as long as it wants more.
    pub(super) fn each<'n>(&'n self, visit: &mut impl FnMut(Key, &'n [u8]) -> bool) -> bool {
        match self {
            Self::Leaf { key, hosts } => each_in(hosts).all(|host| visit(*key, host)),
            // At most 48 deep.
            Self::Branch { children, .. } => children.iter().all(|child| child.each(visit)),
        }
    }
}

fn each_in(hosts: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = hosts;
    std::iter::from_fn(move || {
        let (host, after) = rest.split_at_checked(name_end(rest, 0)?)?;
        rest = after;
        Some(host)
    })
}

/// The place of the child with that digit, or where it would stand.
fn place(present: u16, digit: u8) -> Result<usize, usize> {
    let place = (present & ((1 << digit) - 1)).count_ones() as usize;
    if present & (1 << digit) != 0 {
        Ok(place)
    } else {
        Err(place)
    }
}

/// The tree of those leaves, made from below: random addresses take half the time of one insertion after the
/// other.
pub(super) fn build(leaves: impl Iterator<Item = Node>) -> Option<Arc<Node>> {
    let mut leaves: Vec<_> = leaves.map(|leaf| (leaf.key(), Arc::new(leaf))).collect();
    leaves.sort_unstable_by_key(|(key, _)| key.words());
    join(&leaves)
}

/// The tree of sorted leaves.
fn join(leaves: &[(Key, Arc<Node>)]) -> Option<Arc<Node>> {
    let ((first, leaf), (last, _)) = (leaves.first()?, leaves.last()?);
    let digits = first.common(*last);
    if digits == DIGITS {
        let mut node = leaf.clone();
        for (_, other) in &leaves[1..] {
            insert_into(&mut node, other.clone());
        }
        return Some(node);
    }
    let same_digit = |(one, _): &(Key, _), (next, _): &(Key, _)| one.digit(digits) == next.digit(digits);
    let (mut present, mut children) = (0, Vec::new());
    for part in leaves.chunk_by(same_digit) {
        present |= 1 << part[0].0.digit(digits);
        children.extend(join(part));
    }
    children.shrink_to_fit();
    Some(Arc::new(Node::Branch {
        key: first.prefix(digits),
        digits,
        present,
        children,
    }))
}

/// Lays `new` over `tree`: what is in either is there after.
pub(super) fn insert(tree: &mut Option<Arc<Node>>, new: Arc<Node>) {
    match tree {
        None => *tree = Some(new),
        Some(node) => insert_into(node, new),
    }
}

fn insert_into(node: &mut Arc<Node>, mut new: Arc<Node>) {
    let (old_key, new_key) = (node.key(), new.key());
    let (old_digits, new_digits) = (node.digits(), new.digits());
    let common = old_key.common(new_key).min(old_digits).min(new_digits);
    if common == new_digits && common < old_digits {
        std::mem::swap(node, &mut new);
        return insert_into(node, new);
    }
    if common < old_digits {
        let (mut present, mut children) = (0_u16, Vec::with_capacity(2));
        for child in [node.clone(), new] {
            let digit = child.key().digit(common);
            let (Ok(at) | Err(at)) = place(present, digit);
            present |= 1 << digit;
            children.insert(at, child);
        }
        let key = new_key.prefix(common);
        *node = Arc::new(Node::Branch {
            key,
            digits: common,
            present,
            children,
        });
        return;
    }
    match (Arc::make_mut(node), &*new) {
        (Node::Leaf { hosts, .. }, Node::Leaf { hosts: more, .. }) => {
            let mut all: Vec<&[u8]> = each_in(hosts).chain(each_in(more)).collect();
            all.sort_unstable();
            all.dedup();
            *hosts = all.concat().into();
        }
        (
            Node::Branch { digits, .. },
            Node::Branch {
                digits: others,
                children,
                ..
            },
        ) if digits == others => {
            for child in children {
                insert_into(node, child.clone());
            }
        }
        (
            Node::Branch {
                digits,
                present,
                children,
                ..
            },
            _,
        ) => {
            let digit = new_key.digit(*digits);
            match place(*present, digit) {
                Ok(at) => insert_into(&mut children[at], new),
                Err(at) => {
                    *present |= 1 << digit;
                    children.insert(at, new);
                }
            }
        }
        (Node::Leaf { .. }, Node::Branch { .. }) => {
            unreachable!("a leaf has all digits, and a branch with as many would have gone above it")
        }
    }
}

/// Takes the subtree of all keys that begin with the first `digits` digits of `wanted` out of `tree`.
pub(super) fn take(tree: &mut Option<Arc<Node>>, wanted: Key, digits: u8) -> Option<Arc<Node>> {
    let node = tree.as_mut()?;
    // Where nothing is to be taken, nothing is copied.
    node.at(wanted, digits)?;
    if node.digits() >= digits {
        return tree.take();
    }
    take_from(node, wanted, digits)
}

/// The same below `node`, which has it.
fn take_from(node: &mut Arc<Node>, wanted: Key, wanted_digits: u8) -> Option<Arc<Node>> {
    let Node::Branch {
        digits,
        present,
        children,
        ..
    } = Arc::make_mut(node)
    else {
        return None;
    };
    let digit = wanted.digit(*digits);
    let at = place(*present, digit).ok()?;
    if children[at].digits() < wanted_digits {
        return take_from(&mut children[at], wanted, wanted_digits);
    }
    let taken = children.remove(at);
    *present &= !(1 << digit);
    if let [last] = &children[..] {
        let last = last.clone();
        *node = last;
    }
    Some(taken)
}

/// Takes `host` away from `address`; whether it had it.
pub(super) fn remove(tree: &mut Option<Arc<Node>>, address: u128, host: &[u8]) -> bool {
    let key = Key::of(address, host);
    let Some(taken) = take(tree, key, DIGITS) else {
        return false;
    };
    let Node::Leaf { hosts, .. } = &*taken else {
        return false;
    };
    let kept: Vec<&[u8]> = each_in(hosts).filter(|other| *other != host).collect();
    let had = kept.concat().len() < hosts.len();
    if !kept.is_empty() {
        let hosts = kept.concat().into();
        insert(tree, Arc::new(Node::Leaf { key, hosts }));
    }
    had
}
