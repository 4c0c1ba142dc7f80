//! What the API takes: the bodies of requests. `read_*.rs` and `batch.rs` read them; what one of them refuses, the shape
//! here refuses too, as far as JSON Schema can say it.

use std::time::Duration;

use utoipa::openapi::schema::KnownFormat;

use crate::catalog::{OnEmpty, Protocol, Status, limits};

use super::pattern;
use super::schema::{
    Field, Shape, address, all_of, any_of, boolean, having, list, map, matching, matching_of, named, need,
    null, number_of_seconds, object, or_null, shown, text_of, whole, word,
};
use crate::http::{HEARTBEATS_MAX, OPERATIONS_MAX};

/// What a GET of an instance shows beside what can be set.
const SHOWN_OF_INSTANCE: [&str; 9] = [
    "health",
    "draining",
    "lease_expires_at",
    "remove_at",
    "created_at",
    "updated_at",
    "created_index",
    "index",
    "safe_to_stop_at",
];

/// The components, by name.
pub(super) fn components() -> Vec<(&'static str, Shape)> {
    vec![
        ("Registration", registration(named_by_path())),
        (
            "ZoneBody",
            settings(&["name", "serial", "services", "zone"], true),
        ),
        (
            "ServiceBody",
            settings(
                &["name", "instances", "created_at", "index", "zone", "service"],
                false,
            ),
        ),
        (
            "Health",
            object(
                health()
                    .into_iter()
                    .chain(named_by_path())
                    .chain(shown_of_instance(&[])),
            ),
        ),
        ("Drain", drain(named_by_path())),
        (
            "Batch",
            object([need("operations", list(operation(), None, Some(OPERATIONS_MAX)))]),
        ),
        (
            "Heartbeats",
            object([need(
                "instances",
                list(matching(pattern::entry()), None, Some(HEARTBEATS_MAX)),
            )]),
        ),
        ("Status", word(STATUSES.map(Status::as_str))),
        ("Ttl", ttl()),
        ("Delay", delay()),
        ("Address", any_address()),
        ("PortNumber", whole(1, u16::MAX.into())),
    ]
}

const STATUSES: [Status; 3] = [Status::Passing, Status::Warning, Status::Critical];
const POLICIES: [OnEmpty; 3] = [OnEmpty::NoData, OnEmpty::NxDomain, OnEmpty::All];

/// `zone`, `service` and `id` of a body, which must agree with the path.
fn named_by_path() -> Vec<Field> {
    ["zone", "service", "id"].map(shown).into()
}

/// What is ignored, but for those that mean something here.
fn shown_of_instance(but: &'static [&'static str]) -> impl Iterator<Item = Field> {
    SHOWN_OF_INSTANCE
        .into_iter()
        .filter(|name| !but.contains(name))
        .map(shown)
}

fn any_address() -> Shape {
    any_of([
        address(KnownFormat::Ipv4, pattern::IPV4),
        address(KnownFormat::Ipv6, pattern::IPV6),
    ])
}

/// Text, or a number of seconds.
pub(super) fn between(min: Duration, max: Duration) -> Shape {
    any_of([
        matching(pattern::duration(min, max)),
        number_of_seconds(min.as_secs_f64(), max.as_secs_f64(), 0.001),
    ])
}

fn ttl() -> Shape {
    any_of([
        matching(pattern::seconds(limits::TTL_MAX)),
        number_of_seconds(0.0, limits::TTL_MAX.into(), 1.0),
    ])
}

fn delay() -> Shape {
    between(Duration::ZERO, limits::DELAY_MAX)
}

fn port() -> Shape {
    let long = object([
        need("port", named("PortNumber")),
        or_null("protocol", word(Protocol::ALL.map(Protocol::as_str))),
    ]);
    any_of([named("PortNumber"), long])
}

/// One of `address` and `addresses`, and at most one of `port` and `ports`.
fn registration(more: Vec<Field>) -> Shape {
    let port_names = pattern::label(limits::PORT_NAME_OCTETS_MAX);
    let addresses = || list(named("Address"), Some(1), Some(limits::ADDRESSES_MAX));
    let all = [
        or_null("address", named("Address")),
        or_null("addresses", addresses()),
        or_null("port", named("PortNumber")),
        or_null("ports", map(&port_names, port(), Some(limits::PORTS_MAX))),
        or_null("priority", whole(0, u16::MAX.into())),
        or_null("weight", whole(0, u16::MAX.into())),
        or_null(
            "tags",
            list(text_of(1, limits::TAG_OCTETS_MAX), None, Some(limits::TAGS_MAX)),
        ),
        or_null(
            "meta",
            map(
                &pattern::meta_key(),
                text_of(0, limits::META_VALUE_OCTETS_MAX),
                Some(limits::META_MAX),
            ),
        ),
        or_null("status", named("Status")),
        or_null("lease", between(limits::LEASE_MIN, limits::LEASE_MAX)),
        or_null("deregister_after", named("Delay")),
        or_null("checks", list(null(), None, Some(0))),
    ];
    all_of([
        object(all.into_iter().chain(more).chain(shown_of_instance(&[]))),
        any_of([
            having([need("address", named("Address")), may_be_null("addresses")]),
            having([need("addresses", addresses()), may_be_null("address")]),
        ]),
        any_of([having([may_be_null("port")]), having([may_be_null("ports")])]),
    ])
}

/// A field that is absent, or null.
fn may_be_null(name: &'static str) -> Field {
    super::schema::may(name, null())
}

fn health() -> [Field; 3] {
    [
        need("status", named("Status")),
        or_null("output", text_of(0, limits::OUTPUT_OCTETS_MAX)),
        or_null("port", matching(pattern::label(limits::PORT_NAME_OCTETS_MAX))),
    ]
}

/// `delete_after` has no meaning when a drain ends.
fn drain(more: Vec<Field>) -> Shape {
    let all = [
        or_null("draining", boolean()),
        or_null("delete_after", named("Delay")),
    ];
    all_of([
        object(
            all.into_iter()
                .chain(more)
                .chain(shown_of_instance(&["draining"])),
        ),
        any_of([
            having([may_be_null("delete_after")]),
            having([or_null("draining", yes())]),
        ]),
    ])
}

fn yes() -> Shape {
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([true]))
        .build()
        .into()
}

/// An operation of a batch: what the lone request has, and whom it is about.
fn operation() -> Shape {
    let about = |op: &'static str| {
        let label = || matching(pattern::label(limits::LABEL_OCTETS_MAX));
        vec![
            need("op", word([op])),
            or_null("zone", zone_name()),
            need("service", label()),
            need("id", label()),
            or_null("if_match", whole(0, u64::MAX)),
        ]
    };
    let bare = |op| object(about(op).into_iter().chain(shown_of_instance(&[])));
    any_of([
        registration(about("register")),
        bare("deregister"),
        object(
            about("health")
                .into_iter()
                .chain(health())
                .chain(shown_of_instance(&["health"])),
        ),
        drain(about("drain")),
        bare("heartbeat"),
    ])
}

/// A zone's name.
pub(super) fn zone_name() -> Shape {
    // As long on the wire as a name may be, and a final dot.
    matching_of(pattern::zone(), limits::NAME_OCTETS_MAX - 1)
}

/// Settings at the top level or under `settings`, not in both places.
fn settings(shown_beside: &'static [&'static str], of_zone: bool) -> Shape {
    let fields = || {
        let mut fields = vec![
            or_null("ttl", named("Ttl")),
            or_null("on_empty", word(POLICIES.map(OnEmpty::as_str))),
            or_null("answer_limit", whole(0, u32::MAX.into())),
            or_null("forget_after", named("Delay")),
        ];
        if of_zone {
            fields.push(or_null("negative_ttl", named("Ttl")));
        }
        fields
    };
    let beside = || shown_beside.iter().copied().map(shown);
    any_of([
        object(
            fields()
                .into_iter()
                .chain(beside())
                .chain([may_be_null("settings")]),
        ),
        object(beside().chain([need("settings", object(fields()))])),
    ])
}
