//! The short way through the gate.

use super::{
    CLASS_IN, Edns, HEADER_OCTETS, META_TYPES, NAME_OCTETS_MAX, OPCODE_QUERY, OPT_OCTETS, Question, TYPE_OPT,
    UDP_PAYLOAD_MIN, options_fit,
};

/// A question as nearly all are: one of class IN, of no meta type, and no other record than an OPT of version 0. What
/// it lets through [`judge_any`] lets through as the same; it lets nothing else through, and is a third of the work.
#[inline]
pub(super) fn plain(packet: &[u8]) -> Option<Question<'_>> {
    let (header, _) = packet.split_first_chunk::<HEADER_OCTETS>()?;
    let [_, _, flags, _, counts @ ..] = *header;
    // One question, no answers, no authorities.
    let additionals = u64::from_be_bytes(counts) ^ 1 << 48;
    if flags & 0xf8 != OPCODE_QUERY || additionals > 1 {
        return None;
    }
    let mut at = HEADER_OCTETS;
    loop {
        let octets = usize::from(*packet.get(at)?);
        at += 1;
        if octets == 0 {
            break;
        }
        at += octets;
        if octets > 63 {
            return None;
        }
    }
    let name = packet.get(HEADER_OCTETS..at)?;
    let (&[type_high, type_low, class_high, class_low], rest) = packet.get(at..)?.split_first_chunk::<4>()?;
    let (qtype, class) = ([type_high, type_low], [class_high, class_low]);
    let (qtype, class) = (u16::from_be_bytes(qtype), u16::from_be_bytes(class));
    if name.len() > NAME_OCTETS_MAX || class != CLASS_IN || qtype == TYPE_OPT || META_TYPES.contains(&qtype) {
        return None;
    }
    let edns = if additionals == 0 {
        if !rest.is_empty() {
            return None;
        }
        None
    } else {
        let (opt, options) = rest.split_first_chunk::<OPT_OCTETS>()?;
        let [
            0,
            0,
            41,
            payload_high,
            payload_low,
            _,
            0,
            flags,
            _,
            octets_high,
            octets_low,
        ] = *opt
        else {
            return None;
        };
        let octets = u16::from_be_bytes([octets_high, octets_low]);
        if usize::from(octets) != options.len() || !options_fit(options) {
            return None;
        }
        Some(Edns {
            payload: u16::from_be_bytes([payload_high, payload_low]).max(UDP_PAYLOAD_MIN),
            dnssec_ok: flags & 0x80 != 0,
        })
    };
    Some(Question {
        packet,
        name,
        end: at + 4,
        qtype,
        edns,
    })
}
