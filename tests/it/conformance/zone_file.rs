//! The zone files under test, and files that are refused.

use std::fs;

use crate::support::program::{Folder, Launch};

/// A zone that says nothing of itself.
pub(super) const BARE: &str = "\
$TTL 60
host A 192.0.2.91
";

/// RFC 2317: a /26 that the owner of the /24 hands on.
pub(super) const REVERSE: &str = "\
$TTL 60
@ SOA ns.example.net. hostmaster.example.net. 1 3600 900 604800 60
@ NS ns.example.net.
0-26 NS ns.example.net.
1 CNAME 1.0-26
2 CNAME 2.0-26
";

/// That /26.
pub(super) const REVERSE_26: &str = "\
$TTL 60
@ SOA ns.example.net. hostmaster.example.net. 1 3600 900 604800 60
@ NS ns.example.net.
1 PTR mail.example.org.
";

/// The rules that [`wrong_files`] holds.
pub(super) const FILE_RULES: [&str; 2] = ["static.wrong", "static.include"];

const HEAD: &str = r#"
$ORIGIN example.org.
$TTL 3600
@  7200 IN SOA ns1 hostmaster (
           2026010101 ; serial
           3600       ; refresh
           900 604800 ; retry, expire
           300 )      ; minimum
        NS    ns1
        NS    ns.example.net.
        MX    10 mail
        MX    20 mail.example.net.
        TXT   "v=spf1 -all" "second string"
        CAA   0 issue "ca.example.net"
ns1     A     192.0.2.53
        AAAA  2001:db8::53
mail 600 A    192.0.2.25
     600 AAAA 2001:db8::25
txt     TXT   "one" "two three" "" "semi;colon" "q\"uote" "\000\255"
        TXT   bare
u1      TYPE65280 \# 4 c0000201
u2      TYPE65281 \# 0
u3      A     \# 4 C0000237
u4      CLASS1 TYPE1 \# 4 ( c000 0238 )
a\.b    A     192.0.2.101
sp\032ace A   192.0.2.102
bin\000\255 A 192.0.2.103
\@at    A     192.0.2.104
\065scii A    192.0.2.105
UPPER   A     192.0.2.106
deep.a.b.ent A 192.0.2.107
_sip._udp SRV 10 20 5060 mail
        SRV   20 0 5060 sip.example.net.
_none._tcp SRV 0 0 0 .
shop    A     192.0.2.90
        HTTPS 1 . port=8443 alpn=h2 ipv4hint=192.0.2.90
shopalias HTTPS 0 shop
_8443._https.api SVCB 1 mail alpn=h2 mandatory=alpn
nap     NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:info@example.org!" .
_443._tcp.tls TLSA 3 1 1 ( 000102030405060708090a0b0c0d0e0f
                           101112131415161718191a1b1c1d1e1f )
key     SSHFP 4 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
person  RP    admin.example.org. txt.example.org.
info    HINFO "CPU" "OS"
signed  RRSIG A 13 3 3600 20300101000000 20200101000000 12345 example.org. AAAA
mxalias MX    10 plain
mxweb   MX    10 web
mxdown  MX    10 down
mxnull  MX    0 .
mxsub   MX    10 ns1.sub
_host._udp SRV 0 0 9 web-1.web
mxtwice MX    10 mail
        MX    20 mail
_two._udp SRV 0 0 1 mail
        SRV   0 0 2 mail
bindtwice HTTPS 1 mail alpn=h2
        HTTPS 2 mail alpn=h3
nobind  HTTPS 0 .
ttl0    0          A 192.0.2.111
ttlmax  2147483647 A 192.0.2.112
mixed   10 A 192.0.2.113
        20 A 192.0.2.114
same    A 192.0.2.115
        A 192.0.2.115
CaSe    A 192.0.2.116
cAsE    A 192.0.2.117
outside.example.com. A 192.0.2.118
hidden.sub TXT "hidden by a delegation"
; Beside services.
web     MX    10 mail
        TXT   "static"
_acme-challenge.web TXT "token"
"#;

pub(super) fn label(letter: char, octets: usize) -> String {
    letter.to_string().repeat(octets)
}

/// A name of 255 octets: 242 of labels before the 13 of `example.org`.
pub(super) fn longest() -> String {
    format!(
        "{}.{}.{}.{}",
        label('p', 63),
        label('q', 63),
        label('r', 63),
        label('s', 49)
    )
}

/// TXT records of so many octets, their numbers in front.
pub(super) fn texts(count: usize, octets: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("{n:03}{}", "x".repeat(octets - 3)))
        .collect()
}

/// The zone file.
pub(super) fn example_org() -> String {
    let mut text = [HEAD, super::aliases::FILE, super::delegations::FILE].concat();
    text.push_str(&super::dname::too_long());
    text.push_str(&super::delegations::wide());
    text.push_str(&super::delegations::far());
    text.push_str(&format!(
        "{} A 192.0.2.108\n{} A 192.0.2.109\n",
        longest(),
        label('t', 63)
    ));
    for (name, count, octets) in [("big", 10, 60), ("bigger", 30, 100), ("vast", 300, 250)] {
        for string in texts(count, octets) {
            text.push_str(&format!("{name} TXT \"{string}\"\n"));
        }
    }
    text
}

/// A zone whose SOA needs more than 512 octets.
pub(super) fn long_soa() -> String {
    // Nothing but `example.net` is common to the two, so that pointers save little.
    let name = |letter| {
        let labels = [63, 63, 63, 40].map(|octets| label(letter, octets));
        format!("{}.example.net.", labels.join("."))
    };
    let (primary, mailbox) = (name('m'), name('r'));
    format!("$TTL 60\n@ SOA {primary} {mailbox} 1 2 3 4 60\n@ NS ns.example.net.\n")
}

/// Files that must not be served: the program ends with 2 and names file and line, each of them.
pub(super) fn wrong_files() {
    let files: [(&str, &str, &[usize]); 13] = [
        ("an include", "$INCLUDE other.zone\n", &[1]),
        (
            "an include of a file that any may read",
            "$TTL 5\n$INCLUDE /etc/passwd\n",
            &[2],
        ),
        ("an address that is none", "$TTL 5\na A 192.0.2.256\n", &[2]),
        ("a type that is none", "$TTL 5\na AAAAA 2001:db8::1\n", &[2]),
        ("a directive that is none", "$TTL 5\n$NOTHING 1\n", &[2]),
        (
            "a label of 64 octets",
            "$TTL 5\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa A 192.0.2.1\n",
            &[2],
        ),
        ("no TTL", "a A 192.0.2.1\n", &[1]),
        ("a TTL beyond 2^31-1", "a 2147483648 A 192.0.2.1\n", &[1]),
        ("another class", "$TTL 5\na CH TXT \"x\"\n", &[2]),
        ("two CNAMEs", "$TTL 5\na CNAME b\na CNAME c\n", &[3]),
        ("an SOA below the apex", "$TTL 5\na SOA b c 1 2 3 4 5\n", &[2]),
        (
            "data that are too short",
            "$TTL 5\na TYPE65280 \\# 4 c000\n",
            &[2],
        ),
        (
            "two faults",
            "$TTL 5\na A 192.0.2.256\nb A 192.0.2.1\nc AAAA fish\n",
            &[2, 4],
        ),
    ];
    for (what, text, lines) in files {
        let folder = Folder::new();
        fs::write(folder.path().join("example.org.zone"), text).expect("write a zone file");
        let finished = Launch::new()
            .argument("--zones")
            .argument(folder.path().display().to_string())
            .start_and_fail();
        assert_eq!(finished.code, Some(2), "{what}: {}", finished.stderr);
        for line in lines {
            let place = format!("example.org.zone:{line}:");
            assert!(
                finished.stderr.contains(&place),
                "{what}: no {place} in {}",
                finished.stderr
            );
        }
    }
}
