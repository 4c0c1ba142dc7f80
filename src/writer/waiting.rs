//! A wait for the queue that ends. The queue of the runtime knows none outside of it; this one parks the thread.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::mpsc;

/// Wakes the thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What `queue` gives next, as its `blocking_recv` would, or nothing if that takes longer than about `limit`. It may
/// give up early.
pub(super) fn within<T>(queue: &mut mpsc::Receiver<T>, limit: Duration) -> Option<Option<T>> {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut context = Context::from_waker(&waker);
    // A wake-up that came after the last wait had ended is used up.
    thread::park_timeout(Duration::ZERO);
    let mut parked = false;
    loop {
        match queue.poll_recv(&mut context) {
            Poll::Ready(next) => return Some(next),
            Poll::Pending if parked => return None,
            Poll::Pending => thread::park_timeout(limit),
        }
        parked = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_comes_or_ends() {
        let (door, mut queue) = mpsc::channel(1);
        assert_eq!(within(&mut queue, Duration::from_millis(1)), None);
        door.try_send(7).expect("it is empty");
        assert_eq!(within(&mut queue, Duration::from_secs(60)), Some(Some(7)));
        let sending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            door.try_send(8).expect("it is empty");
        });
        // Far below the limit: it is woken.
        assert_eq!(within(&mut queue, Duration::from_secs(60)), Some(Some(8)));
        sending.join().expect("it sends");
        assert_eq!(within(&mut queue, Duration::from_secs(60)), Some(None));
    }
}
