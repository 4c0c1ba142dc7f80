//! PTR for the addresses of instances, in reverse zones of ours.

use crate::support::dns::{Type, rcode};

use super::case::{Case, answer, case, nodata, nxdomain, q, qe, told};

const SOA: &str =
    "2.0.192.in-addr.arpa. 1 SOA ns.2.0.192.in-addr.arpa. hostmaster.2.0.192.in-addr.arpa. * 60 15 604800 1";
const SOA_6: &str = "8.b.d.0.1.0.0.2.ip6.arpa. 1 SOA ns.8.b.d.0.1.0.0.2.ip6.arpa. \
    hostmaster.8.b.d.0.1.0.0.2.ip6.arpa. * 60 15 604800 1";
/// 2001:db8::11.
const ADDRESS_6: &str = "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";

pub(super) fn cases() -> Vec<Case> {
    let held = |name: &str, rtype, wanted| case("static.reverse", "RFC 1035 §3.5", qe(name, rtype), wanted);
    let v4 = |last: u8| format!("{last}.2.0.192.in-addr.arpa.");
    let ptr = |owner: &str, host: &str| format!("{owner} 30 PTR {host}");
    let one = |last: u8, host: &str| held(&v4(last), Type::PTR, answer(&[&ptr(&v4(last), host)]));
    vec![
        // Two instances share an address: two names.
        held(&v4(11), Type::PTR, {
            answer(&[&ptr(&v4(11), "web-1.web.~"), &ptr(&v4(11), "t.twin.~")])
        }),
        one(12, "web-2.web.~"),
        // A host name stays whatever its instance's state is.
        one(13, "web-3.web.~"),
        one(14, "web-4.web.~"),
        one(99, "honest-1.honest.~"),
        held(&v4(44), Type::PTR, nxdomain(SOA)),
        held(&v4(200), Type::PTR, nxdomain(SOA)),
        held(&v4(11), Type::A, nodata(SOA)),
        held("x.11.2.0.192.in-addr.arpa.", Type::PTR, nxdomain(SOA)),
        held("2.0.192.in-addr.arpa.", Type::PTR, nodata(SOA)),
        held("2.0.192.in-addr.arpa.", Type::NS, {
            answer(&["2.0.192.in-addr.arpa. 30 NS ns.2.0.192.in-addr.arpa."])
                .additional(&["ns.2.0.192.in-addr.arpa. 30 A 127.0.0.1"])
        }),
        case(
            "static.reverse",
            "RFC 4343 §3",
            q("12.2.0.192.IN-ADDR.arpa.", Type::PTR),
            answer(&["12.2.0.192.IN-ADDR.arpa. 30 PTR web-2.web.~"]),
        ),
        // No zone of ours.
        held("1.100.51.198.in-addr.arpa.", Type::PTR, told(rcode::REFUSED)),
        // RFC 3596 §2.5.
        held(ADDRESS_6, Type::PTR, answer(&[&ptr(ADDRESS_6, "web-1.web.~")])),
        held(&ADDRESS_6[2..], Type::PTR, nodata(SOA_6)),
        held(&ADDRESS_6[20..], Type::PTR, nodata(SOA_6)),
        held(&format!("2{}", &ADDRESS_6[1..]), Type::PTR, nxdomain(SOA_6)),
        held("f.8.b.d.0.1.0.0.2.ip6.arpa.", Type::PTR, nxdomain(SOA_6)),
    ]
}
