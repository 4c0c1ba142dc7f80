//! Which records of a selection are answered, and in which order.
//!
//! Without a limit and with room for all, that is all of them: within a tier the first is drawn with probability
//! proportional to weight, the others follow in random order (RFC 2782 for SRV; the same for addresses). With an
//! `answer_limit`, instances are drawn by weight for each question. What does not fit is left out stably for each
//! client: the window that begins at the client's place on a ring of the instances.

use crate::catalog::limits::{ADDRESSES_MAX, INSTANCES_MAX, PORTS_MAX};
use crate::view::{ServiceView, partition, ring};

use super::Noted;
use super::names::Names;
use super::reply::RECORD_HEAD_OCTETS;

/// No exponential drawn from an `f64` below 1 is as large: −ln 2⁻⁵³ is less than 37.
const EXPONENTIAL_MAX: f64 = 64.0;

/// Records of the largest answer: 65,535 octets of A records.
const RECORDS_MAX: usize = 4096;

/// Entries of one member in one list: its ports, or its addresses.
pub(super) const ENTRIES_PER_MEMBER_MAX: usize = if PORTS_MAX > ADDRESSES_MAX {
    PORTS_MAX
} else {
    ADDRESSES_MAX
};
/// No record is shorter: an A record whose owner is a pointer.
const RECORD_OCTETS_MIN: usize = RECORD_HEAD_OCTETS + 4;

/// Working memory of one worker, made once and reused for each question.
#[derive(Debug)]
pub struct Scratch {
    random: fastrand::Rng,
    /// The records to answer, in order.
    pub(super) chosen: Vec<u32>,
    /// Keys of the draw.
    drawn: Vec<(f64, u32)>,
    /// One bit for each record that has been chosen, where records may repeat.
    seen: Vec<u64>,
    /// Records that are chosen from, where no list of them is kept.
    pub(super) gathered: Vec<u32>,
    /// Names in the message under way.
    pub(super) names: Names,
    /// Answers that not even 65,535 octets held whole.
    pub left_out: u64,
    /// What the last reply was.
    pub noted: Noted,
}

impl Scratch {
    /// Working memory whose draws follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            chosen: Vec::with_capacity(RECORDS_MAX + 1),
            drawn: Vec::with_capacity(RECORDS_MAX + 1),
            seen: vec![0; ADDRESSES_MAX * INSTANCES_MAX / 64],
            gathered: Vec::with_capacity(PORTS_MAX * INSTANCES_MAX),
            names: Names::new(),
            left_out: 0,
            noted: Noted::default(),
        }
    }
}

/// Notes `entry` as chosen, and says whether it was not before.
fn first_time(seen: &mut [u64], entry: u32) -> bool {
    let (word, bit) = (entry as usize / 64, 1 << (entry % 64));
    let first = seen[word] & bit == 0;
    seen[word] |= bit;
    first
}

/// The place of a client on the ring: all of an IPv4 address, the /64 of an IPv6 one.
pub(super) fn client_ring(client: std::net::IpAddr) -> u64 {
    match client.to_canonical() {
        std::net::IpAddr::V4(address) => ring(&address.octets()),
        std::net::IpAddr::V6(address) => ring(&address.octets()[..8]),
    }
}

/// Records to choose from. Entries of one member stand together; members stand in the order of tier and ring.
pub(super) trait Choice {
    /// How many entries.
    fn len(&self) -> usize;
    /// The number of the record at a place.
    fn entry(&self, at: usize) -> u32;
    /// The member that it counts for.
    fn member(&self, at: usize) -> u32;
    /// Its tier.
    fn tier(&self, at: usize) -> u16;
    /// Its weight.
    fn weight(&self, at: usize) -> u32;
    /// Whether all weigh the same, as far as it is known without a look at each.
    fn is_even(&self) -> bool;
    /// Its octets in the answer.
    fn octets(&self, at: usize) -> usize;
    /// No record has more octets.
    fn octets_max(&self) -> usize;
    /// How many records there are, if several entries can be one record.
    fn repeating(&self) -> Option<usize>;
    /// The service, for places on the ring.
    fn service(&self) -> ServiceView<'_>;

    /// The member that the entry at a place is of, and where its entries end. `before` is the member of the entries
    /// that end there, if it is known: who asks for all of them one after the other need not search for each.
    fn run(&self, at: usize, end: usize, before: Option<u32>) -> (u32, usize) {
        let _ = before;
        (self.member(at), member_end(self, at, end))
    }

    /// The weight of an entry whose member is known.
    fn weight_in(&self, at: usize, member: u32) -> u32 {
        let _ = member;
        self.weight(at)
    }
}

/// Bounds of one answer.
pub(super) struct Bounds {
    /// Octets for the records.
    pub(super) room: usize,
    /// Instances; 0 is all.
    pub(super) limit: usize,
    /// The client's place on the ring.
    pub(super) client: std::net::IpAddr,
}

/// Fills `scratch.chosen` with places of `choice` in the order of the answer, and says whether room lacked for some.
pub(super) fn arrange(choice: &impl Choice, bounds: &Bounds, scratch: &mut Scratch) -> bool {
    scratch.chosen.clear();
    let count = choice.len();
    forget_seen(choice, scratch);
    if bounds.limit == 0 || bounds.limit >= count {
        if fits(choice, count, bounds.room) {
            scratch.chosen.extend(0..count as u32);
            order_tiers(choice, scratch);
            return false;
        }
    } else if draw(choice, bounds, scratch) {
        return false;
    }
    window(choice, bounds, scratch);
    true
}

/// Whether all records have room. Most have it however long each is.
fn fits(choice: &impl Choice, count: usize, room: usize) -> bool {
    if count * choice.octets_max() <= room {
        return true;
    }
    let mut octets = 0;
    for at in 0..count {
        octets += choice.octets(at);
        if octets > room {
            return false;
        }
    }
    true
}

fn forget_seen(choice: &impl Choice, scratch: &mut Scratch) {
    if let Some(records) = choice.repeating() {
        scratch.seen[..records.div_ceil(64)].fill(0);
    }
}

/// The end of the tier that begins at `start`. Tiers stand in order, and one may have a quarter of a million entries
/// of which a datagram takes ten.
fn tier_end(choice: &impl Choice, start: usize) -> usize {
    let tier = choice.tier(start);
    partition(start + 1..choice.len(), |at| choice.tier(at) == tier)
}

/// Orders the records in `scratch.chosen`, which stand tier by tier.
fn order_tiers(choice: &impl Choice, scratch: &mut Scratch) {
    let Scratch { chosen, random, .. } = scratch;
    let tier = |at: Option<&u32>| at.map(|at| choice.tier(*at as usize));
    if tier(chosen.first()) == tier(chosen.last()) {
        // They stand in order, so all between are of it too.
        return order_tier(choice, chosen, random);
    }
    let mut start = 0;
    while start < chosen.len() {
        let tier = choice.tier(chosen[start] as usize);
        let mut end = start + 1;
        while end < chosen.len() && choice.tier(chosen[end] as usize) == tier {
            end += 1;
        }
        order_tier(choice, &mut chosen[start..end], random);
        start = end;
    }
}

/// Draws the first by weight and shuffles the others.
fn order_tier(choice: &impl Choice, tier: &mut [u32], random: &mut fastrand::Rng) {
    if tier.len() < 2 {
        return;
    }
    if choice.is_even() {
        return random.shuffle(tier);
    }
    let total: u64 = tier.iter().map(|at| u64::from(choice.weight(*at as usize))).sum();
    let first = if total == 0 {
        random.usize(..tier.len())
    } else {
        let mut left = random.u64(..total);
        tier.iter()
            .position(|at| {
                let weight = u64::from(choice.weight(*at as usize));
                let here = left < weight;
                left = left.wrapping_sub(weight);
                here
            })
            .unwrap_or(0)
    };
    tier.swap(0, first);
    random.shuffle(&mut tier[1..]);
}

/// Draws `bounds.limit` members tier by tier, by weight without putting back; whether all their records have room.
fn draw(choice: &impl Choice, bounds: &Bounds, scratch: &mut Scratch) -> bool {
    // Each member that is drawn brings a record. What cannot fit need not be drawn from thousands.
    if choice.repeating().is_none() && bounds.limit * RECORD_OCTETS_MIN > bounds.room {
        return false;
    }
    let mut left = bounds.limit;
    let mut octets = 0;
    let mut start = 0;
    while start < choice.len() && left > 0 {
        let end = tier_end(choice, start);
        // Exponential keys: the smallest is drawn first with probability proportional to weight, the next of the
        // others likewise (Efraimidis and Spirakis 2006). Weight 0 comes after every other.
        scratch.drawn.clear();
        let (mut at, mut before) = (start, None);
        while at < end {
            let (member, after) = choice.run(at, end, before);
            let exponential = -(1.0 - scratch.random.f64()).ln();
            let key = match choice.weight_in(at, member) {
                // A sum that kept no digit of the exponential would draw the same for ever.
                0 => EXPONENTIAL_MAX + exponential,
                weight => exponential / f64::from(weight),
            };
            scratch.drawn.push((key, at as u32));
            (at, before) = (after, Some(member));
        }
        let take = left.min(scratch.drawn.len());
        if take < scratch.drawn.len() {
            scratch
                .drawn
                .select_nth_unstable_by(take, |a, b| a.0.total_cmp(&b.0));
            scratch.drawn.truncate(take);
        }
        left -= take;
        let begun = scratch.chosen.len();
        scratch.drawn.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut of_first = 0;
        for (_, first) in &scratch.drawn {
            let first = *first as usize;
            for at in first..choice.run(first, end, None).1 {
                if choice.repeating().is_some() && !first_time(&mut scratch.seen, choice.entry(at)) {
                    continue;
                }
                octets += choice.octets(at);
                if octets > bounds.room || scratch.chosen.len() >= RECORDS_MAX {
                    return false;
                }
                scratch.chosen.push(at as u32);
            }
            if of_first == 0 {
                of_first = scratch.chosen.len() - begun;
            }
        }
        // The instance drawn first stays first, by any of its records; the order of the others says nothing.
        let tier = &mut scratch.chosen[begun..];
        if tier.len() > 1 {
            tier.swap(0, scratch.random.usize(..of_first));
            scratch.random.shuffle(&mut tier[1..]);
        }
        start = end;
    }
    true
}

/// The end of the entries of the member whose first is at `at`. Most have one; others have 64 and are 4,096.
pub(super) fn member_end(choice: &(impl Choice + ?Sized), at: usize, end: usize) -> usize {
    let member = choice.member(at);
    if at + 1 >= end || choice.member(at + 1) != member {
        return at + 1;
    }
    partition(at + 2..end.min(at + ENTRIES_PER_MEMBER_MAX), |at| {
        choice.member(at) == member
    })
}

/// As many records as fit: tier by tier, from the client's place on the ring.
fn window(choice: &impl Choice, bounds: &Bounds, scratch: &mut Scratch) {
    scratch.chosen.clear();
    forget_seen(choice, scratch);
    let place = client_ring(bounds.client);
    let limit = if bounds.limit == 0 {
        usize::MAX
    } else {
        bounds.limit
    };
    let (mut octets, mut members, mut last) = (0, 0, None);
    let mut start = 0;
    'tiers: while start < choice.len() {
        let end = tier_end(choice, start);
        let from = first_at(choice, start, end, place);
        for at in (from..end).chain(start..from) {
            if last != Some(choice.member(at)) {
                members += 1;
                last = Some(choice.member(at));
            }
            if choice.repeating().is_some() && !first_time(&mut scratch.seen, choice.entry(at)) {
                continue;
            }
            octets += choice.octets(at);
            if members > limit || octets > bounds.room || scratch.chosen.len() >= RECORDS_MAX {
                break 'tiers;
            }
            scratch.chosen.push(at as u32);
        }
        start = end;
    }
    order_tiers(choice, scratch);
}

/// The first entry of the tier `start..end` whose member stands at `place` on the ring or after it.
fn first_at(choice: &impl Choice, start: usize, end: usize, place: u64) -> usize {
    let ring = |at| choice.service().ring(choice.member(at) as usize);
    match partition(start..end, |at| ring(at) < place) {
        none if none == end => start,
        at => at,
    }
}
