//! A reply without data: a response code, the question, an OPT.
//!
//! It repeats of the query what RFC 1035 §4.1.1 and RFC 6895 §2 say (id, opcode, RD, CD, the question byte for
//! byte) and never more: AA, RA, AD and Z are clear. An OPT answers an OPT and nothing else (RFC 6891 §6.1.1, §7).

use super::{Edns, HEADER_OCTETS, NAME_OCTETS_MAX, Question, ede, rcode};

/// An OPT without options.
pub const OPT_OCTETS: usize = 11;
/// An extended error as an option of an OPT, without its text (RFC 8914 §2).
pub const EDE_OCTETS: usize = 6;
/// No refusal is longer; it fits in the least that each client takes.
pub const REFUSAL_OCTETS_MAX: usize =
    HEADER_OCTETS + NAME_OCTETS_MAX + 4 + OPT_OCTETS + EDE_OCTETS + ede::TEXT_OCTETS_MAX;

const OPTION_EDE: u16 = 15;
const TYPE_OPT: u16 = 41;

/// A reply without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Twelve bits: the upper eight go into the OPT (RFC 6891 §6.1.3).
    rcode: u16,
    ede: Option<u16>,
    /// What the query's OPT said: there is an OPT in the reply if and only if this is there.
    edns: Option<Edns>,
    /// Where the question that is repeated ends; nothing if it could not be read.
    pub(super) question_end: Option<usize>,
}

impl Refusal {
    /// A refusal of a question that passed the gate. The extended error `ede` is left out if the client has no EDNS.
    pub fn new(question: &Question<'_>, rcode: u16, ede: Option<u16>) -> Self {
        Self::of_parts(Some(question.end), question.edns, rcode, ede)
    }

    pub(super) fn of_parts(
        question_end: Option<usize>,
        edns: Option<Edns>,
        rcode: u16,
        ede: Option<u16>,
    ) -> Self {
        Self {
            rcode,
            ede,
            edns,
            question_end,
        }
    }

    /// The response code, all twelve bits.
    pub fn rcode(&self) -> u16 {
        self.rcode
    }

    /// The extended error, if any.
    pub fn ede(&self) -> Option<u16> {
        self.ede
    }

    /// Writes the reply to `packet` into `out`, of which [`REFUSAL_OCTETS_MAX`] octets always suffice. `payload` is
    /// the UDP size that we advertise. Returns how many octets were written: none if `out` is too small, or if
    /// `packet` is not the message that was judged.
    pub fn write(&self, packet: &[u8], payload: u16, out: &mut [u8]) -> usize {
        self.try_write(packet, payload, out).unwrap_or(0)
    }

    fn try_write(&self, packet: &[u8], payload: u16, out: &mut [u8]) -> Option<usize> {
        let end = self.question_end.unwrap_or(HEADER_OCTETS);
        out.get_mut(..end)?.copy_from_slice(packet.get(..end)?);

        // Without an OPT the upper bits have no place; the lower ones alone would mean something else.
        let rcode = if self.rcode > 15 && self.edns.is_none() {
            rcode::SERVFAIL
        } else {
            self.rcode
        };
        let [rcode_high, rcode_low] = ((rcode & 0x0ff0) << 4 | rcode & 0x000f).to_be_bytes();
        let opt_octets = match self.edns {
            Some(edns) => {
                let octets = write_opt(out, end, rcode_high, edns.dnssec_ok, payload, self.ede);
                if octets == 0 {
                    return None;
                }
                octets
            }
            None => 0,
        };

        let header = out.first_chunk_mut::<HEADER_OCTETS>()?;
        let [_, _, flags, flags_low, counts @ ..] = header;
        *flags = 0x80 | *flags & 0x79; // QR; opcode and RD as they were
        *flags_low = *flags_low & 0x10 | rcode_low; // CD as it was
        *counts = [
            0,
            u8::from(self.question_end.is_some()),
            0,
            0,
            0,
            0,
            0,
            u8::from(opt_octets > 0),
        ];
        Some(end + opt_octets)
    }
}

/// Writes an OPT of version 0 at `at` in `out`: the upper eight bits of the response code, the DO flag, the UDP size
/// that we take, and an extended error with its text. Returns how many octets were written: [`OPT_OCTETS`], with
/// an extended error [`EDE_OCTETS`] and its text more, or none if they do not fit. The caller counts it in ARCOUNT.
pub fn write_opt(
    out: &mut [u8],
    at: usize,
    rcode_high: u8,
    dnssec_ok: bool,
    payload: u16,
    ede: Option<u16>,
) -> usize {
    let text = ede.map_or("", ede::text).as_bytes();
    let data_octets = if ede.is_some() { EDE_OCTETS + text.len() } else { 0 };
    let octets = OPT_OCTETS + data_octets;
    let Some(room) = at.checked_add(octets).and_then(|end| out.get_mut(at..end)) else {
        return 0;
    };
    let [type_high, type_low] = TYPE_OPT.to_be_bytes();
    let [payload_high, payload_low] = payload.to_be_bytes();
    let flags = if dnssec_ok { 0x80 } else { 0 };
    let fixed = [
        0,
        type_high,
        type_low,
        payload_high,
        payload_low,
        rcode_high,
        0,
        flags,
        0,
        0,
        data_octets as u8,
    ];
    let Some((head, options)) = room.split_first_chunk_mut::<OPT_OCTETS>() else {
        return 0;
    };
    *head = fixed;
    if let (Some(ede), Some((option, room))) = (ede, options.split_first_chunk_mut::<EDE_OCTETS>()) {
        let [code_high, code_low] = OPTION_EDE.to_be_bytes();
        let [info_high, info_low] = ede.to_be_bytes();
        *option = [code_high, code_low, 0, 2 + text.len() as u8, info_high, info_low];
        room.copy_from_slice(text);
    }
    octets
}
