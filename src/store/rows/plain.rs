//! The body of an instance in the form in which most are written, read at a tenth of the cost: a start reads millions.
//!
//! It knows the keys in the order in which they are written, no tags, no `meta`, no verdicts, no drain, no white space
//! and no escapes. Of whatever else it says nothing, and the general reader is asked.

use std::num::NonZeroU16;

use crate::catalog::{Few, PortName, Protocol};

use super::Word;
use super::instance::{InstanceBody, PortBody};

/// The body that `text` is, if it is in the plain form.
pub(in crate::store) fn plain(text: &str) -> Option<InstanceBody> {
    let mut rest = Rest(text);
    rest.skip("{\"addresses\":[")?;
    let mut addresses = Vec::new();
    let mut address = rest.text()?.parse().ok()?;
    let addresses: Few<_> = loop {
        if rest.skip("]").is_some() {
            if addresses.is_empty() {
                break std::iter::once(address).collect();
            }
            addresses.push(address);
            break addresses.into();
        }
        rest.skip(",")?;
        addresses.push(address);
        address = rest.text()?.parse().ok()?;
    };
    let ports = match rest.skip(",\"ports\":[") {
        None => Few::default(),
        Some(()) => rest.ports()?,
    };
    let body = InstanceBody {
        addresses,
        ports,
        tags: Vec::new(),
        meta: Vec::new(),
        priority: rest.optional(",\"priority\":")?,
        weight: rest.optional(",\"weight\":")?,
        lease_ms: rest.optional(",\"lease_ms\":")?,
        deregister_after_ms: rest.optional(",\"deregister_after_ms\":")?,
        verdicts: Vec::new(),
        drain: None,
        created_at: rest.optional(",\"created_at\":")??,
        updated_at: rest.optional(",\"updated_at\":")?,
        index: rest.optional(",\"index\":")??,
        created_index: rest.optional(",\"created_index\":")?,
    };
    (rest.0 == "}").then_some(body)
}

/// What is not read yet.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    #[inline]
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// A text without escapes.
    #[inline]
    fn text(&mut self) -> Option<&'t str> {
        self.skip("\"")?;
        let end = self
            .0
            .bytes()
            .position(|octet| octet == b'"' || octet == b'\\' || octet < b' ')?;
        let text = &self.0[..end];
        self.0 = &self.0[end..];
        self.skip("\"")?;
        Some(text)
    }

    /// A number that is not negative, as JSON spells it.
    #[inline]
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (text, rest) = self.0.split_at(digits);
        let is_spelled = match text.as_bytes() {
            [] => false,
            [b'0', more @ ..] => more.is_empty(),
            // More of them may be more than fits.
            _ => digits <= 18,
        };
        if !is_spelled {
            return None;
        }
        self.0 = rest;
        let digits = text.bytes().map(|digit| u64::from(digit - b'0'));
        T::try_from(digits.fold(0, |value, digit| value * 10 + digit)).ok()
    }

    /// The number after `key`, if that comes next; nothing at all if no number follows it.
    fn optional<T: TryFrom<u64>>(&mut self, key: &str) -> Option<Option<T>> {
        match self.skip(key) {
            None => Some(None),
            Some(()) => self.number().map(Some),
        }
    }

    fn ports(&mut self) -> Option<Few<PortBody>> {
        let first = self.port()?;
        if self.skip("]").is_some() {
            return Some(std::iter::once(first).collect());
        }
        let mut ports = vec![first];
        loop {
            self.skip(",")?;
            ports.push(self.port()?);
            if self.skip("]").is_some() {
                return Some(ports.into());
            }
        }
    }

    fn port(&mut self) -> Option<PortBody> {
        self.skip("{\"name\":")?;
        let name = PortName::parse(self.text()?).ok()?;
        self.skip(",\"number\":")?;
        let number = NonZeroU16::new(self.number()?)?;
        let protocol = match self.skip(",\"protocol\":") {
            None => None,
            Some(()) => Some(Word(Protocol::parse(self.text()?)?)),
        };
        self.skip("}")?;
        Some(PortBody {
            name: Word(name),
            number,
            protocol,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json;
    use super::*;

    /// What the plain reader says, if anything, is what the general one does.
    fn agree(text: &str) -> bool {
        let plain = plain(text).map(|body| json(&body));
        let general = serde_json::from_str::<InstanceBody>(text);
        match (&plain, &general) {
            (Some(plain), Ok(general)) => assert_eq!(*plain, json(general), "{text}"),
            (Some(_), Err(error)) => panic!("{text}: {error}"),
            (None, _) => {}
        }
        plain.is_some()
    }

    const WHOLE: &str = "{\"addresses\":[\"192.0.2.1\",\"2001:db8::1\"],\"ports\":[{\"name\":\"http\",\
                         \"number\":80},{\"name\":\"dns\",\"number\":53,\"protocol\":\"udp\"}],\"priority\":1,\
                         \"weight\":0,\"lease_ms\":15000,\"deregister_after_ms\":0,\"created_at\":1767225600000,\
                         \"updated_at\":1767225600001,\"index\":9,\"created_index\":7}";

    #[test]
    fn the_usual_forms_are_plain() {
        for text in [
            WHOLE,
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":0,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"ports\":[{\"name\":\"main\",\"number\":8080}],\"created_at\":1,\
             \"index\":999999999999999999}",
        ] {
            assert!(agree(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_general_reader() {
        for text in [
            "",
            "{}",
            "{\"addresses\":[],\"created_at\":0,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"ports\":[],\"created_at\":0,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":-1,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":01,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":1.0,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":1,\"index\":18446744073709551616}",
            "{\"addresses\":[\"192.0.2.1\"],\"index\":1,\"created_at\":1}",
            "{\"addresses\":[\"192.0.2.1\"], \"created_at\":1,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":1,\"index\":1} ",
            "{\"addresses\":[\"192.0.2.1\"],\"priority\":65536,\"created_at\":1,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"tags\":[\"a\"],\"created_at\":1,\"index\":1}",
            "{\"addresses\":[\"192.0.2.\\u0031\"],\"created_at\":1,\"index\":1}",
            "{\"addresses\":[\"192.0.2.1\"],\"created_at\":1,\"index\":1,\"more\":1}",
        ] {
            assert!(!agree(text), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn altered_text_is_read_as_the_general_reader_does(
            at in any::<prop::sample::Index>(),
            cut in 0..4_usize,
            put in "[\\]\\[{}\",:0-9a-z\\\\ -]{0,3}",
        ) {
            let at = at.index(WHOLE.len());
            let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[(at + cut).min(WHOLE.len())..]);
            agree(&text);
        }
    }
}
