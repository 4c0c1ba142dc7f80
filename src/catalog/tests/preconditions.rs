//! `If-Match` and `If-None-Match`.

use super::fixture::*;
use crate::catalog::*;

fn under(change: Change, precondition: Precondition) -> Operation {
    Operation { change, precondition }
}

fn index(of: &[u64]) -> Precondition {
    Precondition::Index(of.into())
}

#[test]
fn a_registration_may_ask_for_absence_presence_or_an_index() {
    let mut catalog = Catalog::new();
    let body = |weight| register("a.web", at("192.0.2.1").weight(weight));
    for wrong in [Precondition::Present, index(&[1, 2])] {
        assert_eq!(fault(catalog.attempt(under(body(1), wrong))), "precondition None");
    }
    assert!(
        catalog
            .attempt(under(body(1), Precondition::Absent))
            .unwrap()
            .created
    );
    assert_eq!(
        fault(catalog.attempt(under(body(1), Precondition::Absent))),
        "precondition Some(2)",
        "also if nothing would change"
    );
    assert!(catalog.attempt(under(body(2), index(&[9, 2]))).is_ok());
    assert_eq!(
        fault(catalog.attempt(under(body(3), index(&[2])))),
        "precondition Some(3)"
    );
    assert!(catalog.attempt(under(body(3), Precondition::Present)).is_ok());
    // It is the instance's own index: a neighbour's change leaves it.
    catalog.register("b.web", at("192.0.2.2"));
    assert!(catalog.attempt(under(body(4), index(&[4]))).is_ok());
}

#[test]
fn each_change_of_an_instance_holds_its_precondition() {
    let mut catalog = Catalog::new();
    catalog.register("a.web", at("192.0.2.1").lease(1_000));
    for change in [
        report("a.web", None, Status::Critical, ""),
        drain("a.web", true, None),
        Change::Heartbeat { key: key("a.web") },
        deregister("a.web"),
    ] {
        assert_eq!(
            fault(catalog.attempt(under(change.clone(), index(&[1])))),
            "precondition Some(2)"
        );
        assert_eq!(
            fault(catalog.attempt(under(change, Precondition::Absent))),
            "precondition Some(2)"
        );
    }
    assert!(catalog.attempt(under(deregister("a.web"), index(&[2]))).is_ok());
}

#[test]
fn services_and_zones_have_their_own_index() {
    let mut catalog = Catalog::new();
    let put = |seconds| Change::PutService {
        zone: zone(ZONE),
        service: service("web"),
        settings: ServiceSettings {
            ttl: ttl(seconds),
            ..Default::default()
        },
    };
    assert!(catalog.attempt(under(put(1), Precondition::Absent)).is_ok());
    catalog.register("a.web", at("192.0.2.1"));
    assert_eq!(
        fault(catalog.attempt(under(put(2), index(&[2])))),
        "precondition Some(3)"
    );
    assert!(catalog.attempt(under(put(2), index(&[3]))).is_ok());
    let delete = Change::DeleteService {
        zone: zone(ZONE),
        service: service("web"),
    };
    assert_eq!(
        fault(catalog.attempt(under(delete.clone(), index(&[3])))),
        "precondition Some(4)"
    );
    assert!(catalog.attempt(under(delete, index(&[4]))).is_ok());

    let put = Change::PutZone {
        zone: zone(ZONE),
        settings: ZoneSettings {
            ttl: ttl(7),
            ..Default::default()
        },
    };
    assert_eq!(
        fault(catalog.attempt(under(put.clone(), index(&[2])))),
        "precondition Some(1)"
    );
    assert!(catalog.attempt(under(put, index(&[1]))).is_ok());
    let delete = Change::DeleteZone { zone: zone(ZONE) };
    assert_eq!(
        fault(catalog.attempt(under(delete.clone(), Precondition::Absent))),
        "precondition Some(7)"
    );
    assert!(catalog.attempt(under(delete, Precondition::Present)).is_ok());
}
