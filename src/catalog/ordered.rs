//! A persistent ordered set that is walked without allocating: a B-tree whose nodes are shared between snapshots.
//!
//! `imbl`'s ordered set allocates for each walk over more than one node, and a question allocates nothing; its vector
//! and its hash set keep no order that a restart would bring back. Changes copy one path, at most
//! [`NODE_MAX`] keys and as many pointers for each level.

use std::cmp::Ordering;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Keys of a leaf, children of a branch.
const NODE_MAX: usize = 32;

/// Keys in ascending order, each once.
pub(crate) struct Ordered<K>(Option<Arc<Node<K>>>);

/// All leaves are at the same depth, and no node is empty.
enum Node<K> {
    Leaf(Box<[K]>),
    Branch(Box<[Arc<Self>]>),
}

/// What is left of a node without a key.
enum Left<K> {
    /// It did not have the key.
    Same,
    Nothing,
    Less(Arc<Node<K>>),
}

impl<K> Clone for Ordered<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Ordered<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: fmt::Debug> fmt::Debug for Ordered<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let _ = self.walk(&mut |key| {
            list.entry(key);
            ControlFlow::Continue(())
        });
        list.finish()
    }
}

impl<K> Ordered<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The key that `order` finds: it says how a key stands to the one looked for.
    pub(crate) fn find(&self, order: impl Fn(&K) -> Ordering) -> Option<&K> {
        let mut node = self.0.as_deref()?;
        loop {
            match node {
                Node::Leaf(keys) => return keys.binary_search_by(order).ok().map(|at| &keys[at]),
                Node::Branch(children) => node = &children[child(children, &order)],
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
                    let start = children.partition_point(|child| is_before(child.least()));
                    let mut children = children[start.saturating_sub(1)..].iter();
                    let first = children.next();
                    iter.above.push(children);
                    first.map(|child| &**child)
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
}

impl<K: Ord + Clone> Ordered<K> {
    /// Of keys that are in order, each once: filled whole, as most of them stay as they are.
    pub(crate) fn from_sorted(keys: Vec<K>) -> Self {
        debug_assert!(keys.is_sorted_by(|one, next| one < next));
        let mut level: Vec<Arc<Node<K>>> = gathered(keys).map(Node::Leaf).map(Arc::new).collect();
        while level.len() > 1 {
            level = gathered(level).map(Node::Branch).map(Arc::new).collect();
        }
        Self(level.pop())
    }

    /// Puts `key` in its place, and takes away one that is equal; whether there was one.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        let mut was_there = false;
        self.0 = Some(match self.0.take() {
            None => Arc::new(Node::Leaf([key].into())),
            Some(root) => match root.with(key, &mut was_there) {
                (root, None) => root,
                (one, Some(two)) => Arc::new(Node::Branch([one, two].into())),
            },
        });
        was_there
    }

    /// Takes away the key that `order` finds; whether there was one.
    pub(crate) fn remove(&mut self, order: impl Fn(&K) -> Ordering) -> bool {
        let Some(root) = &self.0 else { return false };
        match root.without(&order) {
            Left::Same => return false,
            Left::Nothing => self.0 = None,
            Left::Less(mut root) => {
                while let Node::Branch(children) = &*root
                    && let [only] = &children[..]
                {
                    root = only.clone();
                }
                self.0 = Some(root);
            }
        }
        true
    }
}

/// Walks the keys in order from outside; it allocates, once.
#[derive(Clone)]
pub(crate) struct Iter<'k, K> {
    /// What is left of each node on the path, the root's first.
    above: Vec<std::slice::Iter<'k, Arc<Node<K>>>>,
    leaf: std::slice::Iter<'k, K>,
}

impl<'k, K> Iterator for Iter<'k, K> {
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
                match &**node {
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

/// The child that has the key that `order` looks for, if one has.
fn child<K>(children: &[Arc<Node<K>>], order: impl Fn(&K) -> Ordering) -> usize {
    // What is before them all belongs to the first, so that one need not be looked at.
    children[1..].partition_point(|child| order(child.least()).is_le())
}

/// One node of `items`, or two if they are too many.
fn split<K, T>(mut items: Vec<T>, node: fn(Box<[T]>) -> Node<K>) -> (Arc<Node<K>>, Option<Arc<Node<K>>>) {
    if items.len() <= NODE_MAX {
        return (Arc::new(node(items.into())), None);
    }
    let second = items.split_off(items.len() / 2);
    (Arc::new(node(items.into())), Some(Arc::new(node(second.into()))))
}

impl<K> Node<K> {
    fn least(&self) -> &K {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(keys) => return &keys[0],
                Self::Branch(children) => node = &children[0],
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
                let start = children.partition_point(|child| is_before(child.least()));
                let mut children = children[start.saturating_sub(1)..].iter();
                children.try_for_each(|child| child.walk_from(is_before, each))
            }
        }
    }
}

impl<K: Ord + Clone> Node<K> {
    fn with(&self, key: K, was_there: &mut bool) -> (Arc<Self>, Option<Arc<Self>>) {
        match self {
            Self::Leaf(keys) => {
                let mut keys = keys.to_vec();
                match keys.binary_search(&key) {
                    Ok(at) => {
                        *was_there = true;
                        keys[at] = key;
                    }
                    Err(at) => keys.insert(at, key),
                }
                split(keys, Self::Leaf)
            }
            Self::Branch(children) => {
                let at = child(children, |other| other.cmp(&key));
                let mut children = children.to_vec();
                let (one, two) = children[at].with(key, was_there);
                children[at] = one;
                if let Some(two) = two {
                    children.insert(at + 1, two);
                }
                split(children, Self::Branch)
            }
        }
    }

    fn without(&self, order: &dyn Fn(&K) -> Ordering) -> Left<K> {
        match self {
            Self::Leaf(keys) => {
                let Ok(at) = keys.binary_search_by(order) else {
                    return Left::Same;
                };
                let mut keys = keys.to_vec();
                keys.remove(at);
                left(keys, Self::Leaf)
            }
            Self::Branch(children) => {
                let at = child(children, order);
                let less = children[at].without(order);
                let mut children = children.to_vec();
                match less {
                    Left::Same => return Left::Same,
                    Left::Nothing => drop(children.remove(at)),
                    Left::Less(child) => {
                        children[at] = child;
                        join_neighbours(&mut children, at);
                    }
                }
                left(children, Self::Branch)
            }
        }
    }

    /// Both in one, if together they fill half a node at most.
    fn joined(&self, next: &Self) -> Option<Arc<Self>> {
        fn both<T: Clone>(one: &[T], two: &[T]) -> Option<Box<[T]>> {
            (one.len() + two.len() <= NODE_MAX / 2).then(|| [one, two].concat().into())
        }
        let joined = match (self, next) {
            (Self::Leaf(one), Self::Leaf(two)) => Self::Leaf(both(one, two)?),
            (Self::Branch(one), Self::Branch(two)) => Self::Branch(both(one, two)?),
            _ => return None,
        };
        Some(Arc::new(joined))
    }
}

fn left<K, T>(items: Vec<T>, node: fn(Box<[T]>) -> Node<K>) -> Left<K> {
    if items.is_empty() {
        Left::Nothing
    } else {
        Left::Less(Arc::new(node(items.into())))
    }
}

/// Joins the child that became smaller with one beside it, if both are small, so that nodes do not stay nearly empty.
fn join_neighbours<K: Ord + Clone>(children: &mut Vec<Arc<Node<K>>>, at: usize) {
    for first in [at.checked_sub(1), Some(at)].into_iter().flatten() {
        let Some([one, two]) = children.get(first..first + 2) else {
            continue;
        };
        if let Some(joined) = one.joined(two) {
            children[first] = joined;
            children.remove(first + 1);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
