//! Messages on a stream, each behind its length in two octets (RFC 1035 §4.2.2): those that have come are answered in
//! order, and each reply gets its length before it, so that both leave in one write (RFC 7766 §8).
//!
//! Pure, like [`super::answer`]: what has come is octets, and what leaves is octets. The connection that they come
//! over is the caller's, and so is patience with it.

use super::{Asked, Noted, Outcome, Scratch, TCP_MESSAGE_MAX, answer};
use crate::view::Snapshot;

/// The length before each message.
pub const PREFIX_OCTETS: usize = 2;
/// Replies gathered for one write: a second one of any length still fits behind a short first one.
pub const BURST_OCTETS: usize = 2 * (PREFIX_OCTETS + TCP_MESSAGE_MAX);

/// What was done with the octets that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// So many octets, from the first, are dealt with.
    pub consumed: usize,
    /// So many octets of the burst are replies.
    pub written: usize,
    /// What to do once they are sent.
    pub next: Next<'a>,
}

/// What to do after the messages that have come were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Read on: no whole message is left.
    Read,
    /// Answer more of what has come: the burst has no room for another reply of any length.
    More,
    /// Wait for the slow path to answer this message, which is consumed.
    Slow(&'a [u8]),
    /// Close: a message of no octets is none.
    Close,
}

/// Answers the whole messages at the front of `unread` into `burst`, which holds [`BURST_OCTETS`]: until there are
/// none, one is for the slow path, or the burst is full. `note` is told of each reply.
pub fn answer_stream<'a>(
    snapshot: &Snapshot,
    unread: &'a [u8],
    asked: &Asked,
    scratch: &mut Scratch,
    burst: &mut [u8],
    mut note: impl FnMut(Noted),
) -> Progress<'a> {
    let mut consumed = 0;
    let mut written = 0;
    let next = loop {
        let (message, after) = match split(unread.get(consumed..).unwrap_or_default()) {
            Split::Partial => break Next::Read,
            Split::Empty => break Next::Close,
            Split::Whole(message) => (message, consumed + PREFIX_OCTETS + message.len()),
        };
        let room = burst.get_mut(written..).unwrap_or_default();
        let Some((prefix, room)) = room.split_first_chunk_mut::<PREFIX_OCTETS>() else {
            break Next::More;
        };
        if room.len() < TCP_MESSAGE_MAX {
            break Next::More;
        }
        consumed = after;
        match answer(snapshot, message, asked, scratch, room) {
            Outcome::Drop => {}
            Outcome::Slow => break Next::Slow(message),
            Outcome::Reply(octets) => {
                let octets = u16::try_from(octets).expect("a reply is no longer than a message may be");
                *prefix = octets.to_be_bytes();
                written += PREFIX_OCTETS + usize::from(octets);
                note(scratch.noted);
            }
        }
    };
    Progress {
        consumed,
        written,
        next,
    }
}

enum Split<'a> {
    Whole(&'a [u8]),
    Partial,
    Empty,
}

/// The first message of a stream of them.
fn split(stream: &[u8]) -> Split<'_> {
    let Some((prefix, rest)) = stream.split_first_chunk::<PREFIX_OCTETS>() else {
        return Split::Partial;
    };
    match usize::from(u16::from_be_bytes(*prefix)) {
        0 => Split::Empty,
        octets => rest.get(..octets).map_or(Split::Partial, Split::Whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_split_at_its_lengths() {
        assert!(matches!(split(b""), Split::Partial));
        assert!(matches!(split(b"\0"), Split::Partial));
        assert!(matches!(split(b"\0\x02a"), Split::Partial));
        assert!(matches!(split(b"\0\x02abc"), Split::Whole(b"ab")));
        assert!(matches!(split(b"\0\0abc"), Split::Empty));
    }
}
