//! RDATA as it compares: two servers may compress a name differently, and write it in another case, and still say the
//! same (RFC 4034, section 6.2; RFC 4343).

use super::Type;
use super::message::{Pointers, Reader};

/// What RDATA begins with, as far as the last name in it. What follows is octets.
#[derive(Clone, Copy)]
enum Piece {
    Octets(usize),
    /// One octet of length, and so many.
    String,
    Name,
}

/// The pieces, and whether the names may be compressed: only those of RFC 1035 (RFC 3597, section 4).
fn layout(rtype: Type) -> (&'static [Piece], Pointers) {
    use Piece::{Name, Octets, String};
    use Pointers::{Allowed, Forbidden};
    match rtype.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR.
        2..=5 | 7..=9 | 12 => (&[Name], Allowed),
        // SOA, MINFO.
        6 | 14 => (&[Name, Name], Allowed),
        // MX.
        15 => (&[Octets(2), Name], Allowed),
        // RP.
        17 => (&[Name, Name], Forbidden),
        // AFSDB, RT, KX, SVCB, HTTPS.
        18 | 21 | 36 | 64 | 65 => (&[Octets(2), Name], Forbidden),
        // PX.
        26 => (&[Octets(2), Name, Name], Forbidden),
        // SRV.
        33 => (&[Octets(6), Name], Forbidden),
        // NAPTR.
        35 => (&[Octets(4), String, String, String, Name], Forbidden),
        // DNAME.
        39 => (&[Name], Forbidden),
        _ => (&[], Forbidden),
    }
}

/// The data from where the reader stands to `end`, with names in full and in lower case.
pub(super) fn canonical_of(reader: &mut Reader<'_>, rtype: Type, end: usize) -> Result<Vec<u8>, String> {
    let (pieces, pointers) = layout(rtype);
    let mut canonical = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Octets(count) => canonical.extend_from_slice(reader.take(*count, "RDATA")?),
            Piece::String => {
                let length = reader.take(1, "a string")?[0];
                canonical.push(length);
                canonical.extend_from_slice(reader.take(usize::from(length), "a string")?);
            }
            // The length of a label, at most 63, is no letter.
            Piece::Name => canonical.extend(reader.name(pointers)?.to_ascii_lowercase()),
        }
    }
    let rest = end
        .checked_sub(reader.at)
        .ok_or("a name beyond the end of RDATA")?;
    canonical.extend_from_slice(reader.take(rest, "RDATA")?);
    Ok(canonical)
}
