//! Static records in messages of every size: what fits is whole, what does not is said, and no pointer leads astray.

use super::statics::with_file;
use super::wire::*;
use crate::catalog::tests::fixture::*;

fn many(count: usize, line: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(line).collect()
}

/// A zone in which everything is too large for something.
fn large() -> Catalog {
    let mut lines = vec![
        "alias CNAME mail".to_owned(),
        "deep CNAME www.old".to_owned(),
        "old DNAME new".to_owned(),
        "www.new CNAME texts".to_owned(),
        "refer CNAME x.sub".to_owned(),
        "lost CNAME nothing.at.all".to_owned(),
    ];
    lines.extend(many(12, |at| format!("mail MX {at} host-{at}.Somewhere.Else")));
    lines.extend(many(12, |at| format!("host-{at}.somewhere.else A 192.0.2.{at}")));
    lines.extend(many(24, |at| {
        format!("host-{}.somewhere.else AAAA 2001:db8::{at}", at % 12)
    }));
    lines.extend(many(9, |at| format!("texts TXT {at}{}", "x".repeat(100))));
    lines.extend(many(13, |at| format!("sub NS ns-{at}.sub")));
    lines.extend(many(13, |at| format!("ns-{at}.sub A 192.0.2.{at}")));
    lines.extend(many(13, |at| format!("ns-{at}.sub AAAA 2001:db8::{at}")));
    lines.extend(many(20, |at| {
        format!("_x._tcp SRV 0 {at} 1 host-{}.somewhere.else", at % 12)
    }));
    lines.extend(many(9, |at| format!("@ NS server-{at}.elsewhere")));
    lines.extend(many(9, |at| format!("server-{at}.elsewhere AAAA 2001:db8::{at}")));
    lines.extend(many(30, |at| {
        format!("ptr PTR host-{at}.A-Name-That-Is-Rather-Long.example.com.")
    }));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut catalog = with_file(&lines);
    catalog.register("web-1.web", at("192.0.2.7 2001:db8::7").ports("http 80"));
    catalog
}

const QUESTIONS: [(&str, u16); 16] = [
    ("mail", MX),
    ("alias", MX),
    ("alias", A),
    ("deep", TXT),
    ("deep", A),
    ("refer", A),
    ("sub", A),
    ("sub", DS),
    ("lost", A),
    ("texts", TXT),
    ("_x._tcp", SRV),
    ("", NS),
    ("ptr", PTR),
    ("texts", ANY),
    ("nothing", A),
    ("a.b.c.d.old", A),
];

#[test]
fn at_every_size_what_is_there_is_right_and_what_is_missing_is_said() {
    let catalog = large();
    for (name, qtype) in QUESTIONS {
        let whole = Resolver::of(&catalog).ask(name, qtype);
        assert!(!whole.tc, "{name} {qtype}");
        for size in (512..=1232)
            .step_by(3)
            .chain([1232, 4096])
            .map(Some)
            .chain([None])
        {
            let mut resolver = Resolver::of(&catalog).udp(size);
            resolver.payload_max = 4096;
            let reply = resolver.ask(name, qtype);
            let what = format!("{name} {qtype} {size:?}");
            assert_eq!((reply.rcode, reply.aa), (whole.rcode, whole.aa), "{what}");
            let sections = |of: &Reply| [of.answer.clone(), of.authority.clone(), of.additional.clone()];
            let (got, wanted) = (sections(&reply), sections(&whole));
            for (got, wanted) in got.iter().zip(&wanted) {
                assert!(got.iter().all(|one| wanted.contains(one)), "{what}: {got:#?}");
            }
            if !reply.tc {
                assert_eq!((&got[0], &got[1]), (&wanted[0], &wanted[1]), "{what}");
            } else {
                let is_short = got != wanted;
                assert!(is_short, "{what}: TC though everything is there");
            }
            // Additional records come as whole RRsets (RFC 2181 §5).
            for one in &got[2] {
                let of = |records: &[Got]| {
                    let same = |other: &&Got| (&other.owner, other.rtype) == (&one.owner, one.rtype);
                    records.iter().filter(same).count()
                };
                assert_eq!(
                    of(&got[2]),
                    of(&wanted[2]),
                    "{what}: half an RRset of {}",
                    one.owner
                );
            }
            // Glue below the cut must be there, or TC says that it is not (RFC 9471).
            if matches!(name, "sub" | "refer") && qtype == A && got[2].len() < wanted[2].len() {
                assert!(reply.tc, "{what}");
            }
            // Other additional records go without a word.
            if matches!(name, "mail" | "_x._tcp") && got[0] == wanted[0] {
                assert!(!reply.tc, "{what}");
            }
        }
    }
}

#[test]
fn names_past_the_reach_of_a_pointer_are_written_out() {
    // Above 16,383 octets of answer; each target is a name that the next could have pointed at.
    let mut lines = many(900, |at| format!("@ MX {at} host-{at}.branch-{}.Tree", at / 3));
    lines.extend(many(900, |at| {
        format!("host-{at}.branch-{}.tree A 192.0.2.1", at / 3)
    }));
    lines.extend(many(400, |at| {
        format!("p PTR name-{at}.{}.example.com.", "x".repeat(50))
    }));
    lines.push("alias CNAME p".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut resolver = Resolver::of(&with_file(&lines));
    let reply = resolver.ask("", MX);
    assert!(reply.octets.len() > 20_000);
    assert_eq!(reply.answer.len(), 900);
    assert_eq!(reply.additional.len(), 32);
    let reply = resolver.ask("alias", PTR);
    assert_eq!(reply.answer.len(), 401);
}

#[test]
fn more_than_a_message_of_tcp_holds_is_cut_without_tc_and_counted() {
    let lines = many(1000, |at| format!("t TXT {at}-{}", "x".repeat(150)));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut resolver = Resolver::of(&with_file(&lines));
    let before = resolver.scratch.left_out;
    let reply = resolver.ask("t", TXT);
    assert!(!reply.tc && reply.answer.len() > 300 && reply.authority.is_empty());
    assert_eq!(resolver.scratch.left_out, before + 1);
}

#[test]
fn names_of_255_octets_are_answered() {
    // 3 × 64 + 46 + 1 + 4 + 9 = 255 with the apex.
    let label = "x".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(255 - 3 * 64 - 14 - 1));
    let lines = [
        format!("{longest} A 192.0.2.1"),
        format!("{longest} MX 10 {longest}"),
        format!("alias CNAME {longest}"),
        format!("*.{label}.{label} TXT wild"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut resolver = Resolver::of(&with_file(&lines));
    assert_eq!(resolver.ask(&longest, A).words(), ["192.0.2.1"]);
    assert_eq!(resolver.ask(&longest, MX).additional.len(), 1);
    assert_eq!(resolver.ask("alias", A).answer.len(), 2);
    let many_labels = format!("{}{label}.{label}", "a.".repeat((255 - 2 * 64 - 14) / 2));
    assert_eq!(resolver.ask(&many_labels, TXT).words(), ["wild"]);
    // 127 labels.
    let most = "a.".repeat(125);
    assert!(
        resolver
            .ask(most.trim_end_matches('.').get(..239).unwrap(), A)
            .is_nxdomain()
    );
}
