//! The tests that RFC 8906 §8 lists, each a case of its own, as its `dig` commands send them.

use crate::support::dns::{Query, Type, rcode};

use super::case::{Case, Reply, answer, case, nodata, q, told};
use super::names::{SOA, SOA_ANSWER};

fn soa() -> Query {
    q("~", Type::SOA)
}

fn soa_answer() -> Reply {
    answer(&[SOA_ANSWER])
}

pub(super) fn cases() -> Vec<Case> {
    let test = |source, query, wanted: Reply| case("h.8906", source, query, wanted);
    let badvers = || told(rcode::BADVERS);
    let edns = || soa().edns(4096);
    vec![
        test(
            "RFC 8906 §8.1.1: is the server configured for the zone",
            soa(),
            soa_answer(),
        ),
        test("RFC 8906 §8.1.2: unknown types", q("~", Type(1000)), nodata(SOA)),
        test("RFC 8906 §8.1.3.1: CD=1", soa().checking_disabled(), soa_answer()),
        test("RFC 8906 §8.1.3.2: AD=1", soa().authentic_data(), soa_answer()),
        test("RFC 8906 §8.1.3.3: the reserved bit", soa().z(), soa_answer()),
        test("RFC 8906 §8.1.3.4: RD=1", soa().recursion_desired(), soa_answer()),
        test(
            "RFC 8906 §8.1.4: an unknown opcode, the header alone",
            Query::empty().opcode(15),
            told(rcode::NOTIMP).unasked(),
        ),
        test("RFC 8906 §8.1.5: TCP", soa(), soa_answer()).tcp(),
        test("RFC 8906 §8.2.1: minimal EDNS", edns(), soa_answer()),
        test(
            "RFC 8906 §8.2.2: EDNS version 1",
            edns().edns_version(1),
            badvers(),
        ),
        test(
            "RFC 8906 §8.2.3: an unknown option",
            edns().option(100, b""),
            soa_answer(),
        ),
        test(
            "RFC 8906 §8.2.4: an unknown flag",
            edns().edns_flags(0x0040),
            soa_answer(),
        ),
        test(
            "RFC 8906 §8.2.5: version 1 with an unknown flag",
            edns().edns_version(1).edns_flags(0x0040),
            badvers(),
        ),
        test(
            "RFC 8906 §8.2.6: version 1 with an unknown option",
            edns().edns_version(1).option(100, b""),
            badvers(),
        ),
        // There is no key to be truncated: what §8.2.7 looks at is that a cut reply still has its OPT, as
        // `sizes` shows; here that DNSKEY with DO and 512 octets is answered in order.
        test(
            "RFC 8906 §8.2.7: a truncated response",
            q("~", Type::DNSKEY).edns(512).dnssec_ok(),
            nodata(SOA),
        ),
        test("RFC 8906 §8.2.8: DO=1", edns().dnssec_ok(), soa_answer()),
        test(
            "RFC 8906 §8.2.9: version 1 with DO=1",
            edns().edns_version(1).dnssec_ok(),
            badvers(),
        ),
        test(
            "RFC 8906 §8.2.10: several defined options",
            edns()
                .option(10, &[7; 8])
                .option(3, b"")
                .option(9, b"")
                .option(8, b"\0\x01\0\0"),
            soa_answer(),
        ),
    ]
}
