//! Looks ahead over a batch: where a catalog is larger than the caches, the misses of many questions overlap here that
//! would otherwise follow each other, one question after the other.
//!
//! It only touches memory. What it makes of a message may be wrong or nothing; [`super::answer`] judges for itself. It
//! goes over the batch three times because a processor overlaps what stands close together: the names, which are
//! short to read and in the caches; the pages of the zones' tables; the services.

use std::hint::black_box;

use crate::view::{Place, Snapshot};

use super::find;
use super::gate::{HEADER_OCTETS, NAME_OCTETS_MAX};
use super::name::Folded;

/// Messages of a batch that are looked at.
pub const AHEAD_MAX: usize = 64;

/// Touches what the questions `packets` will be answered from; the first [`AHEAD_MAX`] of them. Without a large zone
/// nothing is done. The answers are the same without it.
pub fn look_ahead<'p>(snapshot: &Snapshot, packets: impl Iterator<Item = &'p [u8]>) {
    if snapshot.is_large() {
        touch(snapshot, packets);
    }
}

#[inline(never)]
fn touch<'p>(snapshot: &Snapshot, packets: impl Iterator<Item = &'p [u8]>) {
    let mut places: [Option<Place<'_>>; AHEAD_MAX] = [None; AHEAD_MAX];
    let mut count = 0;
    for (place, packet) in places.iter_mut().zip(packets) {
        *place = aim(snapshot, packet);
        count += 1;
    }
    let places = || places[..count].iter().flatten();
    black_box(places().fold(0, |sum, place| sum ^ place.touch_page()));
    black_box(places().fold(0, |sum, place| sum ^ place.touch_service()));
}

/// Where the service stands that the first question of a message is probably about.
fn aim<'s>(snapshot: &'s Snapshot, packet: &[u8]) -> Option<Place<'s>> {
    let rest = packet.get(HEADER_OCTETS..)?;
    let mut at = 0;
    loop {
        match usize::from(*rest.get(at)?) {
            0 => break,
            octets @ 1..=63 => at += 1 + octets,
            _ => return None,
        }
        if at >= NAME_OCTETS_MAX {
            return None;
        }
    }
    let name = Folded::new(rest.get(..=at)?)?;
    let zone = find::zone(snapshot, &name, 0)?;
    find::service_label(zone, &name).map(|label| zone.place(label))
}
