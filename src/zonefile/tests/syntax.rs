//! Entries: owners, origins, TTLs, classes, escapes, parentheses, comments, line ends.

use super::read;

/// Records as `owner ttl type data @line`; the file must be right.
#[track_caller]
fn check(text: &str, records: &[&str]) {
    assert_eq!(read(text.as_bytes()), (to_strings(records), Vec::new()), "{text}");
}

fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_string()).collect()
}

#[test]
fn owners_are_relative_absolute_blank_or_the_origin() {
    check(
        "a 5 A 192.0.2.1\n  5 A 192.0.2.2\n\tAAAA ::1\n@ A 192.0.2.3\nb.example.net. A 192.0.2.4\n",
        &[
            "a.example.org 5 A c0000201 @1",
            "a.example.org 5 A c0000202 @2",
            "a.example.org 5 AAAA 00000000000000000000000000000001 @3",
            "example.org 5 A c0000203 @4",
            "b.example.net 5 A c0000204 @5",
        ],
    );
}

#[test]
fn origin_moves_relative_names_and_nothing_else() {
    check(
        "$TTL 5\na A 192.0.2.1\n$ORIGIN sub\n A 192.0.2.2\na MX 1 b\n$ORIGIN example.net.\n@ NS c\n",
        &[
            "a.example.org 5 A c0000201 @2",
            "a.example.org 5 A c0000202 @4",
            "a.sub.example.org 5 MX 0001016203737562076578616d706c65036f726700 @5",
            "example.net 5 NS 0163076578616d706c65036e657400 @7",
        ],
    );
}

#[test]
fn ttl_and_class_stand_in_either_order_or_lack() {
    for head in ["7 IN", "IN 7", "in 7", "7 CLASS1", "7s", "0h7", "0w0d0h0m7s IN"] {
        if head == "0h7" {
            let (records, found) = read(b"a 0h7 A 192.0.2.1\n");
            assert!(
                records.is_empty() && found.len() == 1,
                "no unit at the end: {found:?}"
            );
            continue;
        }
        check(
            &format!("a {head} A 192.0.2.1\n"),
            &["a.example.org 7 A c0000201 @1"],
        );
    }
    check("a 1h30m A 192.0.2.1\n", &["a.example.org 5400 A c0000201 @1"]);
    check("a 1W2D IN A 192.0.2.1\n", &["a.example.org 777600 A c0000201 @1"]);
}

#[test]
fn a_record_without_ttl_takes_the_directive_then_the_last_then_the_minimum() {
    check(
        "$TTL 9\na 5 A 192.0.2.1\nb A 192.0.2.2\n$TTL 1m\nc A 192.0.2.3\n",
        &[
            "a.example.org 5 A c0000201 @2",
            "b.example.org 9 A c0000202 @3",
            "c.example.org 60 A c0000203 @5",
        ],
    );
    check(
        "a 5 A 192.0.2.1\nb A 192.0.2.2\n",
        &["a.example.org 5 A c0000201 @1", "b.example.org 5 A c0000202 @2"],
    );
    let (records, found) = read(b"@ SOA . . 1 2 3 4 77\na A 192.0.2.1\n");
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(
        records,
        [
            "example.org 77 SOA 0000000000010000000200000003000000040000004d @1",
            "a.example.org 77 A c0000201 @2"
        ]
    );
}

#[test]
fn names_may_hold_any_octet() {
    check(
        "a\\.b\\032\\@.c 5 CNAME \\000\\255\\\\.\\$x\n",
        &["a\\.b\\032\\@.c.example.org 5 CNAME 0300ff5c022478076578616d706c65036f726700 @1"],
    );
    check(
        "\\@ 5 NS \\@\n",
        &["\\@.example.org 5 NS 0140076578616d706c65036f726700 @1"],
    );
    check("bücher 5 NS .\n", &["b\\195\\188cher.example.org 5 NS 00 @1"]);
    check("* 5 NS .\n", &["*.example.org 5 NS 00 @1"]);
}

#[test]
fn labels_of_63_and_names_of_255_octets_are_the_longest() {
    let label = "a".repeat(63);
    check(
        &format!("{label} 5 A 192.0.2.1\n"),
        &[&format!("{label}.example.org 5 A c0000201 @1")],
    );
    let name = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    check(
        &format!("{name}. 5 A 192.0.2.1\n"),
        &[&format!("{name} 5 A c0000201 @1")],
    );
    for name in [
        format!("{label}a"),
        format!("{name}b."),
        "a".repeat(100_000),
        "a.".repeat(100_000),
    ] {
        let (records, found) = read(format!("{name} 5 A 192.0.2.1\n").as_bytes());
        assert!(records.is_empty() && found.len() == 1, "{found:?}");
        assert!(found[0].len() < 200, "a long name is shown in part: {}", found[0]);
    }
}

#[test]
fn parentheses_join_lines_and_comments_end_there() {
    check(
        "a ( ; one ( \" \n 5 IN ; two )\n A ) 192.0.2.1 ; three \" (\nb 5 ((A) (\n192.0.2.2\n))\n",
        &["a.example.org 5 A c0000201 @1", "b.example.org 5 A c0000202 @4"],
    );
    check("( a ) 5 A 192.0.2.1\n", &["a.example.org 5 A c0000201 @1"]);
    check(
        "a 5 TXT one(two)three\n",
        &["a.example.org 5 TXT 036f6e650374776f057468726565 @1"],
    );
}

#[test]
fn strings_keep_what_stands_in_quotes() {
    for (text, wire) in [
        ("\"a;(b)  c\"", "08613b28622920 2063"),
        ("\"\"", "00"),
        ("\"a\"\"b\"", "0161 0162"),
        ("a\"b\"", "0161 0162"),
        ("\"\\\"\\\\\\065\\a\"", "04225c4161"),
        ("a\\ b\\;c", "05612062 3b63".trim()),
        ("\"é\" \"\t\"", "02c3a9 0109"),
        ("v=\"a b\"", "02763d 03612062"),
        ("\\# ", "?"),
        ("\"\\\\#\" 1", "025c23 0131"),
    ] {
        let data = super::record(&format!("TXT {text}")).map(|data| super::hex(&data));
        match wire {
            "?" => assert!(data.is_err(), "{text}"),
            _ => assert_eq!(data, Ok(wire.replace(' ', "")), "{text}"),
        }
    }
    let long = "x".repeat(255);
    assert!(super::record(&format!("TXT {long}")).is_ok());
    assert!(super::record(&format!("TXT {long}x")).is_err());
    let many = format!("TXT {}", format!("{long} ").repeat(255));
    assert_eq!(super::record(&many).map(|data| data.len()), Ok(65_280));
    assert!(
        super::record(&format!("{many} {long}")).is_err(),
        "over 65,535 octets"
    );
}

#[test]
fn line_ends_marks_and_a_missing_last_line_end_do_not_matter() {
    let records = ["a.example.org 5 A c0000201 @1", "b.example.org 5 A c0000202 @2"];
    for text in [
        "a 5 A 192.0.2.1\nb 5 A 192.0.2.2\n",
        "a 5 A 192.0.2.1\nb 5 A 192.0.2.2",
        "a 5 A 192.0.2.1\r\nb 5 A 192.0.2.2\r\n",
        "a 5 A 192.0.2.1 ; x\r\nb 5 A 192.0.2.2\r",
        "\u{feff}a 5 A 192.0.2.1\nb 5 A 192.0.2.2\n",
        "a\t5\tA\t192.0.2.1 \t \nb 5 A 192.0.2.2 ;",
    ] {
        check(text, &records);
    }
    for text in [
        "",
        "\n",
        "\r\n",
        ";",
        "\u{feff}",
        "  \t\n;\n\n ; x\n ( \n ) \n",
        "\u{feff}\n",
    ] {
        check(text, &[]);
    }
}

/// Whatever way the octets come in.
#[test]
fn an_entry_may_lie_across_any_two_reads() {
    struct Bits<'a>(&'a [u8], usize);
    impl std::io::Read for Bits<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let octets = self.1.min(self.0.len()).min(into.len());
            into[..octets].copy_from_slice(&self.0[..octets]);
            self.0 = &self.0[octets..];
            Ok(octets)
        }
    }
    let text = "\u{feff}a 5 TXT ( \"x\\\"\\;\" ; c\r\n y\\ z )\r\n\r\nb\\.c A 192.0.2.1\r\n\td".as_bytes();
    let whole = read(text);
    assert_eq!((whole.0.len(), whole.1.len()), (2, 1));
    for size in 1..text.len() {
        assert_eq!(
            super::read_from(Bits(text, size)),
            whole,
            "{size} octets at a time"
        );
    }
}
