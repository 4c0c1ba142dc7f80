//! Binary search by place, where what is searched is unpacked from words and no slice of it can be had.

use std::cmp::Ordering;
use std::ops::Range;

/// The first place of which `is_before` no longer holds, once it does not; the end if it holds of all.
#[inline]
pub(crate) fn partition(places: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let Range {
        start: mut low,
        end: mut high,
    } = places;
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The place that `order` finds, with what it found there: it says how a place stands to the one looked for.
#[inline]
pub(super) fn find<T>(places: Range<usize>, order: impl Fn(usize) -> (Ordering, T)) -> Option<(usize, T)> {
    let Range {
        start: mut low,
        end: mut high,
    } = places;
    while low < high {
        let middle = low + (high - low) / 2;
        match order(middle) {
            (Ordering::Equal, found) => return Some((middle, found)),
            (Ordering::Less, _) => low = middle + 1,
            (Ordering::Greater, _) => high = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_a_walk_finds() {
        for count in 0..20 {
            let numbers: Vec<usize> = (0..count).map(|place| 2 * place).collect();
            for wanted in 0..2 * count + 2 {
                let first = numbers
                    .iter()
                    .position(|number| *number >= wanted)
                    .unwrap_or(count);
                assert_eq!(partition(0..count, |place| numbers[place] < wanted), first);
                let found = find(0..count, |place| (numbers[place].cmp(&wanted), numbers[place]));
                let walked = numbers.iter().position(|number| *number == wanted);
                assert_eq!(found, walked.map(|place| (place, wanted)));
            }
        }
    }
}
