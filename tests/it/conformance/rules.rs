//! What an authoritative server for service discovery owes, rule by rule; each case of the tables names one of them.
//!
//! The part before the dot is the group: a letter of the reference, or `gate`, `static`, `tcp`.

/// The rules by id.
pub(super) const RULES: &[(&str, &str)] = &[
    // a: existence.
    (
        "a.existence",
        "NXDOMAIN only if neither the name nor anything below it exists",
    ),
    (
        "a.levels",
        "apex, `_tcp`, service and tag levels exist and are NODATA for what they lack",
    ),
    ("a.soa", "a negative answer has the zone's SOA in Authority"),
    (
        "a.negative-ttl",
        "whose TTL is the lesser of MINIMUM and the SOA's own TTL",
    ),
    ("a.aa", "AA is set on answers, NODATA and NXDOMAIN"),
    (
        "a.serial",
        "the serial moves with each change of an RRset, and at no other time",
    ),
    // b: RRsets.
    ("b.ttl", "an RRset has one TTL"),
    ("b.once", "an RRset has each record once"),
    ("b.alone", "a CNAME stands alone at its name"),
    ("b.target", "the target of SRV and NS is no alias"),
    ("b.chase", "a CNAME in the zone is followed"),
    (
        "b.no-wildcard",
        "nothing is synthesized where the zone has no wildcard",
    ),
    // c: names.
    (
        "c.case",
        "names are matched without regard to case, and the question is echoed as it came",
    ),
    (
        "c.owner",
        "an owner that is the question's name is a pointer to it",
    ),
    ("c.octets", "a label holds any octets"),
    (
        "c.limits",
        "labels of 63 and names of 255 octets are names like any other",
    ),
    // d: SRV.
    ("d.order", "lower priority first, all tiers shown"),
    ("d.weight", "the first of a tier is drawn by weight"),
    ("d.root", "no target `.` for what is unhealthy"),
    ("d.additional", "A and AAAA of the targets in Additional"),
    ("d.bailiwick", "of targets in our zones alone"),
    ("d.resolves", "targets resolve on their own and stay"),
    // e: EDNS.
    (
        "e.iff",
        "OPT in the reply if and only if in the query, on errors and truncated replies too",
    ),
    ("e.two", "more than one OPT is a format error"),
    ("e.small", "a size below 512 counts as 512"),
    ("e.version", "a version above 0 is BADVERS without an answer"),
    (
        "e.unknown",
        "unknown options and flags are passed over, DO alone is echoed",
    ),
    ("e.size", "our size is 1232"),
    // f: size.
    ("f.512", "without OPT at most 512 octets"),
    (
        "f.1232",
        "with OPT at most the lesser of the client's size and 1232",
    ),
    ("f.whole", "no IP fragments"),
    ("f.additional", "Additional that does not fit sets no TC"),
    ("f.glue", "glue of a referral that does not fit sets TC"),
    ("f.tc", "an answer that does not fit sets TC"),
    ("f.fits", "and keeps the records that fit"),
    // g: TCP.
    ("g.same", "TCP gives the same answers, whole"),
    ("g.pipelining", "queries may be pipelined"),
    ("g.one-write", "length and message leave in one write"),
    ("g.idle", "idle connections end"),
    ("g.crowd", "one address has a bound of connections"),
    (
        "g.keepalive",
        "the keepalive option is answered or passed over, and passed over on UDP",
    ),
    ("g.64k", "what 65535 octets do not hold is left out, without TC"),
    // h: header.
    ("h.many", "more than one question is a format error"),
    ("h.none", "no question is a format error"),
    ("h.opcode", "another opcode is NOTIMP, and echoed"),
    ("h.reply", "a reply is not answered"),
    ("h.flags", "RA, AD and Z are 0, RD is copied, CD is copied or 0"),
    (
        "h.outside",
        "a name that is not ours is REFUSED with extended error 20",
    ),
    ("h.loading", "nothing is denied while the data are loaded"),
    ("h.any", "ANY is one RRset"),
    ("h.chaos", "class CHAOS tells who the server is, or is REFUSED"),
    ("h.class", "other classes are REFUSED"),
    ("h.nsid", "NSID is answered or passed over"),
    ("h.opt-type", "OPT as a question is a format error"),
    (
        "h.meta",
        "TKEY, TSIG, MAILA, MAILB and the other meta types are NOTIMP",
    ),
    ("h.address", "the reply comes from the address that was asked"),
    ("h.port-0", "source port 0 and our own replies are not answered"),
    ("h.8906", "the tests of RFC 8906 §8"),
    // j, k, l: what is not served yet.
    ("j.cookie", "a cookie is passed over until cookies are served"),
    ("k.update", "UPDATE is NOTIMP until it is served"),
    ("k.class", "in a class that is not ours, REFUSED"),
    ("k.tsig", "a signature that is not understood is NOTAUTH"),
    ("l.axfr", "AXFR without leave is REFUSED"),
    (
        "l.ixfr",
        "IXFR likewise, with the client's SOA in Authority or without",
    ),
    ("l.notify", "NOTIFY is NOTIMP until it is served"),
    // m: SVCB and HTTPS.
    ("m.nodata", "SVCB and HTTPS are NODATA where nobody wrote them"),
    ("m.served", "and served as they were written, keys in order"),
    ("m.additional", "with the addresses of their targets"),
    // n: DNS-SD.
    ("n.ptr", "PTR from the service type to its instances"),
    (
        "n.instance",
        "SRV and TXT at the instance's name, TXT never empty",
    ),
    ("n.types", "the types are listed, and the browsing domain"),
    (
        "n.additional",
        "PTR brings SRV, TXT and addresses, SRV brings addresses",
    ),
    ("n.beside", "PTR and SRV at one name keep apart"),
    (
        "n.long",
        "a name over 15 octets is no type, an instance's label has at most 63",
    ),
    // o: TTL.
    ("o.default", "5 s unless it is set"),
    ("o.zero", "0 is a TTL"),
    ("o.max", "2^31-1 is one, and there is none above"),
    ("o.steady", "a TTL is what was set, each time it is asked"),
    // p: the rest.
    ("p.ede", "extended errors have a short text"),
    ("p.ecs", "a client subnet has scope 0 or is passed over"),
    ("p.unsigned", "DO changes nothing and AD is never set"),
    ("p.ns", "the NS of the apex resolves in the zone"),
    ("p.apex", "SOA and NS at the apex alone"),
    // The gate.
    ("gate.short", "less than a header is not answered"),
    ("gate.reply", "QR=1 is not answered, whatever else is wrong"),
    (
        "gate.opcode",
        "the opcode is judged next, after the class where it could be acted on",
    ),
    ("gate.qdcount", "QDCOUNT other than 1 is a format error"),
    ("gate.stray", "so are stray records in any section"),
    (
        "gate.name",
        "and a name with a pointer, an odd label, an overrun or over 255 octets",
    ),
    ("gate.echo", "the question is echoed byte for byte"),
    ("gate.class", "other classes are REFUSED without data"),
    ("gate.opt", "a malformed OPT is a format error"),
    ("gate.tsig", "a signature is NOTAUTH without data"),
    ("gate.opt-out", "each refusal has OPT if the query had one"),
    // Static zone data.
    (
        "static.apex",
        "SOA, timers and NS are what the file says, and the defaults where it is silent",
    ),
    ("static.wildcard", "wildcards by RFC 4592"),
    (
        "static.blocked",
        "existing names and empty non-terminals block them, names of services too",
    ),
    (
        "static.cname",
        "CNAME chains are followed through services and zones",
    ),
    (
        "static.end",
        "and the rcode and SOA at their end are the answer's",
    ),
    ("static.bound", "chains end after 8 steps, loops too"),
    (
        "static.dname",
        "DNAME brings the synthesized CNAME, YXDOMAIN where it would be too long",
    ),
    (
        "static.referral",
        "a delegation is answered with AA=0, NS and glue",
    ),
    ("static.ds", "DS at a cut is answered by the parent"),
    ("static.ent", "an empty non-terminal is NODATA"),
    ("static.octets", "binary and escaped labels"),
    ("static.txt", "strings of TXT are kept apart"),
    ("static.unknown", "unknown types are served as octets"),
    ("static.wrong", "a wrong file is refused with file and line"),
    ("static.include", "$INCLUDE is refused"),
    ("static.any", "ANY is one RRset"),
    ("static.transfer", "AXFR and IXFR without leave are REFUSED"),
    (
        "static.additional",
        "MX, NS and SRV bring the addresses of their targets",
    ),
    ("static.beside", "services stand beside static records"),
    (
        "static.reverse",
        "PTR for the addresses of instances in a reverse zone",
    ),
    // TCP.
    ("tcp.two", "two queries in one segment"),
    ("tcp.bytes", "a query byte by byte"),
    ("tcp.hundred", "100 pipelined"),
    ("tcp.half-close", "half-close"),
    ("tcp.zero", "a length of zero"),
    ("tcp.long", "a length longer than what follows"),
    ("tcp.pause", "reuse after a pause"),
    ("tcp.reset", "a reset"),
    ("tcp.crowd", "idle connections keep nobody out"),
    ("tcp.descriptors", "running out of descriptors does not spin"),
];

/// Rules that need more than a question and its answer: the tests that hold them.
pub(super) const HELD_ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "a.serial",
        &[
            "dns_names::the_serial_moves_with_each_change_of_an_rrset_and_never_else",
            "catalog::tests::serials::a_serial_wraps",
        ],
    ),
    ("d.weight", &["dns_sizes::the_first_is_drawn_by_weight"]),
    (
        "d.order",
        &["dns_sizes::addresses_come_from_the_lowest_tier_of_their_family_and_srv_shows_all"],
    ),
    (
        "f.fits",
        &[
            "dns_sizes::each_size_that_a_client_offers_is_filled_and_kept",
            "dns_sizes::a_truncated_answer_is_the_same_part_for_a_client_across_restarts",
        ],
    ),
    (
        "f.additional",
        &["dns_sizes::additionals_go_first_whole_rrsets_at_a_time_and_without_tc"],
    ),
    ("g.idle", &["dns::tests::idle_and_half_asked_connections_end"]),
    (
        "g.crowd",
        &["dns::connections::tests::a_full_client_makes_room_for_itself_only"],
    ),
    (
        "h.address",
        &[
            "dns_transport::wildcards_answer_from_the_address_that_was_asked",
            "dns::tests::replies_leave_from_the_address_that_was_asked",
        ],
    ),
    ("h.meta", &["dns_gate::meta_types_and_transfers_are_told_so"]),
    ("gate.short", &["dns_gate::what_is_no_query_is_not_answered"]),
    (
        "tcp.hundred",
        &["dns_transport::a_hundred_pipelined_queries_are_each_answered_once"],
    ),
    (
        "tcp.zero",
        &["dns::tests::a_length_of_zero_closes_after_what_came_before_it"],
    ),
    (
        "tcp.long",
        &["dns_transport::lengths_that_lie_end_the_connection_and_nothing_else"],
    ),
    (
        "tcp.pause",
        &["dns_transport::byte_by_byte_and_after_a_pause_is_a_query_too"],
    ),
    (
        "tcp.reset",
        &[
            "dns::tests::a_reset_harms_nobody_else",
            "dns_transport::lengths_that_lie_end_the_connection_and_nothing_else",
        ],
    ),
    (
        "tcp.crowd",
        &[
            "dns_transport::idle_connections_keep_nobody_out",
            "dns::tests::the_oldest_idle_connection_makes_room",
        ],
    ),
    (
        "tcp.descriptors",
        &["dns::tests::running_out_of_descriptors_shuts_nobody_out_and_spins_nothing"],
    ),
];

/// Rules that no test holds, and why.
pub(super) const NOT_HELD: &[(&str, &str)] = &[
    (
        "f.whole",
        "whether DF is set is seen on the wire only, which takes the right to capture",
    ),
    (
        "g.one-write",
        "loopback joins segments, so that one write and two look alike",
    ),
    (
        "h.loading",
        "the sockets are bound after the data are loaded: there is nothing to ask before",
    ),
    (
        "h.port-0",
        "no socket sends from port 0; that takes the right to write IP headers",
    ),
];
