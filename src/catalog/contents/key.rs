//! Names of a zone as octets that sort in canonical order (RFC 4034 §6.1), and as text.

/// What of `owner` is below `apex`, both in wire form; nothing if it is outside.
pub(super) fn below<'o>(owner: &'o [u8], apex: &[u8]) -> Option<&'o [u8]> {
    let split = owner.len().checked_sub(apex.len())?;
    if !owner[split..].eq_ignore_ascii_case(apex) {
        return None;
    }
    // The suffix must begin where a label does.
    let mut at = 0;
    while at < split {
        at += 1 + usize::from(owner[at]);
    }
    (at == split).then_some(&owner[..split])
}

/// Writes the key of a name given below the apex in wire form.
pub(super) fn write_key(below: &[u8], key: &mut Vec<u8>) {
    key.clear();
    let mut starts = [0u8; 128];
    let (mut labels, mut at) = (0, 0);
    while at < below.len() {
        starts[labels] = at as u8;
        labels += 1;
        at += 1 + usize::from(below[at]);
    }
    for start in starts[..labels].iter().rev() {
        let start = usize::from(*start);
        let octets = usize::from(below[start]);
        for octet in &below[start + 1..start + 1 + octets] {
            match octet.to_ascii_lowercase() {
                low @ 0..=1 => key.extend_from_slice(&[1, low + 1]),
                octet => key.push(octet),
            }
        }
        key.push(0);
    }
}

/// Appends the name of a key, below the apex in wire form.
pub(super) fn write_name(key: &[u8], out: &mut Vec<u8>) {
    for label in key.split(|octet| *octet == 0).rev().skip(1) {
        let length = out.len();
        out.push(0);
        let mut octets = label.iter();
        while let Some(octet) = octets.next() {
            out.push(match octet {
                1 => octets.next().map_or(0, |escaped| escaped - 1),
                octet => *octet,
            });
        }
        out[length] = (out.len() - length - 1) as u8;
    }
}

/// The whole name of a key.
pub(super) fn absolute(key: &[u8], apex: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    write_name(key, &mut name);
    name.extend_from_slice(apex);
    name
}

/// A name in wire form as text (RFC 1035 §5.1), without the final dot.
pub fn text(name: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(octets) = name.get(at).copied().filter(|octets| *octets > 0) {
        if at > 0 {
            text.push('.');
        }
        for octet in name.iter().skip(at + 1).take(usize::from(octets)) {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(*octet));
                }
                0x21..=0x7e => text.push(char::from(*octet)),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        at += 1 + usize::from(octets);
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}
