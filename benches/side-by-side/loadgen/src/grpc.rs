//! What etcd is sent: its messages in Protocol Buffers, within gRPC's frame.

/// A key and its value.
pub type Pair = (String, String);

/// The field of a message that is text or a message itself: its number, its length, itself.
fn field(out: &mut Vec<u8>, number: u8, octets: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = octets.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(octets);
}

/// A PutRequest: key (1) and value (2).
fn put((key, value): &Pair) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, 1, key.as_bytes());
    field(&mut message, 2, value.as_bytes());
    message
}

/// A TxnRequest that compares nothing, and so always does its success (2): each a RequestOp of a PutRequest (2).
fn txn(pairs: &[Pair]) -> Vec<u8> {
    let mut message = Vec::new();
    for pair in pairs {
        let mut operation = Vec::new();
        field(&mut operation, 2, &put(pair));
        field(&mut message, 2, &operation);
    }
    message
}

/// The call that puts so many pairs at once.
pub fn path(pairs: usize) -> &'static str {
    if pairs == 1 {
        "/etcdserverpb.KV/Put"
    } else {
        "/etcdserverpb.KV/Txn"
    }
}

/// The request of [`path`] with these pairs, in gRPC's frame: not compressed, and its length.
pub fn request(pairs: &[Pair]) -> Vec<u8> {
    let message = match pairs {
        [one] => put(one),
        many => txn(many),
    };
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// The octets that a reply to it has at least: the frame, and for each put of a Txn a ResponseOp with the header of a
/// PutResponse, each with a tag and a length.
pub fn reply_octets_min(pairs: usize) -> usize {
    5 + if pairs == 1 { 2 } else { 6 * pairs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_schema() {
        let pair = ("k".to_owned(), "v".to_owned());
        let put = [10, 1, b'k', 18, 1, b'v'];
        assert_eq!(
            request(std::slice::from_ref(&pair)),
            [&[0, 0, 0, 0, 6][..], &put].concat()
        );
        let one = [&[18, 8, 18, 6][..], &put].concat();
        let framed = [&[0, 0, 0, 0, 20][..], &one, &one].concat();
        assert_eq!(request(&[pair.clone(), pair]), framed);
        let long = ("k".to_owned(), "v".repeat(300));
        assert_eq!(super::put(&long)[3..6], [18, 0xac, 2]);
    }
}
