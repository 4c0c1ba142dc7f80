//! What each value means, and what they mean together.

use expect_test::expect;

use super::*;

#[test]
fn each_value_is_told_what_is_wrong_with_it() {
    check_errors(
        &[(Key::DataDir, "")],
        expect!["--data-dir: is empty; give a path, or leave it out"],
    );
    check_errors(
        &[(Key::Dns, "localhost:53")],
        expect![[
            r#"--dns: "localhost:53" is no address with a port; write one such as 127.0.0.1:5300 or [::1]:5300"#
        ]],
    );
    check_errors(
        &[(Key::Http, "8053")],
        expect![[
            r#"--http: "8053" is no address with a port; write one such as 127.0.0.1:5300 or [::1]:5300"#
        ]],
    );
    check_errors(
        &[(Key::Zone, "a..b")],
        expect![[r#"--zone: "a..b" has an empty label; write a domain name such as svc.internal"#]],
    );
    check_errors(
        &[(Key::Zone, &format!("aa.{}", "a23456789.".repeat(25)))],
        expect![[
            r#"--zone: "aa.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789." is so long that ns.<zone> has more than 255 octets; choose a shorter name"#
        ]],
    );
    check_errors(
        &[(Key::Advertise, "0.0.0.0")],
        expect![[
            r#"--advertise: "0.0.0.0" is the unspecified address, which nobody can connect to; give an IP address without a port, at which clients reach this server"#
        ]],
    );
    check_errors(
        &[(Key::Advertise, "192.0.2.1:53")],
        expect![[
            r#"--advertise: "192.0.2.1:53" is not an IPv4 or IPv6 address; give an IP address without a port, at which clients reach this server"#
        ]],
    );
    check_errors(
        &[(Key::HttpName, "http://callsign.example.org/")],
        expect![[
            r#"--http-name: "http://callsign.example.org/" is no host name; write one without scheme and port, such as callsign.example.org"#
        ]],
    );
    check_errors(
        &[(Key::Ttl, "1500ms")],
        expect![[r#"--ttl: "1500ms" is not in whole seconds, as every TTL is"#]],
    );
    check_errors(
        &[(Key::Ttl, "5 s")],
        expect![[
            r#"--ttl: "5 s" is no duration; write a whole number of seconds, or one with its unit, such as 500ms, 5s, 10m or 1h"#
        ]],
    );
    check_errors(
        &[(Key::NegativeTtl, "2147483648")],
        expect![[
            r#"--negative-ttl: "2147483648" is too long; at most 2147483647 seconds are allowed (RFC 2181 §8)"#
        ]],
    );
    check_errors(
        &[(Key::NegativeTtl, "99999999999999999999h")],
        expect![[r#"--negative-ttl: "99999999999999999999h" is too long a duration"#]],
    );
    check_errors(
        &[(Key::MaxUdpPayload, "511")],
        expect![[r#"--max-udp-payload: "511" is no number of octets from 512 to 4096; 1232 is the default"#]],
    );
    check_errors(
        &[(Key::MaxUdpPayload, "4097")],
        expect![[
            r#"--max-udp-payload: "4097" is no number of octets from 512 to 4096; 1232 is the default"#
        ]],
    );
    check_errors(
        &[(Key::UdpWorkers, "0")],
        expect![[
            r#"--udp-workers: "0" is no number of threads from 1 to 1024; leave it out for one for each core"#
        ]],
    );
    check_errors(
        &[(Key::Guard, "on"), (Key::GuardFor, "999ms")],
        expect![[r#"
            --guard: "on" is nothing that a guard counts by; write zone, service or off
            --guard-for: "999ms" is not from 1s to 24h; to hold nothing at all, write --guard off"#]],
    );
    check_errors(
        &[(Key::GuardFor, "25h")],
        expect![[r#"--guard-for: "25h" is not from 1s to 24h; to hold nothing at all, write --guard off"#]],
    );
    check_errors(
        &[(Key::LogFormat, "xml")],
        expect![[r#"--log-format: "xml" is no log format; write text or json"#]],
    );
    check_errors(
        &[(Key::TokenFile, "no-such-folder/tokens")],
        expect![
            "--token-file: cannot read the token file no-such-folder/tokens: No such file or directory (os error 2)"
        ],
    );
    check_errors(
        &[(Key::TokenFile, "LICENSE-MIT")],
        expect!["--token-file: LICENSE-MIT:3: has more than two words; a line is `TOKEN` or `NAME TOKEN`"],
    );
    check_errors(
        &[(Key::TokenFile, "src")],
        expect!["--token-file: cannot read the token file src: Is a directory (os error 21)"],
    );
    check_variables(
        &[("CALLSIGN_INSECURE_NO_AUTH", "yes")],
        expect![[r#"CALLSIGN_INSECURE_NO_AUTH: "yes" is neither true nor false; write true, false, 1 or 0"#]],
    );
    check_variables(
        &[("CALLSIGN_VERBOSE", "-vv")],
        expect![[r#"CALLSIGN_VERBOSE: "-vv" is no level; write 0 for info, 1 for debug, 2 for trace"#]],
    );
    check_variables(
        &[("CALLSIGN_ZONE", "svc.internal,")],
        expect![[r#"CALLSIGN_ZONE: "" is empty; write a domain name such as svc.internal"#]],
    );
}

#[test]
fn ttls_are_whole_seconds_in_any_unit() {
    for (text, seconds) in [
        ("0", 0),
        ("0s", 0),
        ("5", 5),
        ("5s", 5),
        ("3000ms", 3),
        ("2m", 120),
        ("1h", 3600),
    ] {
        assert_eq!(config(&[(Key::Ttl, text)]).base.ttl.seconds(), seconds, "{text}");
    }
    assert_eq!(
        config(&[(Key::Ttl, "2147483647")]).base.ttl.seconds(),
        2_147_483_647
    );
}

#[test]
fn the_api_listens_beyond_loopback_only_with_tokens_or_when_told_to() {
    check_errors(
        &[(Key::Http, "0.0.0.0:8053")],
        expect![
            "--http: 0.0.0.0:8053 is open to other machines, and the API would ask for no token; give --token-file FILE, or listen on 127.0.0.1, or give --insecure-no-auth if whoever can reach it may change the catalog"
        ],
    );
    check_errors(
        &[(Key::Http, "[::]:8053")],
        expect![
            "--http: [::]:8053 is open to other machines, and the API would ask for no token; give --token-file FILE, or listen on 127.0.0.1, or give --insecure-no-auth if whoever can reach it may change the catalog"
        ],
    );
    for loopback in ["127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(warnings(&[(Key::Http, loopback)]).is_empty(), "{loopback}");
    }
    let open = (Key::Http, "192.0.2.1:8053");
    let tokens = (Key::TokenFile, "src/config/tests/tokens");
    let insecure = (Key::InsecureNoAuth, "true");
    assert!(warnings(&[open, tokens]).is_empty());
    expect![[r#"
        [
            "whoever can reach the API at 192.0.2.1:8053 can change the catalog (--insecure-no-auth); give --token-file to ask for tokens",
        ]
    "#]].assert_debug_eq(&warnings(&[open, insecure]));
    expect![[r#"
        [
            "--insecure-no-auth does nothing beside a token file: every request to the API needs a token",
        ]
    "#]]
    .assert_debug_eq(&warnings(&[open, insecure, tokens]));
    assert!(
        load_from(&[open, (Key::InsecureNoAuth, "false")], &[], None).is_err(),
        "false is as if it were not given"
    );
}

#[test]
fn a_token_file_that_is_missing_is_one_error_and_not_two() {
    check_errors(
        &[
            (Key::Http, "0.0.0.0:8053"),
            (Key::TokenFile, "no-such-folder/tokens"),
        ],
        expect![
            "--token-file: cannot read the token file no-such-folder/tokens: No such file or directory (os error 2)"
        ],
    );
}

#[test]
fn no_two_listeners_want_the_same_port() {
    let dns = |text| (Key::Dns, text);
    check_errors(
        &[dns("127.0.0.1:53"), dns("127.0.0.1:53")],
        expect!["--dns: 127.0.0.1:53 is given twice; leave one out"],
    );
    check_errors(
        &[dns("127.0.0.1:53"), dns("0.0.0.0:53")],
        expect![
            "--dns: 0.0.0.0:53 and 127.0.0.1:53 cannot both be listened on: one contains the other; leave one out"
        ],
    );
    check_errors(
        &[dns("0.0.0.0:53"), (Key::Http, "127.0.0.1:53")],
        expect!["--http: 127.0.0.1:53 takes the TCP port of --dns 0.0.0.0:53; give the API another port"],
    );
    for pair in [
        ["127.0.0.1:0", "127.0.0.1:0"],
        ["0.0.0.0:53", "[::]:53"],
        ["127.0.0.1:53", "127.0.0.2:53"],
        ["127.0.0.1:53", "127.0.0.1:54"],
        ["[fe80::1%1]:53", "[fe80::1%2]:53"],
    ] {
        assert!(load_from(&pair.map(dns), &[], None).is_ok(), "{pair:?}");
    }
}

#[test]
fn no_zone_is_given_twice_or_hides_what_another_has() {
    let zone = |text| (Key::Zone, text);
    check_errors(
        &[zone("a.internal"), zone("A.Internal.")],
        expect!["--zone: a.internal is given twice; leave one out"],
    );
    check_errors(
        &[zone("a.internal"), zone("ns.a.internal")],
        expect![
            "--zone: zone ns.a.internal would hide the name server ns.a.internal; leave one of the two zones out"
        ],
    );
    assert_eq!(config(&[zone("a.internal"), zone("b.a.internal")]).zones.len(), 2);
}

#[test]
fn the_name_servers_addresses_are_the_advertised_or_else_those_that_are_no_wildcards() {
    let servers = |flags: &[(Key, &str)]| {
        let addresses = config(flags).base.name_servers;
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let dns = |text| (Key::Dns, text);
    let mixed = [
        dns("192.0.2.2:53"),
        dns("0.0.0.0:54"),
        dns("192.0.2.1:53"),
        dns("[::ffff:192.0.2.2]:55"),
    ];
    assert_eq!(servers(&mixed), ["192.0.2.1", "192.0.2.2"]);
    let advertised = [
        mixed[0],
        (Key::Advertise, "2001:db8::1"),
        (Key::Advertise, "2001:db8::1"),
    ];
    assert_eq!(servers(&advertised), ["2001:db8::1"]);
    assert_eq!(servers(&[dns("0.0.0.0:53")]), [""; 0]);
}

#[test]
fn a_server_on_wildcards_alone_is_told_to_advertise() {
    let wildcard = (Key::Dns, "0.0.0.0:53");
    expect![[r#"
        [
            "no --dns address names a host, so ns.<zone> has no address and resolvers that ask for it get none; give --advertise IP with the address at which clients reach this server",
        ]
    "#]].assert_debug_eq(&warnings(&[wildcard]));
    assert!(warnings(&[wildcard, (Key::Advertise, "192.0.2.1")]).is_empty());
    assert!(warnings(&[wildcard, (Key::Dns, "127.0.0.1:54")]).is_empty());
}

#[test]
fn more_than_the_bound_is_refused() {
    let addresses: Vec<_> = (0..=NAME_SERVER_ADDRESSES_MAX)
        .map(|n| format!("192.0.2.{n}"))
        .collect();
    let flags: Vec<_> = addresses
        .iter()
        .map(|address| (Key::Advertise, address.as_str()))
        .collect();
    check_errors(
        &flags,
        expect!["--advertise: is one too many; at most 13 are allowed"],
    );
    let listeners: Vec<_> = addresses.iter().map(|address| format!("{address}:53")).collect();
    let flags: Vec<_> = listeners
        .iter()
        .map(|address| (Key::Dns, address.as_str()))
        .collect();
    expect![[r#"
        [
            "ns.<zone> has the first 13 of the --dns addresses only; choose others with --advertise IP",
        ]
    "#]]
    .assert_debug_eq(&warnings(&flags));
}
