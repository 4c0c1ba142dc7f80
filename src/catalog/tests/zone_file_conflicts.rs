//! What a zone file and a service, or two zones, would hide of each other: refused from both sides, and both are named.

use super::fixture::*;
use super::static_records::*;
use crate::catalog::*;

/// Everything that a service can have a name for.
fn web() -> At {
    at("192.0.2.1")
        .ports("http 8080, main 80, dns 53/udp")
        .tags("v2 Blue")
}

fn message(outcome: Result<Effect, Rejection>) -> String {
    match outcome {
        Err(Rejection::Conflict { code, message, .. }) => {
            assert_eq!(code, "name_taken", "{message}");
            message
        }
        other => panic!("no conflict: {other:?}"),
    }
}

/// Holds that a zone file of `lines` and the service `web` clash, whichever comes first, and that the message names
/// the two names.
#[track_caller]
fn clashes(lines: &[&str], of_service: &str, of_file: &str) {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", web());
    let by_file = message(catalog.attempt(file(ZONE, lines)));
    let mut catalog = Catalog::new();
    catalog.make(file(ZONE, lines));
    let by_service = message(catalog.attempt(register("web-1.web", web())));
    for said in [by_file, by_service] {
        let service = format!("{of_service}.{ZONE} of service web");
        assert!(said.contains(&service), "{lines:?}: {said}");
        assert!(said.contains(of_file), "{lines:?}: {said}");
    }
}

/// Holds that both can be had, whichever comes first.
#[track_caller]
fn agree(lines: &[&str]) {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", web());
    catalog.make(file(ZONE, lines));
    let mut catalog = Catalog::new();
    catalog.make(file(ZONE, lines));
    catalog.register("web-1.web", web());
}

const NAMES: [&str; 9] = [
    "web",
    "web-1.web",
    "v2.web",
    "blue.web",
    "_http._tcp.web",
    "_dns._udp.web",
    "_main._tcp.v2.web",
    "_web._tcp",
    "_web._udp",
];

#[test]
fn types_of_a_service_at_its_names_clash() {
    for name in NAMES {
        for (mnemonic, data) in [
            ("A", "192.0.2.9"),
            ("AAAA", "2001:db8::9"),
            ("SRV", "0 0 1 other"),
            ("CNAME", "other"),
            ("DNAME", "other"),
            ("NS", "other"),
        ] {
            for owner in [name.to_owned(), name.to_ascii_uppercase()] {
                clashes(
                    &[&format!("{owner} {mnemonic} {data}")],
                    name,
                    &format!("{mnemonic} record at {name}.{ZONE}"),
                );
            }
        }
        clashes(
            &[&format!("{name} DS x")],
            name,
            &format!("DS record at {name}.{ZONE}"),
        );
    }
    clashes(
        &["web-1.web TXT x"],
        "web-1.web",
        &format!("TXT record at web-1.web.{ZONE}"),
    );
}

#[test]
fn a_list_of_dns_sd_is_the_catalogs() {
    for name in ["_http._tcp", "_web._tcp", "_dns._udp"] {
        for (mnemonic, data) in [("PTR", "x"), ("CNAME", "x"), ("DNAME", "x"), ("NS", "x")] {
            clashes(
                &[&format!("{name} {mnemonic} {data}")],
                name,
                &format!("{mnemonic} record at {name}.{ZONE}"),
            );
        }
    }
    // No service is called http, so SRV there is nobody's; and a name above 15 octets is no service type.
    agree(&["_http._tcp SRV 0 0 1 other"]);
    let mut catalog = Catalog::new();
    catalog.make(file(ZONE, &["_sixteen-octets-x._tcp PTR x"]));
    catalog.register("a.api", at("192.0.2.1").ports("sixteen-octets-x 1"));
}

#[test]
fn the_name_by_which_an_instance_is_browsed_for_is_the_catalogs() {
    for name in ["web-1@web._http._tcp", "WEB-1@web._HTTP._tcp"] {
        for (mnemonic, data) in [("SRV", "0 0 1 other"), ("TXT", "x"), ("CNAME", "x"), ("NS", "x")] {
            clashes(
                &[&format!("{name} {mnemonic} {data}")],
                "web-1\\@web._http._tcp",
                &format!("{mnemonic} record at web-1\\@web._http._tcp.{ZONE}"),
            );
        }
    }
    for name in ["_services._dns-sd._udp", "b._dns-sd._udp"] {
        clashes(
            &[&format!("{name} PTR x")],
            name,
            &format!("PTR record at {name}.{ZONE}"),
        );
    }
    // What people write by hand beside it.
    agree(&[
        "printer._http._tcp SRV 0 0 80 other",
        "printer._http._tcp TXT x",
        "lb._dns-sd._udp PTR @",
        "web-1@web._http._tcp MX 1 other",
    ]);
}

#[test]
fn what_leads_elsewhere_above_a_name_clashes() {
    for (lines, of_service, of_file) in [
        (
            &["_tcp NS other"][..],
            "_web._tcp",
            "NS record at _tcp.svc.internal",
        ),
        (
            &["_tcp DNAME other"],
            "_web._tcp",
            "DNAME record at _tcp.svc.internal",
        ),
        (&["@ DNAME example.org."], "web", "DNAME record at svc.internal"),
        (
            &["_tcp.web NS other"],
            "_http._tcp.web",
            "NS record at _tcp.web.svc.internal",
        ),
        (
            &["_udp.v2.web DNAME other"],
            "_dns._udp.v2.web",
            "DNAME record at _udp.v2.web.svc.internal",
        ),
        // Not the delegation of another name.
        (
            &["_tcp NS other", "x NS other"],
            "_web._tcp",
            "NS record at _tcp.svc.internal",
        ),
    ] {
        clashes(lines, of_service, of_file);
    }
}

#[test]
fn what_stands_beside_or_below_does_not_clash() {
    for name in NAMES {
        for record in ["MX 10 mail", "CAA x", "HTTPS 1 .", "TXT x"] {
            if (name, record) != ("web-1.web", "TXT x") {
                agree(&[&format!("{name} {record}")]);
            }
        }
    }
    agree(&["_acme-challenge.web TXT x", "_acme-challenge.web-1.web TXT x"]);
    agree(&[
        "unknown.web A 192.0.2.9",
        "unknown.web CNAME other",
        "x.unknown.web NS other",
    ]);
    agree(&[
        "_tcp A 192.0.2.9",
        "_tcp.web A 192.0.2.9",
        "_tcp TXT x",
        "_sctp NS other",
        "_tcp CNAME other",
    ]);
    agree(&[
        "_http._udp.web SRV 0 0 1 other",
        "_unknown._tcp.web CNAME other",
        "_http._sctp SRV 0 0 1 x",
    ]);
    agree(&[
        "*.web A 192.0.2.9",
        "* A 192.0.2.9",
        "*.v2.web A 192.0.2.9",
        "*._tcp SRV 0 0 1 x",
    ]);
    agree(&[
        "webx A 192.0.2.9",
        "we NS other",
        "eb A 192.0.2.9",
        "web.web A 192.0.2.9",
    ]);
    agree(&[
        "a CNAME web",
        "b CNAME v2.web",
        "c MX 10 web-1.web",
        "@ MX 10 web",
        "d DNAME web",
    ]);
}

#[test]
fn names_that_linger_clash_until_they_are_forgotten() {
    let mut catalog = Catalog::new();
    catalog.register("web-1.web", web());
    catalog.register("web-1.web", at("192.0.2.1"));
    for record in [
        "_http._tcp.web CNAME x",
        "v2.web A 192.0.2.9",
        "_web._udp SRV 0 0 1 x",
        "_dns._udp PTR x",
    ] {
        message(catalog.attempt(file(ZONE, &[record])));
    }
    catalog.deregister("web-1.web");
    message(catalog.attempt(file(ZONE, &["web A 192.0.2.9"])));
    message(catalog.attempt(file(ZONE, &["blue.web A 192.0.2.9"])));
    // A host name goes at once.
    catalog.clone().make(file(ZONE, &["web-1.web A 192.0.2.9"]));
    catalog.forget_all("web");
    catalog.make(file(
        ZONE,
        &[
            "web A 192.0.2.9",
            "blue.web A 192.0.2.9",
            "_http._tcp.web CNAME x",
        ],
    ));
    message(catalog.attempt(register("web-1.web", at("192.0.2.1"))));
}

#[test]
fn a_service_of_settings_alone_clashes() {
    let settings = || ServiceSettings {
        ttl: ttl(9),
        ..Default::default()
    };
    let put = || Change::PutService {
        zone: zone(ZONE),
        service: service("web"),
        settings: settings(),
    };
    let mut catalog = Catalog::new();
    catalog.make(put());
    assert!(message(catalog.attempt(file(ZONE, &["web CNAME x"]))).contains("service web"));
    let mut catalog = Catalog::new();
    catalog.make(file(ZONE, &["web CNAME x"]));
    assert!(message(catalog.attempt(put())).contains("CNAME record at web.svc.internal"));
    catalog.make(file(ZONE, &["web MX 10 x"]));
    catalog.make(put());
}

#[test]
fn a_new_port_tag_or_id_of_a_service_that_is_there_clashes() {
    let lines = [
        "_http._tcp.web CNAME x",
        "v2.web A 192.0.2.9",
        "web-2.web TXT x",
        "_tcp.web-3.web NS x",
        "_web._udp SRV 0 0 1 x",
        "_dns._tcp PTR x",
    ];
    let mut catalog = Catalog::new();
    catalog.make(file(ZONE, &lines));
    catalog.register("web-1.web", at("192.0.2.1").ports("metrics 9100"));
    for (name, at) in [
        ("web-1.web", at("192.0.2.1").ports("http 80")),
        ("web-1.web", at("192.0.2.1").tags("V2")),
        ("web-2.web", at("192.0.2.1")),
        ("web-1.web", at("192.0.2.1").ports("dns 53/udp")),
        ("web-1.web", at("192.0.2.1").ports("dns 53")),
        ("dns-1.dns", at("192.0.2.1").ports("main 53")),
    ] {
        message(catalog.attempt(register(name, at)));
    }
    catalog.register(
        "web-3.web",
        at("192.0.2.1").ports("http 80/sctp").tags("canary").meta(&[]),
    );
}

#[test]
fn ns_is_a_service_only_while_the_file_names_other_servers() {
    let other_servers = || file(ZONE, &["@ NS ns.example.com."]);
    let refused = |catalog: &mut Catalog| message(catalog.attempt(register("a.ns", at("192.0.2.1"))));
    for lines in [
        &[][..],
        &["www A 192.0.2.1"],
        &["ns TXT x"],
        &["x.ns A 192.0.2.1"],
        &["ns MX 10 mail"],
        &["ns A 192.0.2.1"],
        &["ns CNAME www"],
        &["@ NS ns", "ns A 192.0.2.1"],
    ] {
        let mut catalog = Catalog::new();
        catalog.make(file(ZONE, lines));
        let said = refused(&mut catalog);
        assert!(said.contains("ns.svc.internal"), "{lines:?}: {said}");
    }
    let mut catalog = Catalog::new();
    catalog.make(other_servers());
    catalog.register("a.ns", at("192.0.2.1"));
    for change in [
        no_file(ZONE),
        file(ZONE, &["www A 192.0.2.1"]),
        file(ZONE, &["ns TXT x"]),
    ] {
        let said = message(catalog.attempt(change));
        assert!(
            said.contains("service ns") && said.contains("ns.svc.internal"),
            "{said}"
        );
    }
    catalog.make(file(ZONE, &["@ NS ns2.example.com."]));
    // The name server may be a service, then.
    catalog.make(file(ZONE, &["@ NS ns"]));
    catalog.deregister("a.ns");
    message(catalog.attempt(no_file(ZONE)));
    catalog.forget_all("ns");
    catalog.make(no_file(ZONE));
    refused(&mut catalog);
}

#[test]
fn a_zone_called_ns_stands_only_while_the_file_above_names_other_servers() {
    let name = "ns.svc.internal";
    let mut catalog = Catalog::new();
    message(catalog.attempt(file(name, &["www A 192.0.2.1"])));
    catalog.make(file(ZONE, &["@ NS ns.example.com."]));
    catalog.make(file(name, &["www A 192.0.2.1"]));
    for change in [no_file(ZONE), file(ZONE, &["www A 192.0.2.1"])] {
        let said = message(catalog.attempt(change));
        assert!(said.contains("zone ns.svc.internal"), "{said}");
    }
    catalog.make(no_file(name));
    catalog.make(Change::DeleteZone { zone: zone(name) });
    catalog.make(no_file(ZONE));
}

/// The ways in which a zone comes to be.
fn ways(name: &str) -> [Change; 3] {
    [
        Change::PutZone {
            zone: zone(name),
            settings: ZoneSettings::default(),
        },
        Change::Open {
            zones: vec![zone(name)],
            base: Base::default(),
        },
        file(name, &["@ SOA 1"]),
    ]
}

#[test]
fn a_child_zone_may_not_hide_static_names_unless_they_are_delegated_to_it() {
    let child = "sub.svc.internal";
    for (lines, hidden) in [
        (&["sub A 192.0.2.1"][..], "sub.svc.internal"),
        (&["www.sub A 192.0.2.1"], "sub.svc.internal"),
        (&["SUB TXT x"], "sub.svc.internal"),
        (&["sub DNAME x"], "sub.svc.internal"),
        (&["*.sub A 192.0.2.1"], "sub.svc.internal"),
    ] {
        for way in ways(child) {
            let mut catalog = Catalog::new();
            catalog.make(file(ZONE, lines));
            let said = message(catalog.attempt(way.clone()));
            assert!(said.contains("zone sub.svc.internal would hide"), "{said}");
            assert!(
                said.contains(hidden) && said.contains("zone file of svc.internal"),
                "{said}"
            );
            // The other way round.
            let mut catalog = Catalog::new();
            catalog.make(way);
            let said = message(catalog.attempt(file(ZONE, lines)));
            assert!(
                said.contains(hidden) && said.contains("zone sub.svc.internal"),
                "{said}"
            );
        }
    }
    for lines in [
        &["sub NS ns.sub", "ns.sub A 192.0.2.1", "sub DS x"][..],
        &["subx A 192.0.2.1", "x.su A 192.0.2.1"],
        &["* A 192.0.2.1"],
        // What a delegation hides is left out of the file, and so hides nothing.
        &["sub NS ns.sub", "www.sub TXT x"],
    ] {
        for way in ways(child) {
            let mut catalog = Catalog::new();
            catalog.make(file(ZONE, lines));
            catalog.make(way.clone());
            let mut catalog = Catalog::new();
            catalog.make(way);
            catalog.make(file(ZONE, lines));
        }
    }
}

#[test]
fn a_zone_far_below_hides_what_is_at_or_below_its_apex_alone() {
    let far = "c.b.a.svc.internal";
    for (lines, fine) in [
        (&["c.b.a TXT x"][..], false),
        (&["x.c.b.a TXT x"], false),
        (&["a TXT x", "b.a A 192.0.2.1", "x.b.a TXT x"], true),
        (&["a NS ns.example.com."], true),
        (&["b.a NS ns.c.b.a", "ns.c.b.a A 192.0.2.1"], true),
        (&["*.a TXT x", "*.b.a TXT x"], true),
    ] {
        for way in ways(far) {
            let mut catalog = Catalog::new();
            catalog.make(file(ZONE, lines));
            assert_eq!(catalog.attempt(way.clone()).is_ok(), fine, "{lines:?}");
            let mut catalog = Catalog::new();
            catalog.make(way);
            assert_eq!(catalog.attempt(file(ZONE, lines)).is_ok(), fine, "{lines:?}");
        }
    }
}

#[test]
fn a_zone_above_is_made_by_a_file_that_hides_nothing_below() {
    let mut catalog = Catalog::with_zones(&["svc.internal"]);
    catalog.register("a.web", at("192.0.2.1"));
    let said = message(catalog.attempt(file("internal", &["web.svc TXT x"])));
    assert!(said.contains("svc.internal"), "{said}");
    catalog.make(file("internal", &["svc NS ns.svc", "www A 192.0.2.1"]));
    // A zone called ns below one whose file names other servers.
    let mut catalog = Catalog::with_zones(&["ns.example.org"]);
    message(catalog.attempt(file("example.org", &["www A 192.0.2.1"])));
    catalog.make(file("example.org", &["@ NS ns.example.com."]));
}

#[test]
fn a_service_may_not_be_hidden_by_a_zone_that_a_file_makes() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1"));
    for name in ["web.svc.internal", "x.web.svc.internal", "_tcp.svc.internal"] {
        message(catalog.attempt(file(name, &["@ SOA 1"])));
    }
    catalog.make(file("api.svc.internal", &["@ SOA 1"]));
    let said = message(catalog.attempt(register("a.api", at("192.0.2.1"))));
    assert!(said.contains("zone api.svc.internal"), "{said}");
}
