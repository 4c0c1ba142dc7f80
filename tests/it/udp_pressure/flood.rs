//! Clients that ask without end, and one that asks politely beside them. Each flood is bounded, in questions and in
//! time, and is over when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::dns::{Message, Query};

/// After this a flood is over, whatever the test does.
const FLOOD_MAX: Duration = Duration::from_secs(60);
/// The same in questions.
const QUESTIONS_MAX: u64 = 50_000_000;
/// Questions that one who listens has outstanding.
const OUTSTANDING: usize = 32;
/// How long a reply is waited for before the question counts as dropped.
const PATIENCE: Duration = Duration::from_millis(50);

/// A socket of its own port at an address of its own, towards the server.
pub(super) fn socket(from: Ipv4Addr, server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).expect("bind to a loopback address");
    socket.connect(server).expect("connect a UDP socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    socket
}

/// What a flood has done so far.
#[derive(Default)]
struct Done {
    is_over: AtomicBool,
    asked: AtomicU64,
    heard: AtomicU64,
}

/// Threads that ask.
pub(super) struct Flood {
    done: Arc<Done>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(
        senders: usize,
        burst: impl Fn(usize, &Done) -> u64 + Clone + Send + 'static,
        least: u64,
    ) -> Self {
        let done = Arc::new(Done::default());
        let threads = (0..senders).map(|sender| {
            let (done, burst) = (done.clone(), burst.clone());
            std::thread::spawn(move || {
                let until = Instant::now() + FLOOD_MAX;
                while !done.is_over.load(Ordering::Relaxed)
                    && Instant::now() < until
                    && done.asked.load(Ordering::Relaxed) < QUESTIONS_MAX
                {
                    let asked = burst(sender, &done);
                    done.asked.fetch_add(asked, Ordering::Relaxed);
                }
            })
        });
        let threads = threads.collect();
        let flood = Self { done, threads };
        flood.goes_on_for(least);
        flood
    }

    /// So many senders on one socket each, which never read an answer and never wait: more than a worker can take.
    pub(super) fn deaf(server: SocketAddr, from: Ipv4Addr, senders: usize, octets: Vec<u8>) -> Self {
        let sockets: Arc<Vec<_>> = Arc::new((0..senders).map(|_| socket(from, server)).collect());
        let burst = move |sender: usize, _: &Done| {
            // A full queue on the way is what is wanted.
            (0..256)
                .map(|_| u64::from(sockets[sender].send(&octets).is_ok()))
                .sum()
        };
        Self::start(senders, burst, 20_000)
    }

    /// So many senders that keep questions outstanding and judge each answer. `question` gives the n-th of all.
    pub(super) fn listening(
        server: SocketAddr,
        from: Ipv4Addr,
        senders: usize,
        question: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
        judge: impl Fn(&[u8]) + Clone + Send + 'static,
    ) -> Self {
        let sockets: Arc<Vec<_>> = Arc::new((0..senders).map(|_| socket(from, server)).collect());
        let burst = move |sender: usize, done: &Done| {
            let first = done.asked.load(Ordering::Relaxed);
            for n in 0..OUTSTANDING as u64 {
                sockets[sender]
                    .send(&question(first + n))
                    .expect("send a question");
            }
            let mut reply = [0; 1500];
            for _ in 0..OUTSTANDING {
                // What a full server dropped is not answered.
                let Ok(length) = sockets[sender].recv(&mut reply) else {
                    break;
                };
                judge(&reply[..length]);
                done.heard.fetch_add(1, Ordering::Relaxed);
            }
            OUTSTANDING as u64
        };
        Self::start(senders, burst, 1000)
    }

    /// Waits until so many more questions were asked.
    #[track_caller]
    pub(super) fn goes_on_for(&self, questions: u64) {
        self.wait(|| self.asked(), questions);
    }

    /// Waits until so many more answers were heard.
    #[track_caller]
    pub(super) fn hears(&self, answers: u64) {
        self.wait(|| self.heard(), answers);
    }

    #[track_caller]
    fn wait(&self, count: impl Fn() -> u64, more: u64) {
        let (before, since) = (count(), Instant::now());
        while count() < before + more {
            let is_stuck = since.elapsed() > FLOOD_MAX || self.threads.iter().any(JoinHandle::is_finished);
            assert!(
                !is_stuck,
                "the flood dried up: {} asked, {} heard",
                self.asked(),
                self.heard()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Questions so far.
    pub(super) fn asked(&self) -> u64 {
        self.done.asked.load(Ordering::Relaxed)
    }

    /// Answers so far.
    pub(super) fn heard(&self) -> u64 {
        self.done.heard.load(Ordering::Relaxed)
    }

    /// Ends it; fails if a sender failed.
    #[track_caller]
    pub(super) fn end(mut self) {
        self.done.is_over.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().expect("a sender whose answers were all right");
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.done.is_over.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            // The test has failed already.
            let _ = thread.join();
        }
    }
}

/// A client that asks one question at a time and, when nothing comes, asks again from its next socket: another flow,
/// which the kernel may hand to another worker.
pub(super) struct Polite {
    sockets: Vec<UdpSocket>,
    asked: u16,
}

impl Polite {
    /// With so many sockets.
    pub(super) fn new(server: SocketAddr, from: Ipv4Addr, sockets: usize) -> Self {
        Self {
            sockets: (0..sockets).map(|_| socket(from, server)).collect(),
            asked: 0,
        }
    }

    /// The answer to a question, within so many tries.
    #[track_caller]
    pub(super) fn ask(&mut self, query: &Query, tries: u32) -> Message {
        for _ in 0..tries {
            // A new id: the answer to an earlier try may be older than what the test did since.
            self.asked = self.asked.wrapping_add(1);
            let query = query.clone().id(self.asked);
            let socket = &self.sockets[usize::from(self.asked) % self.sockets.len()];
            socket.send(&query.bytes()).expect("send a question");
            let mut reply = [0; 1500];
            while let Ok(length) = socket.recv(&mut reply) {
                let message = Message::parse(&reply[..length]).expect("a well-formed reply");
                if message.id == self.asked {
                    assert_eq!(message.question_bytes, query.question_bytes());
                    return message;
                }
            }
        }
        panic!("no answer in {tries} tries of {PATIENCE:?}");
    }
}
