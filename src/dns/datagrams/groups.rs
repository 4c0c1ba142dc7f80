//! Which replies of a batch leave as one datagram of segments: those of one length to one client from one address.
//!
//! A table of fixed size and lists by number, so that a batch in which nothing goes together costs a look-up a reply.

use super::BATCH;

/// Places in the table: twice as many as there can be groups.
const PLACES: usize = 2 * BATCH;
/// No number: there are fewer replies.
const NONE: u8 = u8::MAX;

const _: () = assert!(BATCH < NONE as usize && PLACES.is_power_of_two());

/// Replies that leave together, in the order in which they were added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    key: u64,
    first: u8,
    last: u8,
    /// How many.
    pub(super) len: u8,
}

/// The groups of a batch.
#[derive(Debug)]
pub(super) struct Groups {
    table: [u8; PLACES],
    groups: [Group; BATCH],
    len: usize,
    next: [u8; BATCH],
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            table: [NONE; PLACES],
            groups: [Group {
                key: 0,
                first: NONE,
                last: NONE,
                len: 0,
            }; BATCH],
            len: 0,
            next: [NONE; BATCH],
        }
    }

    /// Adds reply `n`, each once. `key` is a hash of where it goes and how long it is; replies of one key go together
    /// if `is_same` says so of `n` and the first of the group, and the group has fewer than `segments_max`.
    pub(super) fn add(&mut self, n: usize, key: u64, segments_max: usize, is_same: impl Fn(usize) -> bool) {
        let mut place = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> (usize::BITS - PLACES.ilog2());
        // There are fewer groups than places, so an empty one comes.
        while let Some(group) = self.groups.get_mut(usize::from(self.table[place])) {
            if group.key == key && usize::from(group.len) < segments_max && is_same(usize::from(group.first))
            {
                self.next[usize::from(group.last)] = n as u8;
                group.last = n as u8;
                group.len += 1;
                return;
            }
            place = (place + 1) % PLACES;
        }
        self.table[place] = self.len as u8;
        self.groups[self.len] = Group {
            key,
            first: n as u8,
            last: n as u8,
            len: 1,
        };
        self.next[n] = NONE;
        self.len += 1;
    }

    /// All groups, in the order of their first replies.
    pub(super) fn iter(&self) -> impl Iterator<Item = Group> {
        self.groups[..self.len].iter().copied()
    }

    /// The replies of a group.
    pub(super) fn replies(&self, group: Group) -> impl Iterator<Item = usize> {
        let mut at = group.first;
        (0..group.len).map(move |_| {
            let n = usize::from(at);
            at = self.next[n];
            n
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_together_by_key_and_in_order() {
        let mut groups = Groups::new();
        let clients = [7, 9, 7, 7, 9, 8];
        for (n, client) in clients.into_iter().enumerate() {
            groups.add(n, client, BATCH, |_| true);
        }
        let found: Vec<Vec<usize>> = groups
            .iter()
            .map(|group| groups.replies(group).collect())
            .collect();
        assert_eq!(found, [vec![0, 2, 3], vec![1, 4], vec![5]]);
    }

    #[test]
    fn what_only_shares_a_hash_stays_apart() {
        let mut groups = Groups::new();
        for n in 0..BATCH {
            groups.add(n, 1, BATCH, |first| first % 2 == n % 2);
        }
        let lens: Vec<u8> = groups.iter().map(|group| group.len).collect();
        assert_eq!(lens, [32, 32]);
    }

    #[test]
    fn a_full_group_is_followed_by_another() {
        let mut groups = Groups::new();
        for n in 0..BATCH {
            groups.add(n, 1, 10, |_| true);
        }
        let lens: Vec<u8> = groups.iter().map(|group| group.len).collect();
        assert_eq!(lens, [10, 10, 10, 10, 10, 10, 4]);
        assert!(groups.iter().flat_map(|group| groups.replies(group)).eq(0..BATCH));
    }

    #[test]
    fn a_batch_in_which_nothing_goes_together_is_as_many_groups() {
        let mut groups = Groups::new();
        for n in 0..BATCH {
            groups.add(n, n as u64, BATCH, |_| true);
        }
        assert_eq!(groups.iter().count(), BATCH);
    }
}
