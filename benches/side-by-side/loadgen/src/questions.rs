//! Questions, made before the clock starts, and what is right as an answer to each.

use std::net::Ipv4Addr;

use crate::workload::{INSTANCES, ZONE, address, service};

/// Questions that are drawn; they are asked in a circle.
const DRAWN: usize = 1 << 18;
const TYPE_A: u16 = 1;
const TYPE_SRV: u16 = 33;
const NXDOMAIN: u8 = 3;
/// A record of type A whose owner is a pointer: owner, type, class, TTL, length, address.
const A_RECORD: usize = 16;

/// What a question asks for.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// The addresses of a service.
    Addresses,
    /// Its SRV records.
    Places,
    /// A name that does not exist.
    Nothing,
}

/// In which proportions.
#[derive(Clone, Copy, PartialEq)]
pub enum Mix {
    /// 80 % A, 15 % SRV, 5 % names that do not exist.
    Full,
    /// The same without the last.
    Hits,
    /// Names that do not exist and never repeat, as in a flood of random subdomains.
    Misses,
}

/// The questions, all of one length, with their answers.
pub struct Questions {
    octets: Vec<u8>,
    length: usize,
    about: Vec<(u32, Kind)>,
}

impl Questions {
    /// Draws them by the seed.
    pub fn draw(services: u32, mix: Mix, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut questions = Self::empty(DRAWN);
        for _ in 0..DRAWN {
            let draw = random.u32(0..100);
            let kind = match mix {
                Mix::Misses => Kind::Nothing,
                _ if draw < 80 => Kind::Addresses,
                _ if draw < 95 => Kind::Places,
                Mix::Full => Kind::Nothing,
                // 80 to 15 of those that are left.
                Mix::Hits if random.u32(0..95) < 80 => Kind::Addresses,
                Mix::Hits => Kind::Places,
            };
            let about = random.u32(0..services);
            match kind {
                Kind::Nothing => {
                    let name: String = (0..service(0).len()).map(|_| random.lowercase()).collect();
                    // Letters alone: no service is called so.
                    questions.push(&name, kind, about);
                }
                _ => questions.push(&service(about), kind, about),
            }
        }
        questions
    }

    /// One alone.
    pub fn about(number: u32, kind: Kind) -> Self {
        let mut questions = Self::empty(1);
        questions.push(&service(number), kind, number);
        questions
    }

    fn empty(count: usize) -> Self {
        Self {
            octets: Vec::with_capacity(count * 48),
            length: 0,
            about: Vec::with_capacity(count),
        }
    }

    fn push(&mut self, label: &str, kind: Kind, about: u32) {
        let qtype = if kind == Kind::Places { TYPE_SRV } else { TYPE_A };
        let question = question(&format!("{label}.{ZONE}"), qtype);
        self.length = question.len();
        self.octets.extend_from_slice(&question);
        self.about.push((about, kind));
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.about.len()
    }

    /// Octets of each.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The octets of one, with the id 0.
    pub fn octets(&self, at: usize) -> &[u8] {
        &self.octets[at * self.length..][..self.length]
    }

    /// Whether a message answers question `at`: by its flags, its counts and, of addresses, by what they are. With
    /// `is_flipping` the first instance may have either of its two addresses, but one of them it has.
    pub fn is_right(&self, at: usize, reply: &[u8], is_flipping: bool) -> bool {
        let Some(head) = reply.get(..12) else {
            return false;
        };
        let (is_response, rcode) = (head[2] & 0x80 != 0, head[3] & 15);
        let answers = u32::from(u16::from_be_bytes([head[6], head[7]]));
        let (service, kind) = self.about[at];
        match kind {
            Kind::Nothing => is_response && rcode == NXDOMAIN && answers == 0,
            Kind::Places => is_response && rcode == 0 && answers == INSTANCES,
            Kind::Addresses if !is_response || rcode != 0 || answers != INSTANCES => false,
            Kind::Addresses => is_set(&reply[self.length.min(reply.len())..], service, is_flipping),
        }
    }
}

/// Whether these records begin with the addresses of a service, each once, in whatever order.
fn is_set(records: &[u8], service: u32, is_flipping: bool) -> bool {
    let mut seen = 0;
    for record in records.chunks(A_RECORD).take(INSTANCES as usize) {
        // A pointer to the question, and an address behind it.
        let (Some([0xc0, 0x0c]), Some(&[a, b, c, d])) = (record.get(..2), record.get(12..16)) else {
            return false;
        };
        let found = Ipv4Addr::new(a, b, c, d);
        for instance in 0..INSTANCES {
            let may_flip = is_flipping && instance == 0;
            if found == address(service, instance, false)
                || may_flip && found == address(service, instance, true)
            {
                seen |= 1 << instance;
            }
        }
    }
    seen == (1 << INSTANCES) - 1
}

/// A query for a name, id 0, recursion not desired.
pub fn question(name: &str, qtype: u16) -> Vec<u8> {
    let mut octets = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend_from_slice(&qtype.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply to the question about `service` with these addresses.
    fn reply(questions: &Questions, rcode: u8, addresses: &[Ipv4Addr]) -> Vec<u8> {
        let mut octets = questions.octets(0).to_vec();
        (octets[2], octets[3], octets[7]) = (0x84, rcode, addresses.len() as u8);
        for address in addresses {
            octets.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            octets.extend_from_slice(&address.octets());
        }
        octets
    }

    #[test]
    fn only_the_addresses_of_the_service_are_right() {
        let questions = Questions::about(7, Kind::Addresses);
        let [a, b, c] = [0, 1, 2].map(|instance| address(7, instance, false));
        let flipped = address(7, 0, true);
        let is_right = |rcode, addresses: &[_], is_flipping| {
            questions.is_right(0, &reply(&questions, rcode, addresses), is_flipping)
        };
        assert!(is_right(0, &[a, b, c], false) && is_right(0, &[c, a, b], true));
        assert!(is_right(0, &[b, flipped, c], true));
        assert!(
            !is_right(0, &[b, flipped, c], false),
            "changed, and nobody changes it"
        );
        assert!(!is_right(0, &[a, b, b], true), "one of them twice");
        assert!(!is_right(0, &[a, b], true), "too few");
        assert!(
            !is_right(0, &[a, flipped, c], true),
            "torn: both of one and none of another"
        );
        assert!(
            !is_right(0, &[a, b, address(8, 2, false)], true),
            "of another service"
        );
        assert!(
            !is_right(3, &[a, b, c], true) && !is_right(3, &[], true),
            "of another rcode"
        );
        assert!(
            !questions.is_right(0, questions.octets(0), true),
            "the question itself"
        );
        assert!(
            !questions.is_right(0, &reply(&questions, 0, &[a, b, c])[..60], true),
            "cut off"
        );
    }

    #[test]
    fn a_name_that_nobody_has_is_right_with_nxdomain_alone() {
        let questions = Questions::draw(100, Mix::Misses, 1);
        assert!(questions.is_right(0, &reply(&questions, 3, &[]), false));
        assert!(!questions.is_right(0, &reply(&questions, 0, &[]), false));
        assert!(!questions.is_right(0, &reply(&questions, 3, &[address(0, 0, false)]), false));
    }

    #[test]
    fn the_mix_is_what_it_says() {
        let share = |mix, kind| {
            let questions = Questions::draw(1000, mix, 1);
            let of_kind = questions.about.iter().filter(|about| about.1 == kind).count();
            of_kind as f64 / questions.count() as f64
        };
        let is_about = |share: f64, wanted: f64| (share - wanted).abs() < 0.01;
        assert!(is_about(share(Mix::Full, Kind::Addresses), 0.80));
        assert!(is_about(share(Mix::Full, Kind::Places), 0.15));
        assert!(is_about(share(Mix::Full, Kind::Nothing), 0.05));
        assert!(is_about(share(Mix::Hits, Kind::Addresses), 0.80 / 0.95));
        assert_eq!(share(Mix::Hits, Kind::Nothing), 0.0);
        assert_eq!(share(Mix::Misses, Kind::Nothing), 1.0);
    }
}
