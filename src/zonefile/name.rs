//! Domain names in text, to the wire (RFC 1035 §3.1, §5.1). Any octet may stand in a label (RFC 2181 §11).

use crate::catalog::contents::name_end;

use super::tokens::{Token, escape};
use super::wrong::Wrong;

/// Octets of a name on the wire, its last zero included.
const NAME_OCTETS_MAX: usize = 255;
/// Octets of a label.
const LABEL_OCTETS_MAX: usize = 63;

/// Appends the name that `token` stands for, relative to `origin` (a name on the wire) unless it ends with a dot.
pub(super) fn scan(token: Token<'_>, origin: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    if token.quoted {
        return Err(token.wrong("a name stands without quotation marks"));
    }
    let from = out.len();
    append(token.text, origin, out).map_err(|message| {
        out.truncate(from);
        token.wrong(format!("the name {} {message}", token.shown()))
    })
}

fn append(text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    match text {
        b"@" => {
            out.extend_from_slice(origin);
            return Ok(());
        }
        b"." => {
            out.push(0);
            return Ok(());
        }
        _ => {}
    }
    let from = out.len();
    let mut length_at = from;
    out.push(0);
    let mut at = 0;
    let mut absolute = false;
    while let Some(&octet) = text.get(at) {
        let octet = match octet {
            b'.' => {
                close(out, length_at)?;
                at += 1;
                if at == text.len() {
                    absolute = true;
                    break;
                }
                length_at = out.len();
                out.push(0);
                continue;
            }
            b'\\' => {
                let (octet, taken) = escape(&text[at..])?;
                at += taken;
                octet
            }
            _ => {
                at += 1;
                octet
            }
        };
        out.push(octet);
        // Judged on the way: a name of a megabyte is refused early.
        if out.len() - from > NAME_OCTETS_MAX {
            return Err(too_long());
        }
    }
    if absolute {
        out.push(0);
    } else {
        close(out, length_at)?;
        out.extend_from_slice(origin);
    }
    if out.len() - from > NAME_OCTETS_MAX {
        return Err(too_long());
    }
    Ok(())
}

/// Writes the length of the label that ends here.
fn close(out: &mut [u8], length_at: usize) -> Result<(), String> {
    match out.len() - length_at - 1 {
        0 => Err("has an empty label: two dots in a row, or one at the beginning".to_string()),
        octets if octets > LABEL_OCTETS_MAX => Err(format!(
            "has a label of {octets} octets; at most {LABEL_OCTETS_MAX} are allowed"
        )),
        octets => {
            out[length_at] = octets as u8;
            Ok(())
        }
    }
}

fn too_long() -> String {
    format!("has over {NAME_OCTETS_MAX} octets with its origin; does a final dot lack?")
}

/// The octets of the name that `wire` begins with, if it begins with one, written without compression.
pub(super) fn octets(wire: &[u8]) -> Option<usize> {
    name_end(wire, 0)
}
