//! What the API replies. `write_*.rs` write it; a test holds real replies against these shapes, which have no field too
//! many and none too few.

use utoipa::openapi::schema::KnownFormat;

use crate::catalog::{Kind, OnEmpty, Protocol, Status};
use crate::lease::guard::Scope;

use super::pattern;
use super::schema::{
    Field, Shape, any_of, boolean, formatted, list, map, matching, may, named, need, null, object, text,
    text_with, whole, word,
};

/// The components, by name.
pub(super) fn components() -> Vec<(&'static str, Shape)> {
    vec![
        (
            "Problem",
            object([
                need("type", text()),
                need("title", text()),
                need("status", whole(400, 599)),
                need("detail", text()),
                need("code", matching("^[a-z_0-9]+$")),
                may("field", text()),
                may("oldest", count()),
            ]),
        ),
        ("Time", formatted(KnownFormat::DateTime)),
        ("Duration", matching(pattern::DURATION)),
        ("Settings", settings()),
        (
            "Zone",
            object([
                need("name", text()),
                need("serial", whole(0, u32::MAX.into())),
                need("services", count()),
                need("settings", named("Settings")),
            ]),
        ),
        ("Zones", page("zones", "Zone")),
        ("ServiceCounts", counts()),
        ("Services", page("services", "ServiceCounts")),
        (
            "Service",
            object([
                need("zone", text()),
                need("name", text()),
                need("settings", named("Settings")),
                need("instances", list(named("Instance"), None, None)),
                need("created_at", named("Time")),
                need("index", count()),
                may("guard", object(held())),
            ]),
        ),
        ("Instance", object(instance())),
        (
            "Draining",
            object(
                instance()
                    .into_iter()
                    .chain([need("safe_to_stop_at", named("Time"))]),
            ),
        ),
        ("Instances", page("instances", "Instance")),
        ("Verdict", object(verdict())),
        (
            "BatchDone",
            object([need("index", count()), need("results", list(made(), None, None))]),
        ),
        (
            "HeartbeatsDone",
            object([
                need("renewed", count()),
                need("unknown", list(text(), None, None)),
            ]),
        ),
        (
            "Guards",
            object([
                need("scope", word(Scope::ALL.map(Scope::as_str))),
                need("at_most", named("Duration")),
                need("zones", list(guard(), None, None)),
            ]),
        ),
        (
            "Changes",
            object([
                need("changes", list(named("Change"), None, None)),
                need("oldest", count()),
                may("next", count()),
            ]),
        ),
        ("Change", change([], text(), text())),
        (
            "Told",
            change(["reset", "synced"], or_none(text()), or_none(text())),
        ),
        (
            // Its data is what a line is. One without a name is a `message` (WHATWG HTML §9.2.6).
            "Event",
            object([
                may("id", matching("^[0-9]+$")),
                may("event", word(["message", "reset", "synced"])),
                need("data", text_with("Told")),
            ]),
        ),
        ("After", after()),
        ("Alive", object([need("alive", boolean())])),
        (
            "Readiness",
            object([
                need("ready", boolean()),
                need("guarded", boolean()),
                need("parts", object([need("dns", part()), may("store", part())])),
            ]),
        ),
    ]
}

fn count() -> Shape {
    whole(0, u64::MAX)
}

fn page(name: &'static str, of: &str) -> Shape {
    object([need(name, list(named(of), None, None)), may("next", text())])
}

fn settings() -> Shape {
    let policies = [OnEmpty::NoData, OnEmpty::NxDomain, OnEmpty::All];
    object([
        may("ttl", named("Duration")),
        may("negative_ttl", named("Duration")),
        may("on_empty", word(policies.map(OnEmpty::as_str))),
        may("answer_limit", whole(0, u32::MAX.into())),
        may("forget_after", named("Duration")),
    ])
}

fn counts() -> Shape {
    let counted = [
        "instances",
        "passing",
        "warning",
        "critical",
        "draining",
        "answerable",
    ];
    let named = [need("zone", text()), need("name", text())];
    object(named.into_iter().chain(counted.map(|name| need(name, count()))))
}

fn status() -> Shape {
    word([Status::Passing, Status::Warning, Status::Critical].map(Status::as_str))
}

fn verdict() -> [Field; 3] {
    [
        need("status", status()),
        need("output", text()),
        need("since", named("Time")),
    ]
}

fn instance() -> Vec<Field> {
    let any = "^.*$";
    let port = object([
        need("port", whole(1, u16::MAX.into())),
        need("protocol", word(Protocol::ALL.map(Protocol::as_str))),
    ]);
    let health = verdict().into_iter().chain([
        need("ports", map(any, named("Verdict"), None)),
        need(
            "verdicts",
            object([need("reported", named("Verdict")), may("lease", named("Verdict"))]),
        ),
    ]);
    vec![
        need("zone", text()),
        need("service", text()),
        need("id", text()),
        need("addresses", list(text(), Some(1), None)),
        need("ports", map(any, port, None)),
        need("priority", whole(0, u16::MAX.into())),
        need("weight", whole(0, u16::MAX.into())),
        need("tags", list(text(), None, None)),
        need("meta", map(any, text(), None)),
        need("lease", or_none(named("Duration"))),
        need("deregister_after", named("Duration")),
        need("checks", list(null(), None, Some(0))),
        need("health", object(health)),
        need("draining", boolean()),
        need("lease_expires_at", or_none(named("Time"))),
        need("remove_at", or_none(named("Time"))),
        need("created_at", named("Time")),
        need("updated_at", named("Time")),
        need("created_index", count()),
        need("index", count()),
    ]
}

fn made() -> Shape {
    object([need("index", count()), need("changed", boolean())])
}

fn part() -> Shape {
    object([need("ready", boolean()), may("reason", text())])
}

/// It, or null.
fn or_none(shape: Shape) -> Shape {
    any_of([shape, null()])
}

/// What is held of a service.
fn held() -> [Field; 3] {
    [
        need("since", named("Time")),
        need("until", named("Time")),
        need("held", list(text(), Some(1), None)),
    ]
}

/// The guard of a zone.
fn guard() -> Shape {
    let service = object([need("service", text())].into_iter().chain(held()));
    object([
        need("zone", text()),
        need("holds", boolean()),
        need("since", or_none(named("Time"))),
        need("until", or_none(named("Time"))),
        need("leases", count()),
        need("lapsed", count()),
        need("held", count()),
        need("services", list(service, None, None)),
    ])
}

/// A change; on a watch, `more` kinds too, and what they and the things of a picture lack.
fn change<const N: usize>(more: [&'static str; N], zone: Shape, by: Shape) -> Shape {
    let kinds = Kind::ALL.map(Kind::as_str).into_iter().chain(more);
    object([
        need("index", count()),
        need("at", named("Time")),
        need("kind", word(kinds)),
        need("zone", zone),
        need("service", or_none(text())),
        need("instance", or_none(text())),
        need("by", by),
        need("after", named("After")),
    ])
}

/// What a change left: a service without its instances, a zone without the number of its services.
fn after() -> Shape {
    let service = object([
        need("zone", text()),
        need("name", text()),
        need("settings", named("Settings")),
        need("created_at", named("Time")),
        need("index", count()),
    ]);
    let zone = object([
        need("name", text()),
        need("serial", whole(0, u32::MAX.into())),
        need("settings", named("Settings")),
    ]);
    any_of([named("Instance"), service, zone, null()])
}
