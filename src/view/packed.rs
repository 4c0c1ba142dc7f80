//! Members and ports as words, so that all of a service that an answer reads lies in one block: in a catalog larger
//! than the caches each block costs a miss, and each allocation some forty octets.

use super::service::{Member, PortView, Range};

/// Words of a member.
pub(super) const MEMBER_WORDS: usize = 5;
/// Words of a port.
pub(super) const PORT_WORDS: usize = 3;

/// The ids of a service's members end within this many bits: 4,096 of 63 octets.
const ID_BITS: u32 = 18;
const LABEL_BITS: u32 = 6;

impl Member {
    pub(super) fn pack(&self) -> [u32; MEMBER_WORDS] {
        let counts = [
            self.v4.len() as u8,
            self.v6.len() as u8,
            self.ports,
            u8::from(self.stays),
        ];
        [
            u32::from(self.priority) << 16 | u32::from(self.weight),
            self.v4.start(),
            self.v6.start(),
            u32::from_le_bytes(counts),
            self.port,
        ]
    }

    #[inline]
    pub(super) fn unpack(words: &[u32]) -> Self {
        let [v4, v6, ports, stays] = words[3].to_le_bytes();
        Self {
            priority: (words[0] >> 16) as u16,
            weight: words[0] as u16,
            v4: Range::new(words[1] as usize, usize::from(v4)),
            v6: Range::new(words[2] as usize, usize::from(v6)),
            port: words[4],
            ports,
            stays: stays != 0,
        }
    }
}

impl PortView {
    pub(super) fn pack(&self) -> [u32; PORT_WORDS] {
        debug_assert!(self.id < 1 << ID_BITS && self.label_octets < 1 << LABEL_BITS);
        [
            u32::from(self.number) << 16 | u32::from(self.member),
            self.name,
            self.id
                | u32::from(self.label_octets) << ID_BITS
                | u32::from(self.answered) << (ID_BITS + LABEL_BITS),
        ]
    }

    #[inline]
    pub(super) fn unpack(words: &[u32]) -> Self {
        Self {
            id: words[2] & ((1 << ID_BITS) - 1),
            member: words[0] as u16,
            name: words[1],
            number: (words[0] >> 16) as u16,
            label_octets: (words[2] >> ID_BITS & ((1 << LABEL_BITS) - 1)) as u8,
            answered: words[2] >> (ID_BITS + LABEL_BITS) != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::limits::{ADDRESSES_MAX, INSTANCES_MAX, LABEL_OCTETS_MAX, PORTS_MAX};

    #[test]
    fn the_largest_member_and_port_come_back_as_they_were() {
        for largest in [false, true] {
            let most = |value: usize| if largest { value } else { 0 };
            let member = Member {
                priority: most(0xffff) as u16,
                weight: most(0xfffe) as u16,
                v4: Range::new(most(0xffff_fff0), most(ADDRESSES_MAX)),
                v6: Range::new(most(0xffff_fff1), most(ADDRESSES_MAX)),
                port: most(INSTANCES_MAX * PORTS_MAX) as u32,
                ports: most(PORTS_MAX) as u8,
                stays: largest,
            };
            assert_eq!(Member::unpack(&member.pack()), member);
            let port = PortView {
                id: most((INSTANCES_MAX - 1) * LABEL_OCTETS_MAX) as u32,
                member: most(INSTANCES_MAX - 1) as u16,
                name: most(0xffff_ffff) as u32,
                number: most(0xffff) as u16,
                label_octets: most(LABEL_OCTETS_MAX) as u8,
                answered: largest,
            };
            assert_eq!(PortView::unpack(&port.pack()), port);
        }
    }
}
