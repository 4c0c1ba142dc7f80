//! Tiers, order, `answer_limit` and size: which of many records an answer has, on every transport.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::support::dns::{Message, Query, Type, ask, ask_tcp, send_udp_from};
use crate::support::program::{Launch, Program};
use crate::wire::{
    ZONE, accepted, answers, asked, honest, nodata, put, register, register_all, still_answers,
};

/// Octets of an A record whose owner is a pointer.
const A_OCTETS: usize = 16;

fn web() -> String {
    format!("web.{ZONE}")
}

/// `count` instances of `web`, `i0` at 10.0.0.0 and so on, each with what `body` adds.
fn many(program: &Program, count: u32, body: impl Fn(u32) -> Value) {
    let instance = |n: u32| {
        let mut body = body(n);
        if body["address"].is_null() && body["addresses"].is_null() {
            body["address"] = json!(Ipv4Addr::from(0x0a00_0000 + n).to_string());
        }
        (format!("i{n}"), body)
    };
    register_all(program, "web", (0..count).map(instance));
}

#[test]
fn without_edns_a_reply_has_at_most_512_octets_and_as_many_records_as_fit() {
    let program = Program::start();
    honest(&program);
    many(&program, 100, |_| json!({"port": 80}));
    let reply = ask(program.dns, &Query::new(&web(), Type::A));
    assert!(reply.tc() && reply.edns.is_none());
    assert!(
        reply.length <= 512 && reply.length + A_OCTETS > 512,
        "{} octets",
        reply.length
    );
    assert_eq!(reply.answers.len(), 29);
    assert!(
        reply.authorities.is_empty(),
        "what did not fit is no negative answer"
    );
    let reply = ask(program.dns, &Query::new(&web(), Type::SRV));
    assert!(
        reply.tc() && reply.length <= 512 && reply.answers.len() > 8,
        "{reply:?}"
    );
    still_answers(program.dns);
}

#[test]
fn each_size_that_a_client_offers_is_filled_and_kept() {
    let program = Program::start();
    honest(&program);
    many(&program, 100, |_| json!({"port": 80}));
    for offered in (0..=2000)
        .step_by(61)
        .chain([511, 512, 513, 1231, 1232, 1233, 4096, 65_535])
    {
        let bound = usize::from(offered).clamp(512, 1232);
        for rtype in [Type::A, Type::SRV] {
            let reply = ask(program.dns, &Query::new(&web(), rtype).edns(offered));
            assert!(reply.tc(), "{offered}: 100 records do not fit");
            assert!(reply.length <= bound, "{offered}: {} octets", reply.length);
            assert_eq!(
                reply.edns.as_ref().map(|edns| edns.payload),
                Some(1232),
                "{offered}"
            );
            // An SRV record to i99.web.svc.internal has 40 octets. An address of a target may stand where it has no room.
            let octets = if rtype == Type::A { A_OCTETS } else { 40 };
            let without = reply.length - A_OCTETS * reply.additionals.len();
            assert!(
                without + octets > bound,
                "{offered}: room for one more in {without}"
            );
        }
    }
    let program = program
        .kill()
        .start_with(Launch::new().arguments(["--max-udp-payload", "4096"]));
    let reply = ask(program.dns, &Query::new(&web(), Type::A).edns(4096));
    assert_eq!((reply.answers.len(), reply.tc()), (100, false));
    assert_eq!(reply.edns.map(|edns| edns.payload), Some(4096));
    let reply = ask(program.dns, &Query::new(&web(), Type::SRV).edns(4000));
    assert!(
        reply.tc() && reply.length > 3900 && reply.length <= 4000,
        "{}",
        reply.length
    );
    let program = program
        .kill()
        .start_with(Launch::new().arguments(["--max-udp-payload", "512"]));
    let reply = ask(program.dns, &Query::new(&web(), Type::A).edns(4096));
    assert!(reply.tc() && reply.length <= 512);
    still_answers(program.dns);
}

#[test]
fn additionals_go_first_whole_rrsets_at_a_time_and_without_tc() {
    let program = Program::start();
    register(
        &program,
        "web",
        "a",
        json!({"addresses": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"], "port": 80}),
    );
    // Nine more, so that nothing but the answer fits in 512 octets.
    for n in 0..9 {
        let address = format!("192.0.2.{}", 10 + n);
        register(
            &program,
            "web",
            &format!("b{n}"),
            json!({"address": address, "port": 80}),
        );
    }
    let whole = asked(program.dns, &web(), Type::SRV);
    assert_eq!((whole.answers.len(), whole.additionals.len()), (10, 14));
    let mut seen = BTreeSet::new();
    for offered in 512..=1232 {
        let reply = ask(program.dns, &Query::new(&web(), Type::SRV).edns(offered));
        assert_eq!((reply.answers.len(), reply.tc()), (10, false), "{offered}");
        assert!(
            reply.length <= usize::from(offered),
            "{offered}: {}",
            reply.length
        );
        let of_a = |rtype| {
            let additionals = reply.additionals.iter();
            additionals
                .filter(|r| r.rtype == rtype && r.owner.starts_with("a."))
                .count()
        };
        assert!(matches!(of_a(Type::A), 0 | 3), "{offered}: a part of an RRset");
        assert!(matches!(of_a(Type::AAAA), 0 | 2), "{offered}: a part of an RRset");
        seen.insert(reply.additionals.len());
    }
    assert!(seen.contains(&14) && seen.len() > 3, "{seen:?}");
}

#[test]
fn at_most_32_targets_bring_additionals() {
    let program = Program::start();
    many(&program, 60, |_| json!({"port": 80}));
    let reply = ask_tcp(program.dns, &Query::new(&web(), Type::SRV));
    let answered: BTreeSet<_> = reply
        .srv_list()
        .into_iter()
        .take(32)
        .map(|(.., target)| target)
        .collect();
    let owners: BTreeSet<_> = reply
        .additionals
        .iter()
        .map(|record| record.owner.clone())
        .collect();
    assert_eq!(
        (reply.answers.len(), &owners),
        (60, &answered),
        "the first 32 targets"
    );
}

#[test]
fn a_host_name_is_cut_at_the_end_and_a_text_as_a_whole() {
    let program = Program::start();
    let addresses: Vec<String> = (0..64).map(|n| format!("2001:db8::{n:x}")).collect();
    let meta: BTreeMap<String, String> = (0..12).map(|n| (format!("k{n}"), "v".repeat(200))).collect();
    register(
        &program,
        "web",
        "a",
        json!({"addresses": addresses, "meta": meta}),
    );
    let host = format!("a.web.{ZONE}");
    let reply = asked(program.dns, &host, Type::AAAA);
    assert!(reply.tc() && reply.answers.len() > 40);
    let first: Vec<String> = reply.aaaa_list().iter().map(ToString::to_string).collect();
    assert_eq!(first.len(), addresses[..first.len()].len());
    let canonical: Vec<String> = addresses
        .iter()
        .map(|a| a.parse::<IpAddr>().unwrap().to_string())
        .collect();
    assert_eq!(first, canonical[..first.len()], "cut at the end");
    assert_eq!(
        ask_tcp(program.dns, &Query::new(&host, Type::AAAA)).answers.len(),
        64
    );
    let reply = asked(program.dns, &host, Type::TXT);
    assert_eq!(
        (reply.tc(), reply.answers.len(), reply.authorities.len()),
        (true, 0, 0)
    );
    let reply = ask_tcp(program.dns, &Query::new(&host, Type::TXT));
    assert_eq!((reply.tc(), reply.answers.len()), (false, 1));
}

#[test]
fn what_65535_octets_do_not_hold_is_left_out() {
    let program = Program::start();
    honest(&program);
    many(
        &program,
        4096,
        |n| json!({"port": 80, "priority": u32::from(n >= 1000)}),
    );
    // 1,000 instances of the first tier, and of the second as many as fit.
    let reply = ask_tcp(program.dns, &Query::new(&web(), Type::SRV));
    assert!(!reply.tc(), "TC over TCP means nothing");
    assert!(
        reply.length <= 65_535 && reply.length > 65_535 - 50,
        "{}",
        reply.length
    );
    let priorities: Vec<u16> = reply.srv_list().iter().map(|srv| srv.0).collect();
    assert!(priorities.is_sorted() && priorities.iter().filter(|p| **p == 0).count() == 1000);
    assert_eq!(priorities.len(), reply.srv_set().len(), "each once");
    // The same part each time, in another order.
    let again = ask_tcp(program.dns, &Query::new(&web(), Type::SRV));
    assert_eq!(reply.srv_set(), again.srv_set());
    assert_ne!(reply.srv_list(), again.srv_list());
    // The A records of the first tier alone.
    let reply = ask_tcp(program.dns, &Query::new(&web(), Type::A));
    assert_eq!((reply.answers.len(), reply.tc()), (1000, false));
    let too_many = program.client().put(
        "/v1/services/web/instances/one-more",
        &json!({"address": "192.0.2.1"}),
    );
    assert_eq!(too_many.status, 409, "{}", too_many.text());
    still_answers(program.dns);
}

fn from(client: [u8; 4], program: &Program, rtype: Type) -> Message {
    let query = Query::new(&web(), rtype).edns(600);
    Message::parse(&send_udp_from(client.into(), program.dns, &query.bytes())).expect("a well-formed reply")
}

#[test]
fn a_truncated_answer_is_the_same_part_for_a_client_across_restarts() {
    let program = Program::start();
    many(
        &program,
        200,
        |n| json!({"port": 80, "tags": [if n % 2 == 0 { "even" } else { "odd" }]}),
    );
    let windows = |program: &Program| -> Vec<_> {
        (1..=20)
            .map(|n| {
                let a = from([127, 0, 0, n], program, Type::A);
                assert!(a.tc());
                (a.a_set(), from([127, 0, 0, n], program, Type::SRV).srv_set())
            })
            .collect()
    };
    let first = windows(&program);
    assert_eq!(first, windows(&program), "the same at once");
    let different: BTreeSet<_> = first.iter().map(|(a, _)| a.clone()).collect();
    assert!(
        different.len() > 10,
        "clients see different parts, not {} of 20",
        different.len()
    );
    let seen: BTreeSet<_> = first.iter().flat_map(|(a, _)| a).collect();
    assert!(
        seen.len() > 150,
        "together the clients see most of it, not {}",
        seen.len()
    );
    let program = program.kill_and_restart();
    assert_eq!(first, windows(&program), "the same after a restart");
    // One more instance changes each window by one record at most.
    register(
        &program,
        "web",
        "extra",
        json!({"address": "10.9.9.9", "port": 80}),
    );
    for ((before, _), (after, _)) in first.iter().zip(windows(&program)) {
        assert!(
            before.difference(&after).count() <= 1,
            "{before:?} became {after:?}"
        );
    }
    // Within the window the order is drawn anew.
    let orders: BTreeSet<_> = (0..20)
        .map(|_| from([127, 0, 0, 1], &program, Type::A).a_list())
        .collect();
    assert!(orders.len() > 15, "{} orders", orders.len());
}

#[test]
fn the_window_takes_the_lowest_tier_first() {
    let program = Program::start();
    many(
        &program,
        40,
        |n| json!({"port": 80, "priority": if n < 5 { 1 } else { 2 }}),
    );
    for client in 1..=20 {
        let reply = from([127, 0, 0, client], &program, Type::SRV);
        let priorities: Vec<_> = reply.srv_list().iter().map(|srv| srv.0).collect();
        assert!(reply.tc() && priorities.len() > 6);
        assert_eq!(
            priorities.iter().filter(|p| **p == 1).count(),
            5,
            "{priorities:?}"
        );
        assert!(priorities.is_sorted());
    }
}

#[test]
fn addresses_come_from_the_lowest_tier_of_their_family_and_srv_shows_all() {
    let program = Program::start();
    let tier = |id: &str, priority: u16, addresses: Value| {
        let body = json!({"addresses": addresses, "port": 80, "priority": priority});
        register(&program, "web", id, body);
    };
    tier("a", 1, json!(["192.0.2.1"]));
    tier("b", 1, json!(["192.0.2.2"]));
    tier("c", 2, json!(["192.0.2.3", "2001:db8::3"]));
    tier("d", 3, json!(["192.0.2.4", "2001:db8::4"]));
    let data = |rtype| -> Vec<String> {
        let lines = answers(program.dns, &web(), rtype).into_iter();
        lines
            .map(|line| line.rsplit(' ').next().unwrap().to_string())
            .collect()
    };
    assert_eq!(data(Type::A), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(data(Type::AAAA), ["2001:db8::3"]);
    for _ in 0..20 {
        let list = asked(program.dns, &web(), Type::SRV).srv_list();
        assert_eq!(list.iter().map(|srv| srv.0).collect::<Vec<_>>(), [1, 1, 2, 3]);
    }
    for id in ["a", "b", "c"] {
        put(
            &program,
            &format!("web/instances/{id}/health"),
            json!({"status": "critical"}),
        );
    }
    assert_eq!(
        (data(Type::A), data(Type::AAAA)),
        (vec!["192.0.2.4".into()], vec!["2001:db8::4".into()])
    );
    put(&program, "web/instances/b/health", json!({"status": "warning"}));
    assert_eq!(
        (data(Type::A), data(Type::AAAA)),
        (vec!["192.0.2.2".into()], vec!["2001:db8::4".into()])
    );
    register(&program, "v4", "a", json!({"address": "192.0.2.1"}));
    nodata(program.dns, ZONE, &format!("v4.{ZONE}"), Type::AAAA);
}

/// How often each came first in so many answers.
fn firsts(program: &Program, draws: u32, rtype: Type) -> BTreeMap<String, u32> {
    let mut firsts = BTreeMap::new();
    for _ in 0..draws {
        let reply = ask(program.dns, &Query::new(&web(), rtype));
        let first = match rtype {
            Type::A => reply.a_list()[0].to_string(),
            _ => reply.srv_list()[0].3.clone(),
        };
        *firsts.entry(first).or_default() += 1;
    }
    firsts
}

/// Holds a count against the binomial that it should be of, within five standard deviations.
#[track_caller]
fn near(count: u32, draws: u32, share: f64) {
    let (mean, deviation) = (
        f64::from(draws) * share,
        (f64::from(draws) * share * (1.0 - share)).sqrt(),
    );
    let off = (f64::from(count) - mean).abs();
    assert!(
        off <= 5.0 * deviation,
        "{count} of {draws}, where {mean:.0} were to be expected"
    );
}

#[test]
fn the_first_is_drawn_by_weight() {
    let program = Program::start();
    for (id, address, weight) in [
        ("a", "192.0.2.1", 6),
        ("b", "192.0.2.2", 3),
        ("c", "192.0.2.3", 1),
        ("z", "192.0.2.9", 0),
    ] {
        register(
            &program,
            "web",
            id,
            json!({"address": address, "port": 80, "weight": weight}),
        );
    }
    const DRAWS: u32 = 2000;
    let of = |firsts: &BTreeMap<String, u32>, key: &str| firsts.get(key).copied().unwrap_or(0);
    let a = firsts(&program, DRAWS, Type::A);
    let srv = firsts(&program, DRAWS, Type::SRV);
    for (id, address, share) in [
        ("a", "192.0.2.1", 0.6),
        ("b", "192.0.2.2", 0.3),
        ("c", "192.0.2.3", 0.1),
    ] {
        near(of(&a, address), DRAWS, share);
        near(of(&srv, &format!("{id}.web.{ZONE}.")), DRAWS, share);
    }
    assert_eq!(
        (of(&a, "192.0.2.9"), of(&srv, &format!("z.web.{ZONE}."))),
        (0, 0),
        "weight 0 is never first"
    );
    // Instances that share an address add their weights.
    register(
        &program,
        "web",
        "c",
        json!({"address": "192.0.2.2", "port": 80, "weight": 1}),
    );
    near(of(&firsts(&program, DRAWS, Type::A), "192.0.2.2"), DRAWS, 0.4);
    // All of weight 0: each is first as often as another.
    for (id, address) in [("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.3")] {
        register(
            &program,
            "web",
            id,
            json!({"address": address, "port": 80, "weight": 0}),
        );
    }
    for (first, count) in firsts(&program, DRAWS, Type::A) {
        near(count, DRAWS, 0.25);
        assert!(first.starts_with("192.0.2."));
    }
}

#[test]
fn answer_limit_bounds_the_instances_on_every_transport_without_tc() {
    let program = Program::start();
    honest(&program);
    for n in 0..10 {
        let addresses = [
            format!("192.0.2.{n}"),
            format!("192.0.2.{}", 100 + n),
            format!("2001:db8::{n}"),
        ];
        let priority = u32::from(n >= 2);
        let mut body = json!({"addresses": addresses, "ports": {"a": 80, "b": 81}, "priority": priority});
        if n == 5 {
            body["addresses"] = json!(["192.0.2.5"]);
        }
        register(&program, "web", &format!("i{n}"), body);
    }
    let targets =
        |reply: &Message| -> BTreeSet<String> { reply.srv_list().into_iter().map(|srv| srv.3).collect() };
    put(&program, "web", json!({"answer_limit": 1}));
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        for reply in [
            ask(program.dns, &Query::new(&web(), Type::SRV)),
            ask_tcp(program.dns, &Query::new(&web(), Type::SRV)),
        ] {
            assert_eq!(
                (targets(&reply).len(), reply.answers.len(), reply.tc()),
                (1, 2, false)
            );
            seen.extend(targets(&reply));
        }
        let reply = ask(program.dns, &Query::new(&web(), Type::A));
        assert_eq!(
            (reply.answers.len(), reply.tc()),
            (2, false),
            "one instance has two addresses"
        );
    }
    let first_tier: BTreeSet<_> = (0..2).map(|n| format!("i{n}.web.{ZONE}.")).collect();
    assert_eq!(seen, first_tier, "of the lowest tier, each in its turn");
    // Filled tier by tier.
    accepted(
        program
            .client()
            .put(&format!("/v1/zones/{ZONE}"), &json!({"answer_limit": 4})),
    );
    put(&program, "web", json!({}));
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let reply = ask(
            program.dns,
            &Query::new(&format!("_a._tcp.web.{ZONE}"), Type::SRV),
        );
        let targets = targets(&reply);
        assert_eq!((targets.len(), reply.tc()), (4, false));
        assert!(targets.is_superset(&first_tier));
        seen.extend(targets);
    }
    assert_eq!(seen.len(), 10, "each is drawn some time");
    // 0 is all, and the service beats the zone.
    put(&program, "web", json!({"answer_limit": 0}));
    assert_eq!(
        ask_tcp(program.dns, &Query::new(&web(), Type::SRV)).answers.len(),
        20
    );
    // More than there are.
    put(&program, "web", json!({"answer_limit": 1000}));
    assert_eq!(
        ask_tcp(program.dns, &Query::new(&web(), Type::SRV)).answers.len(),
        20
    );
    // A host name is one instance and is not limited.
    put(&program, "web", json!({"answer_limit": 1}));
    assert_eq!(answers(program.dns, &format!("i0.web.{ZONE}"), Type::A).len(), 2);
    still_answers(program.dns);
}

#[test]
fn an_answer_limit_draws_by_weight_and_may_still_be_too_large_for_udp() {
    let program = Program::start();
    many(&program, 100, |_| json!({"port": 80}));
    put(&program, "web", json!({"answer_limit": 50}));
    let reply = ask(program.dns, &Query::new(&web(), Type::A));
    assert!(reply.tc(), "50 records do not fit in 512 octets");
    assert_eq!(reply.answers.len(), 29);
    assert_eq!(
        ask_tcp(program.dns, &Query::new(&web(), Type::A)).answers.len(),
        50
    );

    let program = Program::start();
    for (id, address, weight) in [("a", "192.0.2.1", 3), ("b", "192.0.2.2", 1)] {
        register(
            &program,
            "web",
            id,
            json!({"address": address, "port": 80, "weight": weight}),
        );
    }
    put(&program, "web", json!({"answer_limit": 1}));
    let drawn = firsts(&program, 1000, Type::A);
    near(drawn["192.0.2.1"], 1000, 0.75);
    near(drawn["192.0.2.2"], 1000, 0.25);
}
