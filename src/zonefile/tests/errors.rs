//! What is wrong is told with its line, all of it, and the next entry is read.

use std::time::Instant;

use super::{read, record};
use crate::zonefile::ENTRY_OCTETS_MAX;

/// What is found in a text with a record before and one after, which must both be read.
#[track_caller]
fn found(text: &str) -> String {
    let (records, found) = read(format!("first 5 A 192.0.2.1\n{text}\nlast 5 A 192.0.2.2\n").as_bytes());
    assert!(
        records.first().is_some_and(|record| record.starts_with("first."))
            && records.last().is_some_and(|record| record.starts_with("last.")),
        "{text}: the records around it are read: {records:?}"
    );
    found.join("\n")
}

#[test]
fn each_wrong_entry_is_told_with_its_line() {
    for (text, expected) in [
        ("a 5 A", "2: error: A: the address lacks"),
        (
            "a 5 A 192.0.2",
            "2: error: A: the address is \"192.0.2\"; it must be an address such as 192.0.2.1",
        ),
        (
            "a 5 A 192.0.2.1 x",
            "2: error: A: \"x\" is too much; the data end before it",
        ),
        (
            "a 5 (\n A\n x )",
            "4: error: A: the address is \"x\"; it must be an address such as 192.0.2.1",
        ),
        (
            "a 5 MX mail 10",
            "2: error: MX: the preference is \"mail\"; it must be a number from 0 to 65535",
        ),
        (
            "a 5 MX 65536 mail",
            "2: error: MX: the preference is \"65536\"; it must be a number from 0 to 65535",
        ),
        (
            "a 5 MX 10 a..b",
            "2: error: MX: the name \"a..b\" has an empty label: two dots in a row, or one at the beginning",
        ),
        (
            "a 5 MX 10 \"mail\"",
            "2: error: MX: a name stands without quotation marks",
        ),
        (
            "a 5",
            "2: error: the record has no type; it must be <name> <TTL> IN <type> <data>, where TTL and IN may lack",
        ),
        (
            "a 5 CH A 192.0.2.1",
            "2: error: the class is \"CH\"; this server has zones of class IN only",
        ),
        (
            "a 5 CLASS3 A 192.0.2.1",
            "2: error: the class is \"CLASS3\"; this server has zones of class IN only",
        ),
        (
            "a 2147483648 A 192.0.2.1",
            "2: error: the TTL is 2147483648; it may be at most 2147483647 (RFC 2181 §8)",
        ),
        (
            "a 5 ANY x",
            "2: error: ANY is a type of questions or messages, not of records in a zone",
        ),
        (
            "a 5 TYPE255 \\# 0",
            "2: error: ANY is a type of questions or messages, not of records in a zone",
        ),
        (
            "a 5 TYPE65280 x",
            "2: error: TYPE65280 is known by number only; write its data as TYPE65280 \\# <octets> <hexadecimal>",
        ),
        (
            "a 5 TYPE65280 \\# 3 0102",
            "2: error: TYPE65280: \\# says 3 octets, but there are 2",
        ),
        (
            "a 5 A \\# 3 010203",
            "2: error: A: the data do not fit the type: the address is wrong",
        ),
        (
            "a 5 CNAME \\# 2 c00c",
            "2: error: CNAME: the data do not fit the type: the target is wrong",
        ),
        (
            "a 5 TXT \"open",
            "2: error: the quotation mark is not closed on its line; close it, and write a line break in a string as \\010",
        ),
        (
            "a 5 TXT )",
            "2: error: the parenthesis `)` closes none; take it away, or write it as `\\)`",
        ),
        (
            "a 5 TXT \\300",
            "2: error: TXT: the escape \"\\300\" is none: after a backslash stand three digits from 000 to 255, or another character",
        ),
        (
            "a 5 TXT x\\",
            "2: error: a backslash at the line's end; write a backslash itself as `\\\\`",
        ),
        (
            "a 5 TXT \u{7}",
            "2: error: a control character; write it as \\007",
        ),
        ("a 5 TXT a\rb", "2: error: a control character; write it as \\013"),
        (
            "$INCLUDE /etc/passwd",
            "2: error: $INCLUDE is refused: it could read any file of the machine; put the records into this file, or into a zone of their own",
        ),
        (
            "$GENERATE 1-9 a$ A 192.0.2.$",
            "2: error: $GENERATE is not supported; write its records out",
        ),
        ("$ORIGIN", "2: error: \"$ORIGIN\" lacks its value"),
        ("$TTL 1h x", "2: error: \"x\" is too much after \"$TTL\""),
        (
            "$TTL soon",
            "2: error: the TTL is \"soon\"; it must be seconds from 0 to 4294967295, or a time with the units w, d, h, m and s such as 1h30m",
        ),
        (
            "$OTHER",
            "2: error: the directive \"$OTHER\" is none; $ORIGIN and $TTL are known, and a name that begins with a dollar is written as \\$",
        ),
        (
            "a 5 DS 1 8 2 00",
            "2: error: DS: a digest of type 2 has 32 octets, this one has 1",
        ),
        (
            "a 5 CAA 0 is-sue x",
            "2: error: CAA: the tag is \"is-sue\"; it must be letters and digits, such as issue",
        ),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn records_after_a_wrong_owner_are_not_told_again_and_not_given_to_another() {
    let (records, found) = read(b"a 5 A 192.0.2.1\nb..c A 192.0.2.2\n A 192.0.2.3\n AAAA x\nd A 192.0.2.4\n");
    assert_eq!(
        records,
        ["a.example.org 5 A c0000201 @1", "d.example.org 5 A c0000204 @5"]
    );
    assert_eq!(found.len(), 2, "the name, and the address of line 4: {found:?}");
}

#[test]
fn a_parenthesis_that_stays_open_costs_its_entry_and_not_the_file() {
    let text = "@ 5 SOA a b (\n  1 2 3\n  4 5\n\n ; x\na 5 A 192.0.2.1\nb 5 A x\n";
    let (records, found) = read(text.as_bytes());
    assert_eq!(records, ["a.example.org 5 A c0000201 @6"]);
    assert_eq!(found.len(), 2);
    assert!(
        found[0].starts_with("1: error: the parenthesis `(` is never closed"),
        "{found:?}"
    );
    assert!(found[1].starts_with("7: "), "{found:?}");
}

#[test]
fn what_svcb_says_is_held_against_rfc_9460() {
    for (parameters, part) in [
        ("1 . alpn=h2 alpn=h3", "twice"),
        ("1 . alpn=h2 key1=x", "twice"),
        ("1 . mandatory=port", "mandatory names port, which is not here"),
        ("1 . mandatory=mandatory", "value of mandatory"),
        ("1 . mandatory=port,port port=1", "value of mandatory"),
        ("1 . no-default-alpn", "needs alpn"),
        ("1 . no-default-alpn=x alpn=h2", "value of no-default-alpn"),
        ("1 . port=65536", "value of port"),
        ("1 . port", "value of port"),
        ("1 . ipv4hint=192.0.2.1,", "value of ipv4hint"),
        ("1 . ipv6hint=192.0.2.1", "value of ipv6hint"),
        ("1 . alpn=h2,,h3", "value of alpn"),
        ("1 . ech=x", "value of ech"),
        ("1 . dohpath=/q", "value of dohpath"),
        ("1 . key65535=x", "no key that is known"),
        ("1 . key01=x", "no key that is known"),
        ("1 . ALPN=h2", "no key that is known"),
        ("1 . \"alpn=h2\"", "no key that is known"),
        ("1 . key3=x", "value of port"),
        ("1 . key700=\"a\"b\"", "never|quotation mark"),
        ("0 . alpn=h2", "alias"),
    ] {
        let message = record(&format!("HTTPS {parameters}")).expect_err(parameters);
        assert!(
            part.split('|').any(|part| message.contains(part)),
            "{parameters}: {message}"
        );
    }
    for (generic, part) in [
        ("\\# 12 0001 00 0003 0002 0050 0001 00", "cut|early|order"),
        ("\\# 15 0001 00 0003 0002 0050 0003 0002 0050", "order"),
        ("\\# 9 0001 00 ffff 0002 0050", "key65535"),
        ("\\# 9 0001 00 0000 0002 0003", "mandatory names port"),
    ] {
        let message = record(&format!("SVCB {generic}")).expect_err(generic);
        assert!(
            part.split('|').any(|part| message.contains(part)),
            "{generic}: {message}"
        );
    }
}

#[test]
fn after_a_hundred_errors_the_rest_is_not_read() {
    let text = "a 5 A x\n".repeat(100_000);
    let (records, found) = read(text.as_bytes());
    assert_eq!((records.len(), found.len()), (0, 101));
    assert_eq!(
        found[99],
        "100: error: A: the address is \"x\"; it must be an address such as 192.0.2.1"
    );
    assert_eq!(
        found[100],
        "0: error: there are more: after 100 errors the rest is not read"
    );
}

#[test]
fn what_is_no_text_is_refused_at_once() {
    let utf16: Vec<u8> = "a 5 A 192.0.2.1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for text in [
        &utf16[..],
        b"\x7fELF\x02\x01\x01\0\0\0",
        b"SQLite format 3\0",
        b";\0",
        b"a 5 TXT \"\0\"\n",
        b"\\\0",
    ] {
        let (records, found) = read(text);
        assert!(records.is_empty(), "{records:?}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("1: error: a NUL octet: this is no text file"),
            "{found:?}"
        );
    }
}

/// Each of these would take minutes if any part of it were read more than a few times.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the time that is taken is what the test is about"
)]
fn long_and_hostile_texts_take_time_in_proportion() {
    let n = 2 * ENTRY_OCTETS_MAX;
    let started = Instant::now();
    for text in [
        "a".repeat(n),
        format!("a 5 TXT {}", "x ".repeat(n / 2)),
        format!("a 5 TXT \"{}", "\\".repeat(n)),
        format!("a 5 TXT \"{}", "x".repeat(n)),
        "(".repeat(n),
        "(\n".repeat(n / 2),
        "a (\n".repeat(n / 4),
        ")".repeat(n),
        "\"".repeat(n),
        "\"\n".repeat(n / 2),
        ";".repeat(n),
        format!("( ;{}", ";\n".repeat(n / 2)),
        "\\".repeat(n),
        "\r".repeat(n),
        " ".repeat(n),
        "\n".repeat(n),
        format!("a 5 NSEC . {}", "A ".repeat(n / 4)),
        format!(
            "a 5 HTTPS 1 . {}",
            (0..60_000).map(|key| format!("key{key} ")).collect::<String>()
        ),
        format!("a 5 TYPE1000 \\# 65535 {}", "0 ".repeat(n / 4)),
        format!("a 5 APL {}", "1:0.0.0.0/0 ".repeat(n / 24)),
    ] {
        let (records, found) = read(text.as_bytes());
        assert!(records.len() <= 1 && found.len() <= 101, "{}", &text[..20]);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Random octets, and random edits of a right file: whatever comes out, nothing panics.
#[test]
fn no_text_makes_the_reader_panic() {
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let right = "$TTL 1h\n@ SOA ns h ( 1 2 3\n 4 5 ) ; c\n a MX 10 \\032b\nb HTTPS 1 . alpn=\"h2,h3\" port=1\nc LOC 1 2 3.5 N 4 E 5m\nd TXT \"x\\\"y\" z\ne TYPE700 \\# 2 0a0b\nf NSEC g A TYPE9\ng APL !1:192.0.2.0/24\nh HIP 2 2001 AwEA rvs\ni AMTRELAY 1 0 3 x\n";
    let alphabet = b"a0 \t\n\r\"\\();$@.#=,-:!*\x00\x01\x7f\x80\xff";
    for round in 0..3_000 {
        let mut text = right.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..text.len());
            let octet = alphabet[random.usize(..alphabet.len())];
            match random.u8(..3) {
                0 => text[at] = octet,
                1 => text.insert(at, octet),
                _ => drop(text.remove(at)),
            }
        }
        let (records, _) = read(&text);
        assert!(records.len() < 20, "seed {seed}, round {round}");
    }
}
