//! The set against that of the standard library.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::catalog::ServiceName;
use crate::catalog::name::LabelStart;

/// Keys of which many begin alike, also in one node and over several.
impl Key for u16 {
    type Start = Self;

    fn start(&self) -> Self {
        match self {
            ..1000 => *self,
            1000..2000 => *self / 4 * 4,
            _ => *self / 1000 * 1000,
        }
    }
}

fn keys(set: &Ordered<u16>) -> Vec<u16> {
    let mut keys = Vec::new();
    let _ = set.walk(&mut |key| {
        keys.push(*key);
        ControlFlow::Continue(())
    });
    keys
}

/// Depth and nodes; what holds of every node.
fn check(node: &Node<u16>, is_root: bool) -> (usize, usize) {
    match node {
        Node::Leaf(keys) => {
            assert!(!keys.is_empty() && keys.len() <= NODE_MAX);
            (1, 1)
        }
        Node::Branch(children) => {
            assert!(children.len() > usize::from(is_root) && children.len() <= NODE_MAX);
            let below: Vec<_> = children.iter().map(|child| check(&child.node, false)).collect();
            assert!(
                children
                    .iter()
                    .all(|child| child.start == child.node.least().start())
            );
            assert!(below.iter().all(|(depth, _)| *depth == below[0].0));
            (
                below[0].0 + 1,
                1 + below.iter().map(|(_, nodes)| nodes).sum::<usize>(),
            )
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_a_set_of_the_standard_library_holds(
        first in prop::collection::btree_set(0..4000_u16, 0..2500),
        changes in prop::collection::vec((any::<bool>(), 0..4000_u16), 0..2500),
        drained in any::<bool>(),
    ) {
        let mut set = Ordered::from_sorted(first.iter().copied().collect());
        let mut model: BTreeSet<u16> = first.clone();
        let (before, held) = (set.clone(), model.clone());
        let mut changes = changes;
        if drained {
            changes.extend(model.iter().step_by(2).map(|key| (false, *key)).collect::<Vec<_>>());
        }
        for (adds, key) in changes {
            if adds {
                prop_assert_eq!(set.insert(key), model.get(&key).copied());
                model.insert(key);
            } else {
                prop_assert_eq!(set.remove(key.start(), |other| other.cmp(&key)), model.take(&key));
            }
        }
        prop_assert_eq!(keys(&set), model.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(set.iter().copied().collect::<Vec<_>>(), keys(&set));
        prop_assert_eq!(keys(&before), held.into_iter().collect::<Vec<_>>(), "an older one stays as it was");
        prop_assert_eq!(set.is_empty(), model.is_empty());
        if let Some(root) = &set.0 {
            let (depth, nodes) = check(root, true);
            prop_assert!(depth <= 5 && nodes <= 8 + model.len() / 2, "{} {}", depth, nodes);
        }
        for key in (0..4000).step_by(37) {
            prop_assert_eq!(set.find(key.start(), |other| other.cmp(&key)), model.get(&key));
            let mut next = None;
            let _ = set.walk_from(&|other| *other < key, &mut |other| {
                next = Some(*other);
                ControlFlow::Break(())
            });
            prop_assert_eq!(next, model.range(key..).next().copied());
            let rest: Vec<_> = set.iter_from(|other| *other < key).copied().collect();
            prop_assert_eq!(rest, model.range(key..).copied().collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_that_begin_alike_are_found_each(
        names in prop::collection::btree_set("[a-b]{0,2}(abcdefghijklmn){0,2}[a-c]{1,4}", 1..400),
        others in prop::collection::vec("[a-b]{0,2}(abcdefghijklmn){0,2}[a-c]{1,4}", 0..100),
    ) {
        let mut set = Ordered::default();
        for name in &names {
            prop_assert_eq!(set.insert(ServiceName::parse(name).expect("a label")), None);
        }
        for name in names.iter().chain(&others) {
            let found = set.find(LabelStart::of(name), |other| other.as_str().cmp(name));
            prop_assert_eq!(found.map(ServiceName::as_str), names.get(name).map(|name| &**name));
        }
        prop_assert!(set.iter().map(ServiceName::as_str).eq(names.iter().map(|name| &**name)));
        for name in names.iter().step_by(2) {
            let removed = set.remove(LabelStart::of(name), |other| other.as_str().cmp(name));
            prop_assert_eq!(removed.as_ref().map(ServiceName::as_str), Some(&**name));
        }
        prop_assert!(set.iter().map(ServiceName::as_str).eq(names.iter().skip(1).step_by(2).map(|name| &**name)));
    }
}
