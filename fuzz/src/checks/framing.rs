//! A stream of messages: the same replies come whatever the segments are, one for each message that is owed one, in
//! order, each behind its length.

use std::cell::RefCell;

use callsign::answer::stream::{BURST_OCTETS, Next, answer_stream};
use callsign::answer::{Asked, Outcome, Scratch, TCP_MESSAGE_MAX, Transport};

use super::catalog::snapshot;
use super::packet::{ask, judge};

const ASKED: Asked = Asked {
    client: std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 3)),
    transport: Transport::Tcp,
    udp_payload_max: 1232,
};

/// Messages judged one by one; more of them are only framed. A stream of thousands would make the fuzzer slow.
const JUDGED_MAX: usize = 16;

/// What came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Served {
    /// Replies, and in the place of each that the slow path writes its query.
    replies: Vec<Reply>,
    /// Octets that are no whole message yet, or stand behind the end.
    unread: usize,
    is_closed: bool,
}

#[derive(Debug, Eq)]
enum Reply {
    Now(Vec<u8>),
    Slow(Vec<u8>),
}

/// The order of the records is drawn, and so is which ones a limit leaves; length and header are not.
impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Now(one), Self::Now(other)) => one.len() == other.len() && one[..12] == other[..12],
            (Self::Slow(one), Self::Slow(other)) => one == other,
            _ => false,
        }
    }
}

/// The first octet says in how large segments the rest comes.
pub fn check(octets: &[u8]) {
    let Some((segment, stream)) = octets.split_first() else {
        return;
    };
    let whole = serve(stream, stream.len().max(1));
    owes(stream, &whole);
    assert_eq!(whole, serve(stream, usize::from(*segment) + 1), "in segments");
}

/// Serves a stream as a connection does, a segment at a time.
fn serve(stream: &[u8], segment: usize) -> Served {
    DESK.with_borrow_mut(|(scratch, burst)| serve_with(stream, segment, scratch, burst))
}

thread_local! {
    /// Not made anew for each stream, which would cost a fuzzer more than the answers.
    static DESK: RefCell<(Scratch, Vec<u8>)> = RefCell::new((Scratch::seeded(1), vec![0; BURST_OCTETS]));
}

fn serve_with(stream: &[u8], segment: usize, scratch: &mut Scratch, burst: &mut [u8]) -> Served {
    let mut served = Served::default();
    let mut unread: Vec<u8> = Vec::new();
    'segments: for part in stream.chunks(segment) {
        unread.extend_from_slice(part);
        loop {
            let progress = answer_stream(snapshot(), &unread, &ASKED, scratch, burst, |_| ());
            assert!(progress.consumed <= unread.len() && progress.written <= burst.len());
            served.replies.extend(framed(&burst[..progress.written]));
            match progress.next {
                Next::Slow(message) => served.replies.push(Reply::Slow(message.to_vec())),
                Next::More => assert!(progress.consumed > 0, "a whole burst of nothing"),
                Next::Read | Next::Close => {}
            }
            let next_is_read = matches!(progress.next, Next::Read);
            let next_is_close = matches!(progress.next, Next::Close);
            let consumed = progress.consumed;
            unread.drain(..consumed);
            if next_is_close {
                served.is_closed = true;
                break 'segments;
            }
            if next_is_read {
                break;
            }
        }
    }
    // Behind the end nothing is looked at: how much of it has come is the segments' affair.
    served.unread = if served.is_closed { 0 } else { unread.len() };
    served
}

/// Replies out of what would be written.
fn framed(mut octets: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while let Some((prefix, rest)) = octets.split_first_chunk() {
        let (reply, after) = rest.split_at(u16::from_be_bytes(*prefix).into());
        replies.push(Reply::Now(reply.to_vec()));
        octets = after;
    }
    assert_eq!(octets.len(), 0, "half a length");
    replies
}

/// The same stream read in the simplest way: what each message is owed came, in its turn.
fn owes(stream: &[u8], served: &Served) {
    let mut rest = stream;
    let mut replies = served.replies.iter();
    let mut out = vec![0; TCP_MESSAGE_MAX];
    let mut messages = 0;
    let is_closed = loop {
        let Some((prefix, after)) = rest.split_first_chunk() else {
            break false;
        };
        let Some((message, after)) = after.split_at_checked(u16::from_be_bytes(*prefix).into()) else {
            break false;
        };
        if message.is_empty() {
            break true;
        }
        rest = after;
        messages += 1;
        let outcome = ask(message, &ASKED, &mut out);
        let owed = match outcome {
            Outcome::Drop => continue,
            Outcome::Slow => Reply::Slow(message.to_vec()),
            Outcome::Reply(octets) => Reply::Now(out[..octets].to_vec()),
        };
        let came = replies.next();
        assert_eq!(came, Some(&owed), "to {}", message.escape_ascii());
        let Some(Reply::Now(came)) = came else {
            continue;
        };
        if messages <= JUDGED_MAX {
            judge(message, &ASKED, Outcome::Reply(came.len()), came);
        }
    };
    assert_eq!(replies.next(), None, "more replies than messages");
    assert_eq!(served.is_closed, is_closed);
    if !is_closed {
        assert_eq!(served.unread, rest.len());
    }
}
