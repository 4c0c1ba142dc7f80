//! What a zone publishes from its file, and what would be hidden, slowly and from the rules alone: nothing here calls
//! what it is held against.

use std::collections::{BTreeMap, BTreeSet};

use super::oracle::{self, Table};
use super::static_records::Line;
use crate::catalog::*;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const DNAME: u16 = 39;
const DS: u16 = 43;

/// TTL and data by owner and type; the SOA without its serial.
pub(crate) type Sets = BTreeMap<(String, u16), (u32, BTreeSet<Vec<u8>>)>;

/// Whether `name` is strictly below `above`.
pub(crate) fn is_below(name: &str, above: &str) -> bool {
    name.len() > above.len() && name.ends_with(above) && name.as_bytes()[name.len() - above.len() - 1] == b'.'
}

/// What a file of these lines publishes in the zone `apex`; the fixture writes no names in upper case.
pub(crate) fn published(apex: &str, lines: &[Line]) -> Sets {
    let has = |owner: &str, rtype: u16| {
        lines
            .iter()
            .any(|line| line.owner == owner && line.rtype == rtype)
    };
    // Of a name that hides another, hidden ones do not count: what is below two of them is below the upper.
    let hidden_by = |name: &str, rtype: u16| {
        lines.iter().any(|line| {
            line.rtype == rtype
                && is_below(name, &line.owner)
                && !has(&line.owner, CNAME)
                && (rtype == DNAME || line.owner != apex)
        })
    };
    let mut sets = Sets::new();
    for line in lines {
        let Line {
            owner,
            rtype,
            ttl,
            data,
        } = line;
        let is_inside = owner == apex || is_below(owner, apex);
        let is_cut = owner != apex && has(owner, NS) && !has(owner, CNAME);
        let stays = is_inside
            && !hidden_by(owner, DNAME)
            && (!hidden_by(owner, NS) || matches!(*rtype, A | AAAA))
            && (!has(owner, CNAME) || *rtype == CNAME || hidden_by(owner, NS))
            && (!is_cut || matches!(*rtype, NS | DS | A | AAAA));
        if !stays {
            continue;
        }
        let mut data = data.clone();
        if *rtype == SOA {
            let at = data.len() - 20;
            data.drain(at..at + 4);
        }
        let set = sets
            .entry((owner.clone(), *rtype))
            .or_insert((*ttl, BTreeSet::new()));
        set.0 = set.0.min(*ttl);
        set.1.insert(data);
    }
    sets
}

/// What the zone publishes as a whole, for the serial: of the file, and of everything else where the file does not
/// say otherwise.
pub(crate) fn whole(state: &State, zone: &Zone, lines: &[Line]) -> BTreeMap<(String, u16), String> {
    let apex = zone.name.to_string();
    let of_file = published(&apex, lines);
    let name_server = format!("ns.{apex}");
    let has = |owner: &str, rtype: u16| of_file.contains_key(&(owner.to_owned(), rtype));
    let is_default = !has(&apex, NS) && ![A, AAAA, CNAME, NS].iter().any(|rtype| has(&name_server, *rtype));
    let mut all: BTreeMap<(String, u16), String> = of_file
        .iter()
        .map(|(key, set)| (key.clone(), format!("{set:?}")))
        .collect();
    for (key, set) in oracle::rrsets(&oracle::table(state, zone)) {
        let (owner, rtype) = (&key.0, key.1);
        let is_replaced =
            (*owner == apex && has(&apex, rtype) && rtype != PTR) || (*owner == name_server && !is_default);
        // An address of instances is another's below a delegation, below a DNAME, and where the file has an alias.
        let is_address = rtype == PTR && owner.ends_with(".arpa") && !owner.starts_with(['_', 'b']);
        let is_hidden = is_address
            && of_file.keys().any(|(above, rtype)| match *rtype {
                CNAME => above == owner,
                NS => *above != apex && (above == owner || is_below(owner, above)),
                DNAME => above == owner || is_below(owner, above),
                _ => false,
            });
        if is_hidden || is_replaced {
            continue;
        }
        // Of both there is one RRset.
        let beside = all
            .get(&key)
            .filter(|_| rtype == PTR)
            .cloned()
            .unwrap_or_default();
        all.insert(key, format!("{set:?}{beside}"));
    }
    all
}

/// Names that services are known by, with whether each is a host's.
fn names_of_services(state: &State, zone: &Zone) -> Vec<(String, bool)> {
    let apex = zone.name.to_string();
    let bare = Zone {
        base: Base::default(),
        ..zone.clone()
    };
    let table: Table = oracle::table(&State::default(), &bare);
    let is_host = |name: &str| {
        state.zones[&zone.name].services.iter().any(|service| {
            let host = |instance: &Instance| format!("{}.{}.{apex}", instance.id, service.name);
            service.instances.iter().any(|instance| host(instance) == name)
        })
    };
    // What browsing finds is judged by itself; `_web._tcp` is the service's too.
    let is_browsed = |name: &str| {
        let below = name.strip_suffix(&format!(".{apex}")).unwrap_or_default();
        let labels: Vec<&str> = below.split('.').collect();
        let Some(protocol) = labels.last().and_then(|last| last.strip_prefix('_')) else {
            return false;
        };
        let is_services = labels.len() == 2
            && zone.services.iter().any(|service| {
                let known = service.known_names();
                labels[0] == format!("_{}", service.name)
                    && known
                        .iter()
                        .any(|name| matches!(name, KnownName::Port(_, of) if of.to_string() == protocol))
            });
        ["tcp", "udp", "sctp"].contains(&protocol) && labels.len() > 1 && !is_services
    };
    table
        .into_keys()
        .filter(|name| *name != apex && *name != format!("ns.{apex}") && !is_browsed(name))
        // What exists only because of a name below it has no records to hide.
        .filter(|name| {
            !["_tcp.", "_udp.", "_sctp."]
                .iter()
                .any(|protocol| name.starts_with(protocol))
        })
        .map(|name| (name.clone(), is_host(&name)))
        .collect()
}

/// Whether the file of these lines and the services of `zone` would hide each other's names.
pub(crate) fn hides(state: &State, zone: &Zone, lines: &[Line]) -> bool {
    let apex = zone.name.to_string();
    let sets = published(&apex, lines);
    let names = names_of_services(state, zone);
    let leads_away = names.iter().any(|(name, _)| {
        sets.keys().any(|(owner, rtype)| {
            (*rtype == DNAME && is_below(name, owner))
                || (*rtype == NS && *owner != apex && (name == owner || is_below(name, owner)))
        })
    });
    let doubles = names.iter().any(|(name, is_host)| {
        let own = [A, AAAA, SRV, CNAME, DNAME, NS, DS];
        sets.keys()
            .any(|(owner, rtype)| owner == name && (own.contains(rtype) || (*is_host && *rtype == TXT)))
    });
    // Where DNS-SD lists instances (RFC 6763 §4.1), for service types of at most 15 octets.
    let lists = zone.services.iter().flat_map(|service| {
        let known: Vec<_> = service.known_names().into_iter().collect();
        known.into_iter().filter_map(|name| match name {
            KnownName::Port(port, protocol) => {
                let of_type = if port.is_main() {
                    service.name.as_str()
                } else {
                    port.as_str()
                };
                (of_type.len() <= 15).then(|| format!("_{of_type}._{protocol}.{apex}"))
            }
            _ => None,
        })
    });
    let lists: Vec<String> = lists.collect();
    let doubles_list = lists.iter().any(|list| {
        sets.keys()
            .any(|(owner, rtype)| owner == list && [PTR, CNAME, DNAME, NS, DS].contains(rtype))
            || sets.keys().any(|(owner, rtype)| {
                (*rtype == DNAME && is_below(list, owner))
                    || (*rtype == NS && *owner != apex && is_below(list, owner))
            })
    });
    leads_away || doubles || doubles_list
}

/// Whether a zone at `lower` would hide names that the file of `upper` publishes there.
pub(crate) fn hides_names_of(lower: &str, upper: &str, lines: &[Line]) -> bool {
    let sets = published(upper, lines);
    let is_delegated = sets
        .keys()
        .any(|(owner, rtype)| *rtype == NS && owner != upper && (owner == lower || is_below(lower, owner)));
    !is_delegated
        && sets
            .keys()
            .any(|(owner, _)| owner == lower || is_below(owner, lower))
}
