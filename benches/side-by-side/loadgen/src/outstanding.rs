//! What one socket has asked and not yet heard, found again by the id of the answer.

use std::net::UdpSocket;

/// Questions that a socket may have outstanding: the low bits of the id are its place, the others its turn, so that an
/// answer which comes late is not taken for that of the next question in its place.
pub const PLACES_MAX: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 11;

/// A socket and its questions.
pub struct Client {
    pub socket: UdpSocket,
    places: Vec<Place>,
    free: Vec<u16>,
}

#[derive(Clone, Copy)]
struct Place {
    sent_ns: u64,
    question: u32,
    turn: u16,
    is_taken: bool,
}

impl Client {
    /// With so many places.
    pub fn new(socket: UdpSocket, places: usize) -> Self {
        assert!((1..=PLACES_MAX).contains(&places), "{places} places for a client");
        let empty = Place {
            sent_ns: 0,
            question: 0,
            turn: 0,
            is_taken: false,
        };
        Self {
            socket,
            places: vec![empty; places],
            free: (0..places as u16).rev().collect(),
        }
    }

    /// How many questions may be asked now.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// How many there may be at once.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Takes a place for a question; gives its id, none if all are taken.
    pub fn ask(&mut self, question: usize, sent_ns: u64) -> Option<u16> {
        let at = self.free.pop()?;
        let place = &mut self.places[usize::from(at)];
        place.turn = place.turn.wrapping_add(1) & (u16::MAX >> PLACE_BITS);
        place.sent_ns = sent_ns;
        place.question = question as u32;
        place.is_taken = true;
        Some(place.turn << PLACE_BITS | at)
    }

    /// The question that has this id and when it was sent, and frees its place; none if nobody waits for it.
    pub fn answered(&mut self, reply: &[u8]) -> Option<(usize, u64)> {
        let id = u16::from_be_bytes([*reply.first()?, *reply.get(1)?]);
        let at = id & (PLACES_MAX as u16 - 1);
        let place = self.places.get_mut(usize::from(at))?;
        if !place.is_taken || place.turn != id >> PLACE_BITS {
            return None;
        }
        place.is_taken = false;
        self.free.push(at);
        Some((place.question as usize, place.sent_ns))
    }

    /// Gives up on what was sent before; says how many those are.
    pub fn give_up_before(&mut self, ns: u64) -> u64 {
        let mut lost = 0;
        for (at, place) in self.places.iter_mut().enumerate() {
            if place.is_taken && place.sent_ns < ns {
                place.is_taken = false;
                self.free.push(at as u16);
                lost += 1;
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_and_only_while_it_is_waited_for() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut client = Client::new(socket, 1);
        let first = client.ask(4, 10).expect("a free place");
        assert_eq!(client.ask(5, 11), None, "the only place is taken");
        assert_eq!(client.give_up_before(11), 1);
        let second = client.ask(5, 12).expect("a free place");
        assert_eq!(client.answered(&first.to_be_bytes()), None, "it comes too late");
        assert_eq!(client.answered(&second.to_be_bytes()), Some((5, 12)));
        assert_eq!(client.answered(&second.to_be_bytes()), None, "it comes twice");
        assert_eq!(client.answered(&[0]), None);
    }
}
