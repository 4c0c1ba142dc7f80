//! A persistent ordered set that is walked without allocating: a B-tree whose nodes are shared between snapshots.
//!
//! `imbl`'s ordered set allocates for each walk over more than one node, and a question allocates nothing; its vector
//! and its hash set keep no order that a restart would bring back. Changes copy one path, at most
//! [`NODE_MAX`] keys and as many pointers for each level.
//!
//! A branch holds how the least key of each child begins, so that a search follows one pointer a level, and not one for
//! each comparison.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Keys of a leaf, children of a branch.
const NODE_MAX: usize = 32;

/// What a set can hold.
pub(crate) trait Key: Ord + Clone {
    /// How a key begins. Of two keys the lesser one has no greater start; keys that differ may have the same.
    type Start: Ord + Copy;

    fn start(&self) -> Self::Start;
}

/// Keys in ascending order, each once.
pub(crate) struct Ordered<K: Key>(Option<Arc<Node<K>>>);

/// All leaves are at the same depth, and no node is empty.
enum Node<K: Key> {
    Leaf(Box<[K]>),
    Branch(Box<[Child<K>]>),
}

#[derive(Clone)]
struct Child<K: Key> {
    /// That of its least key.
    start: K::Start,
    node: Arc<Node<K>>,
}

impl<K: Key> Clone for Ordered<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Key> Default for Ordered<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Key + fmt::Debug> fmt::Debug for Ordered<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let _ = self.walk(&mut |key| {
            list.entry(key);
            ControlFlow::Continue(())
        });
        list.finish()
    }
}

impl<K: Key> Ordered<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The key that begins with `start` and that `order` finds: it says how a key stands to the one looked for.
    pub(crate) fn find(&self, start: K::Start, order: impl Fn(&K) -> Ordering) -> Option<&K> {
        let mut node = self.0.as_deref()?;
        loop {
            match node {
                Node::Leaf(keys) => return keys.binary_search_by(order).ok().map(|at| &keys[at]),
                Node::Branch(children) => node = &children[place(children, start, &order)].node,
            }
        }
    }

    /// The keys in order.
    pub(crate) fn iter(&self) -> Iter<'_, K> {
        self.iter_from(|_| false)
    }

    /// The keys in order, after those that `is_before` holds of.
    pub(crate) fn iter_from(&self, is_before: impl Fn(&K) -> bool) -> Iter<'_, K> {
        let mut iter = Iter {
            above: Vec::new(),
            leaf: [].iter(),
        };
        let mut below = self.0.as_deref();
        while let Some(node) = below {
            below = match node {
                Node::Leaf(keys) => {
                    iter.leaf = keys[keys.partition_point(&is_before)..].iter();
                    None
                }
                Node::Branch(children) => {
                    let start = children.partition_point(|child| is_before(child.node.least()));
                    let mut children = children[start.saturating_sub(1)..].iter();
                    let first = children.next();
                    iter.above.push(children);
                    first.map(|child| &*child.node)
                }
            };
        }
        iter
    }

    /// Gives each key in order until one breaks.
    pub(crate) fn walk<'k>(&'k self, each: &mut dyn FnMut(&'k K) -> ControlFlow<()>) -> ControlFlow<()> {
        self.walk_from(&|_| false, each)
    }

    /// Gives each key in order, after those that `is_before` holds of, until one breaks.
    pub(crate) fn walk_from<'k>(
        &'k self,
        is_before: &dyn Fn(&K) -> bool,
        each: &mut dyn FnMut(&'k K) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.0 {
            Some(root) => root.walk_from(is_before, each),
            None => ControlFlow::Continue(()),
        }
    }

    /// Of keys that are in order, each once: filled whole, as most of them stay as they are.
    pub(crate) fn from_sorted(keys: Vec<K>) -> Self {
        debug_assert!(keys.is_sorted_by(|one, next| one < next));
        let mut level: Vec<Child<K>> = gathered(keys).map(Node::Leaf).map(Child::of).collect();
        while level.len() > 1 {
            level = gathered(level).map(Node::Branch).map(Child::of).collect();
        }
        Self(level.pop().map(|root| root.node))
    }

    /// Puts `key` in its place; returns the equal one that was there.
    pub(crate) fn insert(&mut self, key: K) -> Option<K> {
        let mut replaced = None;
        self.0 = Some(match self.0.take() {
            None => Arc::new(Node::Leaf([key].into())),
            Some(root) => match root.with(key, &mut replaced) {
                (root, None) => root.node,
                (one, Some(two)) => Arc::new(Node::Branch([one, two].into())),
            },
        });
        replaced
    }

    /// Takes away the key that begins with `start` and that `order` finds, and returns it.
    pub(crate) fn remove(&mut self, start: K::Start, order: impl Fn(&K) -> Ordering) -> Option<K> {
        let (left, removed) = self.0.as_ref()?.without(start, &order)?;
        self.0 = left.map(|mut root| {
            while let Node::Branch(children) = &*root.node
                && let [only] = &children[..]
            {
                root = only.clone();
            }
            root.node
        });
        Some(removed)
    }
}

/// Walks the keys in order from outside; it allocates, once.
#[derive(Clone)]
pub(crate) struct Iter<'k, K: Key> {
    /// What is left of each node on the path, the root's first.
    above: Vec<std::slice::Iter<'k, Child<K>>>,
    leaf: std::slice::Iter<'k, K>,
}

impl<'k, K: Key> Iterator for Iter<'k, K> {
    type Item = &'k K;

    fn next(&mut self) -> Option<&'k K> {
        loop {
            if let Some(key) = self.leaf.next() {
                return Some(key);
            }
            let mut node = loop {
                match self.above.last_mut()?.next() {
                    Some(child) => break child,
                    None => drop(self.above.pop()),
                }
            };
            loop {
                match &*node.node {
                    Node::Leaf(keys) => {
                        self.leaf = keys.iter();
                        break;
                    }
                    Node::Branch(children) => {
                        let mut children = children.iter();
                        let Some(first) = children.next() else { break };
                        self.above.push(children);
                        node = first;
                    }
                }
            }
        }
    }
}

/// Items in boxes of [`NODE_MAX`], the last with what is left.
fn gathered<T>(items: Vec<T>) -> impl Iterator<Item = Box<[T]>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let node: Box<[T]> = items.by_ref().take(NODE_MAX).collect();
        (!node.is_empty()).then_some(node)
    })
}

/// The child that has the key that begins with `start` and that `order` looks for, if one has.
fn place<K: Key>(children: &[Child<K>], start: K::Start, order: impl Fn(&K) -> Ordering) -> usize {
    // What is before them all belongs to the first, so that one need not be looked at.
    children[1..].partition_point(|child| match child.start.cmp(&start) {
        Ordering::Equal => order(child.node.least()).is_le(),
        unequal => unequal.is_lt(),
    })
}

/// `items` with `new` in the place of those in `range`: none is copied that does not stay, and there is no room too much.
fn spliced<T: Clone>(items: &[T], range: Range<usize>, new: impl Iterator<Item = T>) -> Vec<T> {
    let mut spliced = Vec::with_capacity(items.len() - range.len() + new.size_hint().0);
    spliced.extend_from_slice(&items[..range.start]);
    spliced.extend(new);
    spliced.extend_from_slice(&items[range.end..]);
    spliced
}

/// One node of `items`, or two if they are too many.
fn split<K: Key, T>(mut items: Vec<T>, node: fn(Box<[T]>) -> Node<K>) -> (Child<K>, Option<Child<K>>) {
    if items.len() <= NODE_MAX {
        return (Child::of(node(items.into())), None);
    }
    let second = items.split_off(items.len() / 2);
    (
        Child::of(node(items.into())),
        Some(Child::of(node(second.into()))),
    )
}

impl<K: Key> Child<K> {
    fn of(node: Node<K>) -> Self {
        let start = match &node {
            Node::Leaf(keys) => keys[0].start(),
            Node::Branch(children) => children[0].start,
        };
        let node = Arc::new(node);
        Self { start, node }
    }
}

impl<K: Key> Node<K> {
    fn least(&self) -> &K {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(keys) => return &keys[0],
                Self::Branch(children) => node = &children[0].node,
            }
        }
    }

    fn walk_from<'k>(
        &'k self,
        is_before: &dyn Fn(&K) -> bool,
        each: &mut dyn FnMut(&'k K) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Leaf(keys) => {
                let start = keys.partition_point(is_before);
                keys[start..].iter().try_for_each(each)
            }
            Self::Branch(children) => {
                let start = children.partition_point(|child| is_before(child.node.least()));
                let mut children = children[start.saturating_sub(1)..].iter();
                children.try_for_each(|child| child.node.walk_from(is_before, each))
            }
        }
    }

    fn with(&self, key: K, replaced: &mut Option<K>) -> (Child<K>, Option<Child<K>>) {
        match self {
            Self::Leaf(keys) => {
                let range = match keys.binary_search(&key) {
                    Ok(at) => {
                        *replaced = Some(keys[at].clone());
                        at..at + 1
                    }
                    Err(at) => at..at,
                };
                split(spliced(keys, range, std::iter::once(key)), Self::Leaf)
            }
            Self::Branch(children) => {
                let at = place(children, key.start(), |other| other.cmp(&key));
                let (one, two) = children[at].node.with(key, replaced);
                let new = std::iter::once(one).chain(two);
                split(spliced(children, at..at + 1, new), Self::Branch)
            }
        }
    }

    /// What is left without a key, and that key, if there was one.
    fn without(&self, start: K::Start, order: &dyn Fn(&K) -> Ordering) -> Option<(Option<Child<K>>, K)> {
        match self {
            Self::Leaf(keys) => {
                let at = keys.binary_search_by(order).ok()?;
                let left = spliced(keys, at..at + 1, std::iter::empty());
                Some((left_of(left, Self::Leaf), keys[at].clone()))
            }
            Self::Branch(children) => {
                let at = place(children, start, order);
                let (less, removed) = children[at].node.without(start, order)?;
                let is_there = less.is_some();
                let mut left = spliced(children, at..at + 1, less.into_iter());
                if is_there {
                    join_neighbours(&mut left, at);
                }
                Some((left_of(left, Self::Branch), removed))
            }
        }
    }

    /// Both in one, if together they fill half a node at most.
    fn joined(&self, next: &Self) -> Option<Child<K>> {
        fn both<T: Clone>(one: &[T], two: &[T]) -> Option<Box<[T]>> {
            (one.len() + two.len() <= NODE_MAX / 2).then(|| [one, two].concat().into())
        }
        let joined = match (self, next) {
            (Self::Leaf(one), Self::Leaf(two)) => Self::Leaf(both(one, two)?),
            (Self::Branch(one), Self::Branch(two)) => Self::Branch(both(one, two)?),
            _ => return None,
        };
        Some(Child::of(joined))
    }
}

fn left_of<K: Key, T>(items: Vec<T>, node: fn(Box<[T]>) -> Node<K>) -> Option<Child<K>> {
    (!items.is_empty()).then(|| Child::of(node(items.into())))
}

/// Joins the child that became smaller with one beside it, if both are small, so that nodes do not stay nearly empty.
fn join_neighbours<K: Key>(children: &mut Vec<Child<K>>, at: usize) {
    for first in [at.checked_sub(1), Some(at)].into_iter().flatten() {
        let Some([one, two]) = children.get(first..first + 2) else {
            continue;
        };
        if let Some(joined) = one.node.joined(&two.node) {
            children[first] = joined;
            children.remove(first + 1);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
