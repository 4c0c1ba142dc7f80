//! Who is connected over TCP, and who goes when it gets crowded (RFC 7766 §6.2.3, RFC 9210 §4.3).
//!
//! A new client is always let in while anybody idles: the connection that was used least recently makes room, among
//! those of the same client if that client has its full number. Only busy ones, with an answer under way, are
//! left alone. Over IPv6 a client is its /64, of which one host may have every address (RFC 4291 §2.5.4). The lock
//! is taken when connections come and go, never for a question.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Counts, bump};

/// All open connections.
pub(super) struct Connections {
    max: usize,
    per_client_max: usize,
    counts: Arc<Counts>,
    /// Counts uses of any connection: an order of use that needs no clock.
    uses: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Seat>>>,
}

struct Seat {
    client: Client,
    last_use: AtomicU64,
    busy: AtomicBool,
    evicted: Notify,
    left: Notify,
}

/// Whom connections are counted for: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Client(IpAddr);

impl Client {
    fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => Self(v4),
        }
    }
}

/// A connection that was told to make room.
pub(super) struct Leaving(Arc<Seat>);

impl Leaving {
    /// Waits until its place is given up: its descriptor is free then.
    pub(super) async fn left(self) {
        self.0.left.notified().await;
    }
}

/// One connection's place among the open ones; dropping it gives it up. Whoever owns it drops its socket first.
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    seat: Arc<Seat>,
}

impl Connections {
    pub(super) fn new(max: usize, per_client_max: usize, counts: Arc<Counts>) -> Self {
        Self {
            max,
            per_client_max,
            counts,
            uses: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    /// A place for a new connection of `client`. None if it is crowded and nobody idles.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let client = Client::at(address);
        let mut open = self.open();
        if open.values().filter(|seat| seat.client == client).count() >= self.per_client_max {
            self.evict_oldest(&mut open, |_, seat| seat.client == client)?;
        }
        if open.len() >= self.max {
            self.evict_oldest(&mut open, |_, _| true)?;
        }
        let id = self.next_use();
        let seat = Arc::new(Seat {
            client,
            last_use: AtomicU64::new(id),
            busy: AtomicBool::new(false),
            evicted: Notify::new(),
            left: Notify::new(),
        });
        open.insert(id, seat.clone());
        self.counts.tcp_open.fetch_add(1, Ordering::Relaxed);
        bump(&self.counts.tcp_accepted);
        Some(Place {
            connections: self.clone(),
            id,
            seat,
        })
    }

    /// Closes the connection that has idled longest: its descriptor is needed. None if nobody idles.
    pub(super) fn evict_any(&self) -> Option<Leaving> {
        self.evict_oldest(&mut self.open(), |_, _| true)
    }

    /// The same, but never the one that came last: it has only just got what is wanted for the next.
    pub(super) fn evict_older(&self) -> Option<Leaving> {
        let mut open = self.open();
        let newest = open.keys().copied().max()?;
        self.evict_oldest(&mut open, |id, _| id != newest)
    }

    fn evict_oldest(
        &self,
        open: &mut HashMap<u64, Arc<Seat>>,
        among: impl Fn(u64, &Seat) -> bool,
    ) -> Option<Leaving> {
        let (&id, _) = open
            .iter()
            .filter(|(id, seat)| !seat.busy.load(Ordering::Relaxed) && among(**id, seat))
            .min_by_key(|(_, seat)| seat.last_use.load(Ordering::Relaxed))?;
        let seat = open.remove(&id)?;
        // The permit is kept if the connection is not waiting for it just now.
        seat.evicted.notify_one();
        bump(&self.counts.tcp_evicted);
        Some(Leaving(seat))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
        // A panic elsewhere leaves the map whole: each change of it is one call.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }
}

impl Place {
    /// An answer is under way: the connection is not to be closed for another.
    pub(super) fn busy(&self) {
        self.seat.busy.store(true, Ordering::Relaxed);
    }

    /// It is not: from now on the connection idles.
    pub(super) fn idle(&self) {
        self.seat
            .last_use
            .store(self.connections.next_use(), Ordering::Relaxed);
        self.seat.busy.store(false, Ordering::Relaxed);
    }

    /// Waits until the connection has to make room.
    pub(super) async fn evicted(&self) {
        self.seat.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
        self.connections.counts.tcp_open.fetch_sub(1, Ordering::Relaxed);
        self.seat.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn crowd(max: usize, per_client_max: usize) -> Arc<Connections> {
        Arc::new(Connections::new(max, per_client_max, Arc::default()))
    }

    async fn is_evicted(place: &Place) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, place.evicted())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_one_used_least_recently_makes_room() {
        let connections = crowd(3, 3);
        let places: Vec<_> = [A, B, B]
            .into_iter()
            .map(|client| connections.admit(client).expect("room"))
            .collect();
        places[0].idle();
        let _new = connections.admit(A).expect("room is made");
        assert!(is_evicted(&places[1]).await);
        assert!(!is_evicted(&places[0]).await && !is_evicted(&places[2]).await);
    }

    #[tokio::test]
    async fn a_full_client_makes_room_for_itself_only() {
        let connections = crowd(100, 2);
        let other = connections.admit(B).expect("room");
        let places: Vec<_> = (0..2).map(|_| connections.admit(A).expect("room")).collect();
        let _new = connections.admit(A).expect("room is made");
        assert!(is_evicted(&places[0]).await);
        assert!(!is_evicted(&other).await && !is_evicted(&places[1]).await);
    }

    #[tokio::test]
    async fn busy_ones_stay_and_a_new_one_is_refused_if_there_are_no_others() {
        let connections = crowd(1, 1);
        let place = connections.admit(A).expect("room");
        place.busy();
        assert!(connections.admit(B).is_none());
        assert!(connections.evict_any().is_none());
        assert!(!is_evicted(&place).await);
        place.idle();
        assert!(connections.admit(B).is_some());
    }

    #[tokio::test]
    async fn who_came_last_makes_no_room_for_nobody() {
        let connections = crowd(100, 100);
        assert!(connections.evict_older().is_none());
        let places: Vec<_> = (0..3).map(|_| connections.admit(A).expect("room")).collect();
        places[0].busy();
        assert!(connections.evict_older().is_some());
        assert!(is_evicted(&places[1]).await);
        assert!(connections.evict_older().is_none());
        assert!(connections.evict_any().is_some());
        assert!(is_evicted(&places[2]).await && !is_evicted(&places[0]).await);
    }

    #[tokio::test]
    async fn an_ipv6_client_is_its_64() {
        let connections = crowd(100, 2);
        let at = |text: &str| {
            connections
                .admit(text.parse().expect("an address"))
                .expect("room")
        };
        let neighbour = at("2001:db8:0:1::1");
        let places = [at("2001:db8::1"), at("2001:db8::ffff:0:0:1")];
        let _new = at("2001:db8::2");
        assert!(is_evicted(&places[0]).await);
        assert!(!is_evicted(&neighbour).await && !is_evicted(&places[1]).await);
    }

    #[tokio::test]
    async fn a_mapped_address_is_its_ipv4_client() {
        let connections = crowd(100, 1);
        let plain = connections.admit(A).expect("room");
        let other = connections.admit(B).expect("room");
        let _new = connections.admit("::ffff:192.0.2.1".parse().expect("an address"));
        assert!(is_evicted(&plain).await && !is_evicted(&other).await);
    }

    #[tokio::test]
    async fn who_makes_room_has_left_when_its_place_is_given_up() {
        let connections = crowd(2, 2);
        let place = connections.admit(A).expect("room");
        let leaving = connections.evict_any().expect("one idles");
        let waiting = tokio::spawn(leaving.left());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(is_evicted(&place).await && !waiting.is_finished());
        drop(place);
        waiting.await.expect("it ends");
    }

    #[test]
    fn a_place_given_up_is_free() {
        let connections = crowd(1, 1);
        for _ in 0..3 {
            let place = connections.admit(A).expect("room");
            place.busy();
        }
    }
}
