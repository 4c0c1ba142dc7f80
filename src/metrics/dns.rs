//! Questions by transport, type and rcode, and what went wrong on the sockets.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::MetricType;

use super::histogram::SHORT_US;
use super::{Collector, ConstCounter, DescriptorEncoder, EncodeMetric, Histogram, counter, gauge};

/// Types that are counted by themselves, the frequent ones first; the rest is `other`.
const TYPES: [(u16, &str); 13] = [
    (1, "A"),
    (28, "AAAA"),
    (33, "SRV"),
    (65, "HTTPS"),
    (12, "PTR"),
    (16, "TXT"),
    (6, "SOA"),
    (2, "NS"),
    (5, "CNAME"),
    (15, "MX"),
    (64, "SVCB"),
    (255, "ANY"),
    (0, "other"),
];
/// Rcodes by their number: four bits of the header, and BADVERS (RFC 6891 §9), which is the one beyond them.
const RCODES: [&str; 17] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE", "11", "12", "13", "14", "15", "BADVERS",
];
/// Shown from the start: a counter that appears only when it counts hides its first events from a rate.
const ALWAYS_SHOWN: [(usize, usize); 9] = [
    (0, 0),
    (0, 2),
    (0, 3),
    (1, 0),
    (1, 2),
    (1, 3),
    (2, 0),
    (2, 2),
    (2, 3),
];

/// What a message came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// One datagram each way.
    Udp,
    /// A stream.
    Tcp,
}

/// Answers by type and rcode, of one thread or of all connections of an address.
#[derive(Debug)]
pub struct Answers {
    over: Over,
    counts: [[AtomicU64; RCODES.len()]; TYPES.len()],
}

impl Answers {
    fn new(over: Over) -> Self {
        Self {
            over,
            counts: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// Counts an answer to a question for `qtype` (0 if there was none that could be read). Only the thread that these
    /// counters were made for may call it: others would lose counts.
    #[inline]
    pub fn note(&self, qtype: u16, rcode: u16) {
        let count = self.count(qtype, rcode);
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The same for counters that threads share.
    pub fn note_shared(&self, qtype: u16, rcode: u16) {
        self.count(qtype, rcode).fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn count(&self, qtype: u16, rcode: u16) -> &AtomicU64 {
        let class = match qtype {
            1 => 0,
            28 => 1,
            33 => 2,
            other => TYPES
                .iter()
                .position(|(number, _)| *number == other)
                .unwrap_or(TYPES.len() - 1),
        };
        &self.counts[class][usize::from(rcode).min(RCODES.len() - 1)]
    }
}

/// Of so many batches of questions one is timed: to read a clock costs as much as a tenth of an answer.
pub const TIMED_EVERY: u32 = 64;

/// How long answers took, of one thread or of all connections of an address.
#[derive(Debug)]
pub struct Timed {
    over: Over,
    histogram: Histogram,
    /// Batches of threads that share this.
    shared: AtomicU64,
}

impl Timed {
    /// Notes that each of `questions` was answered so long after it was received, together with the others. Only the
    /// thread that this was made for may call it.
    #[inline]
    pub fn note(&self, took: Duration, questions: usize) {
        self.histogram.took_alone(took, questions as u64);
    }

    /// Whether a batch is one to be timed, of those that share this.
    pub fn is_due_shared(&self) -> bool {
        self.shared
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(TIMED_EVERY.into())
    }

    /// Notes one batch of those that share this.
    pub fn note_shared(&self, took: Duration) {
        self.histogram.took(took);
    }
}

/// Questions, answers, and what went wrong. Each of the plain counters is bumped where something is lost, never for an
/// answer.
#[derive(Debug, Default)]
pub struct Dns {
    /// One for each thread that answers. Threads are few and stay.
    answers: Mutex<Vec<Arc<Answers>>>,
    timed: Mutex<Vec<Arc<Timed>>>,
    /// TCP connections that are open.
    pub tcp_open: AtomicU64,
    /// TCP connections that were let in.
    pub tcp_accepted: AtomicU64,
    /// Messages answered by the slow path.
    pub slow_answered: AtomicU64,
    /// Datagrams that the kernel dropped because a worker's receive buffer was full.
    pub udp_kernel_dropped: AtomicU64,
    /// Datagrams from port 0, without a usable source address of ours, or longer than is taken.
    pub udp_dropped: AtomicU64,
    /// Errors of a UDP socket.
    pub udp_errors: AtomicU64,
    /// Replies that were longer than the interface's MTU and left as TC=1.
    pub udp_too_long: AtomicU64,
    /// New connections closed because all others were busy.
    pub tcp_refused: AtomicU64,
    /// Idle connections closed to make room.
    pub tcp_evicted: AtomicU64,
    /// Connections that could not be accepted.
    pub tcp_accept_errors: AtomicU64,
    /// Connections closed because the client did not read, or sent half a message.
    pub tcp_timeouts: AtomicU64,
    /// Messages for which the slow path had no room.
    pub slow_dropped: AtomicU64,
    /// Messages at which our own code panicked.
    pub panics: AtomicU64,
}

impl Dns {
    /// New counters for a thread that answers questions that come over `over`.
    pub fn answers(&self, over: Over) -> Arc<Answers> {
        let answers = Arc::new(Answers::new(over));
        let mut all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(answers.clone());
        answers
    }

    /// A new histogram of how long answers take, for a thread that answers questions that come over `over`.
    pub fn timed(&self, over: Over) -> Arc<Timed> {
        let timed = Arc::new(Timed {
            over,
            histogram: Histogram::of_durations(SHORT_US),
            shared: AtomicU64::new(0),
        });
        let mut all = self.timed.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(timed.clone());
        timed
    }

    /// Answers over `over` by type and rcode, of all threads.
    fn sum(&self, over: Over) -> [[u64; RCODES.len()]; TYPES.len()] {
        let mut sum = [[0; RCODES.len()]; TYPES.len()];
        let all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        for answers in all.iter().filter(|answers| answers.over == over) {
            for (sums, counts) in sum.iter_mut().zip(&answers.counts) {
                for (sum, count) in sums.iter_mut().zip(counts) {
                    *sum += count.load(Ordering::Relaxed);
                }
            }
        }
        sum
    }
}

impl Collector for Dns {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "dns_answers",
            "DNS messages answered, by what they came over, the type asked for, and the rcode",
            None,
            MetricType::Counter,
        )?;
        for (over, transport) in [(Over::Udp, "udp"), (Over::Tcp, "tcp")] {
            let sum = self.sum(over);
            for (class, (_, name)) in TYPES.iter().enumerate() {
                for (rcode, rcode_name) in RCODES.iter().enumerate() {
                    let count = sum[class][rcode];
                    if count > 0 || ALWAYS_SHOWN.contains(&(class, rcode)) {
                        let labels = [("transport", transport), ("type", *name), ("rcode", *rcode_name)];
                        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                    }
                }
            }
        }
        let all = self.timed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(
            "dns_answer_seconds",
            "Time from receiving questions until their replies were handed over, of one batch in 64",
            None,
            MetricType::Histogram,
        )?;
        for (over, transport) in [(Over::Udp, "udp"), (Over::Tcp, "tcp")] {
            let histograms = all
                .iter()
                .filter(|timed| timed.over == over)
                .map(|timed| &timed.histogram);
            let labels = [("transport", transport)];
            Histogram::encode_sum(histograms, family.encode_family(&labels)?)?;
        }
        drop(all);
        gauge(
            &mut encoder,
            "dns_tcp_connections",
            "TCP connections that are open",
            self.tcp_open.load(Ordering::Relaxed),
        )?;
        for (name, help, count) in [
            (
                "dns_tcp_accepted",
                "TCP connections that were let in",
                &self.tcp_accepted,
            ),
            (
                "dns_slow_answered",
                "Messages that are no plain question (class CHAOS) and were answered",
                &self.slow_answered,
            ),
            (
                "dns_udp_kernel_dropped",
                "Datagrams that the kernel dropped because a worker's receive buffer was full: overload",
                &self.udp_kernel_dropped,
            ),
            (
                "dns_udp_dropped",
                "Datagrams from port 0, to an address that is no source, or longer than is taken",
                &self.udp_dropped,
            ),
            ("dns_udp_errors", "Errors of UDP sockets", &self.udp_errors),
            (
                "dns_udp_too_long",
                "Replies longer than the interface's MTU, which left with TC=1 instead",
                &self.udp_too_long,
            ),
            (
                "dns_tcp_refused",
                "Connections closed at once because all others were busy",
                &self.tcp_refused,
            ),
            (
                "dns_tcp_evicted",
                "Idle connections closed to make room",
                &self.tcp_evicted,
            ),
            (
                "dns_tcp_accept_errors",
                "Connections that could not be accepted",
                &self.tcp_accept_errors,
            ),
            (
                "dns_tcp_timeouts",
                "Connections closed because the client did not read, or sent half a message",
                &self.tcp_timeouts,
            ),
            (
                "dns_slow_dropped",
                "Messages for which the slow path had no room",
                &self.slow_dropped,
            ),
            (
                "dns_panics",
                "Messages at which the server's own code failed; each is a bug worth a report",
                &self.panics,
            ),
        ] {
            counter(&mut encoder, name, help, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, Observed};
    use super::*;

    #[test]
    fn answers_of_all_threads_are_added_up() {
        let metrics = Metrics::default();
        let (one, other) = (metrics.dns.answers(Over::Udp), metrics.dns.answers(Over::Udp));
        one.note(1, 0);
        other.note(1, 0);
        other.note(33, 3);
        metrics.dns.answers(Over::Tcp).note(99, 16);
        let text = metrics.text(Observed::default());
        for line in [
            r#"callsign_dns_answers_total{transport="udp",type="A",rcode="NOERROR"} 2"#,
            r#"callsign_dns_answers_total{transport="udp",type="SRV",rcode="NXDOMAIN"} 1"#,
            r#"callsign_dns_answers_total{transport="tcp",type="other",rcode="BADVERS"} 1"#,
            r#"callsign_dns_answers_total{transport="tcp",type="A",rcode="NOERROR"} 0"#,
            "callsign_dns_udp_kernel_dropped_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_type_is_counted_under_its_own_name() {
        let dns = Dns::default();
        let answers = dns.answers(Over::Udp);
        for (number, _) in TYPES {
            answers.note(number, 0);
        }
        assert!(dns.sum(Over::Udp).iter().all(|counts| counts[0] == 1));
    }

    #[test]
    fn an_rcode_beyond_all_is_counted_too() {
        let dns = Dns::default();
        dns.answers(Over::Udp).note(1, 4095);
        assert_eq!(dns.sum(Over::Udp)[0][RCODES.len() - 1], 1);
    }
}
