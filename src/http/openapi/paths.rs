//! What can be asked: each path with its methods, as `router.rs` has them. A test asks the router for its paths and
//! methods and holds both lists against each other.

use utoipa::openapi::path::{HttpMethod, PathItem, Paths};

use crate::catalog::limits;

use super::operation::{Op, index, label};
use super::requests::zone_name;
use super::schema::{list, named, text, text_of, word};

/// All paths.
pub(super) fn paths(asks_for_tokens: bool) -> Paths {
    let mut all: Vec<(String, &str, Vec<Op>)> = beside_the_api();
    all.push((
        "/v1/zones".into(),
        "",
        vec![
            Op::get("listZones", "The zones")
                .window()
                .reply(200, "Zones", "A page of them."),
        ],
    ));
    all.push(("/v1/zones/{zone}".into(), "", of_zone()));
    all.push(("/v1/batch".into(), "", vec![batch()]));
    all.push(("/v1/guard".into(), "", of_guard()));
    all.push(("/v1/changes".into(), "", vec![changes()]));
    all.push(("/v1/watch".into(), "", vec![watch()]));
    for (root, suffix) in [("/v1", ""), ("/v1/zones/{zone}", "InZone")] {
        let service = format!("{root}/services/{{service}}");
        let instance = format!("{service}/instances/{{id}}");
        all.extend([
            (format!("{root}/heartbeats"), suffix, vec![heartbeats()]),
            (
                format!("{root}/services"),
                suffix,
                vec![
                    Op::get("listServices", "The services, with counts of their instances")
                        .window()
                        .waits()
                        .reply(200, "Services", "A page of them.")
                        .problems([404]),
                ],
            ),
            (format!("{service}/instances"), suffix, vec![list_instances()]),
            (format!("{instance}/heartbeat"), suffix, vec![heartbeat()]),
            (format!("{instance}/health"), suffix, vec![health()]),
            (format!("{instance}/drain"), suffix, vec![drain()]),
            (instance, suffix, of_instance()),
            (service, suffix, of_service()),
        ]);
    }
    let mut paths = Paths::new();
    for (path, suffix, operations) in all {
        let mut item = PathItem::default();
        for operation in operations {
            let (method, operation) = operation.on(&path, suffix, asks_for_tokens);
            let operation = Some(operation.build());
            match method {
                HttpMethod::Get => item.get = operation,
                HttpMethod::Put => item.put = operation,
                HttpMethod::Post => item.post = operation,
                _ => item.delete = operation,
            }
        }
        paths.paths.insert(path, item);
    }
    paths
}

fn beside_the_api() -> Vec<(String, &'static str, Vec<Op>)> {
    let metrics = [("application/openmetrics-text", text()), ("text/plain", text())];
    let itself = [("application/json", super::schema::having([]))];
    [
        (
            "/healthz",
            Op::beside("alive", "Whether the process lives").reply(200, "Alive", "It does."),
        ),
        (
            "/readyz",
            Op::beside("ready", "Whether it answers DNS and can write")
                .query("only", word(["dns"]), "Only whether it answers.")
                .reply(200, "Readiness", "It does and can.")
                .reply(503, "Readiness", "What does not, and why.")
                .problems([422]),
        ),
        (
            "/metrics",
            Op::beside("metrics", "What is counted, for Prometheus")
                .content(
                    200,
                    metrics,
                    "OpenMetrics 1.0; with `Accept: text/plain` alone, the older form 0.0.4.",
                )
                .problems([422]),
        ),
        (
            "/openapi.json",
            Op::beside("openapi", "This document")
                .content(200, itself, "OpenAPI 3.1.")
                .problems([403, 422, 400, 431]),
        ),
    ]
    .map(|(path, op)| (path.to_owned(), "", vec![op]))
    .into()
}

fn of_zone() -> Vec<Op> {
    vec![
        Op::get("showZone", "A zone")
            .reply(200, "Zone", "The zone.")
            .tagged()
            .problems([404]),
        Op::put("putZone", "Create a zone, or replace its settings")
            .body("ZoneBody")
            .reply(200, "Zone", "Its settings are replaced.")
            .reply(201, "Zone", "It is new.")
            .tagged()
            .problems([409]),
        Op::delete("deleteZone", "Remove a zone without instances")
            .bare(204, "It is gone.")
            .problems([404, 409]),
    ]
}

fn of_service() -> Vec<Op> {
    vec![
        Op::get("showService", "A service with its instances")
            .waits()
            .reply(200, "Service", "The service.")
            .known()
            .tagged()
            .problems([404]),
        Op::put("putService", "Create a service, or replace its settings")
            .body("ServiceBody")
            .reply(200, "Service", "Its settings are replaced.")
            .reply(201, "Service", "It is new.")
            .tagged()
            .problems([404, 409]),
        Op::delete("deleteService", "Remove a service with all its instances")
            .bare(204, "It is gone.")
            .problems([404]),
    ]
}

fn list_instances() -> Op {
    let tags = list(text_of(1, limits::TAG_OCTETS_MAX), None, None);
    Op::get("listInstances", "The instances of a service")
        .window()
        .waits()
        .query(
            "answerable",
            word(["true", "false"]),
            "Only those that DNS answers.",
        )
        .repeated(
            "tag",
            tags,
            "Only those with this tag; repeated, with all of them.",
        )
        .reply(200, "Instances", "A page of them.")
        .problems([404])
}

fn of_instance() -> Vec<Op> {
    vec![
        Op::get("showInstance", "An instance")
            .reply(200, "Instance", "The instance.")
            .known()
            .tagged()
            .problems([404]),
        Op::put(
            "register",
            "Register an instance, or replace it; this renews its lease",
        )
        .body("Registration")
        .reply(200, "Instance", "It is replaced.")
        .reply(201, "Instance", "It is new.")
        .tagged()
        .problems([404, 409]),
        Op::delete("deregister", "Remove an instance")
            .bare(204, "It is gone.")
            .problems([404]),
    ]
}

fn heartbeat() -> Op {
    Op::put("heartbeat", "Renew the lease of an instance; no body is needed")
        .bare(204, "It is renewed, or there is none.")
        .problems([404])
}

fn health() -> Op {
    Op::put(
        "reportHealth",
        "Say how an instance or one of its ports is; this renews its lease",
    )
    .body("Health")
    .reply(200, "Instance", "The instance.")
    .tagged()
    .problems([404])
}

fn drain() -> Op {
    Op::put("drain", "Take an instance out of every answer, or end that")
        .body("Drain")
        .reply(
            200,
            "Draining",
            "The instance, and when no cache has it any more.",
        )
        .tagged()
        .problems([404])
}

fn batch() -> Op {
    Op::post(
        "batch",
        "Up to 1,000 operations in order, all or none, in one commit",
    )
    .body("Batch")
    .reply(200, "BatchDone", "What became of each.")
    .problems([404, 409, 412])
}

fn heartbeats() -> Op {
    Op::post("heartbeats", "Renew the leases of many instances")
        .body("Heartbeats")
        .reply(200, "HeartbeatsDone", "How many there are, and which are not.")
        .problems([404])
}

fn of_guard() -> Vec<Op> {
    let zone = |op: Op| {
        op.query("zone", zone_name(), "Of this zone alone.")
            .problems([404])
    };
    vec![
        zone(Op::get("showGuard", "What the guard against mass expiry holds")).reply(
            200,
            "Guards",
            "Each zone's guard.",
        ),
        zone(
            Op::new(
                HttpMethod::Delete,
                "releaseGuard",
                "Let go of what the guard holds",
            )
            .problems([503, 507]),
        )
        .bare(204, "What was held has lapsed."),
    ]
}

fn changes() -> Op {
    Op::get(
        "listChanges",
        "The change log after an index, or from the oldest change that is kept",
    )
    .query(
        "after",
        index(),
        "Only changes after this index: the `next` of the page before.",
    )
    .limit()
    .of_epoch()
    .reply(200, "Changes", "A page of them.")
    .problems([410, 503])
}

fn watch() -> Op {
    Op::get("watch", "What changes, as it changes: a reply without an end")
        .query("zone", zone_name(), "Only what changes in this zone.")
        .query("service", label(), "Only what changes of services of this name.")
        .query("after", index(), "Begin after this index; not together with snapshot=true.")
        .query("snapshot", word(["true", "false"]), "Begin with everything.")
        .of_epoch()
        .header(
            "Last-Event-ID",
            text(),
            "Begin after this index, whatever else is asked for: a browser sends it when it connects again.",
        )
        .content(
            200,
            [
                ("text/event-stream", named("Event")),
                ("application/x-ndjson", named("Told")),
            ],
            "Server-sent events, or with `Accept: application/x-ndjson` lines; the shapes are those of one event and of one line.",
        )
        .problems([404, 410, 503])
}
