//! Looks ahead over a batch: where a catalog is larger than the caches, the misses of many questions overlap here that
//! would otherwise follow each other, one question after the other.
//!
//! It only touches memory. What it makes of a message may be wrong or nothing; [`super::answer`] judges for itself. It
//! goes over the batch three times because a processor overlaps what stands close together: the names, which are
//! short to read and in the caches; the pages of the zones' tables; the services.

use std::hint::black_box;

use crate::view::{Place, Snapshot, ZoneView};

use super::gate::{HEADER_OCTETS, NAME_OCTETS_MAX};

/// Messages of a batch that are looked at.
pub const AHEAD_MAX: usize = 64;
/// Labels of a name that are looked at.
const LABELS_MAX: usize = 16;

/// Touches what the questions `packets` will be answered from; the first [`AHEAD_MAX`] of them. Without a large zone
/// nothing is done, and of several only the largest is looked at. The answers are the same without it.
#[inline]
pub fn look_ahead<'p>(snapshot: &Snapshot, packets: impl Iterator<Item = &'p [u8]>) {
    if let Some(zone) = snapshot.large() {
        touch(zone, packets);
    }
}

#[inline(never)]
fn touch<'p>(zone: &ZoneView, packets: impl Iterator<Item = &'p [u8]>) {
    let mut places: [Option<Place<'_>>; AHEAD_MAX] = [None; AHEAD_MAX];
    let mut count = 0;
    for (place, packet) in places.iter_mut().zip(packets) {
        *place = aim(zone, packet);
        count += 1;
    }
    let places = || places[..count].iter().flatten();
    black_box(places().fold(0, |sum, place| sum ^ place.touch_page()));
    black_box(places().fold(0, |sum, place| sum ^ place.touch_service()));
}

/// Where the service stands that the question of a message is probably about: the label before as many octets as the
/// apex has. Whether those are the apex is not worth a look.
#[inline]
fn aim<'z>(zone: &'z ZoneView, packet: &[u8]) -> Option<Place<'z>> {
    let name = packet.get(HEADER_OCTETS..)?;
    let mut starts = [0_u8; LABELS_MAX];
    let (mut at, mut labels) = (0, 0);
    loop {
        let octets = usize::from(*name.get(at)?);
        if octets == 0 {
            break;
        }
        *starts.get_mut(labels)? = at as u8;
        labels += 1;
        at += 1 + octets;
        if octets > 63 || at >= NAME_OCTETS_MAX {
            return None;
        }
    }
    let depth = labels.checked_sub(zone.labels())?;
    let label = |above: usize| {
        let start = usize::from(starts[depth.checked_sub(above)?]);
        name.get(start + 1..)?.get(..usize::from(name[start]))
    };
    let mut label_of = label(1)?;
    if label_of.first() == Some(&b'_') {
        label_of = label(2)?.strip_prefix(b"_")?;
    }
    let mut lower = [0; 64];
    let lower = lower.get_mut(..label_of.len())?;
    for (octet, asked) in lower.iter_mut().zip(label_of) {
        // Enough for what labels of services have.
        *octet = asked | 0x20;
    }
    Some(zone.place(lower))
}
