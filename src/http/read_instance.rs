//! Bodies about one instance, read into changes: registration, health, drain.

use std::net::IpAddr;

use crate::catalog::{
    Change, InstanceId, InstanceKey, Lease, MetaKey, MetaValue, Output, Port, PortName, Protocol,
    Registration, ServiceName, Status, Tag, ZoneName, deregister_after_default, limits, parse_address,
};

use super::fields::{Field, Fields};
use super::json::Json;
use super::problem::Problem;

/// What only a GET shows of an instance: a client may send back what it got.
const SHOWN: [&str; 9] = [
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

const STATUSES: &str = "\"passing\", \"warning\" or \"critical\"";

/// What the operations on an instance are called in a batch; the routes end with the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Register,
    Deregister,
    Health,
    Drain,
    Heartbeat,
}

impl Verb {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "register" => Self::Register,
            "deregister" => Self::Deregister,
            "health" => Self::Health,
            "drain" => Self::Drain,
            "heartbeat" => Self::Heartbeat,
            _ => return None,
        })
    }

    /// Reads the rest of `fields` as the change of `key` that this asks for.
    pub(super) fn read(
        self,
        mut fields: Fields,
        key: InstanceKey,
        in_batch: bool,
    ) -> Result<Change, Problem> {
        let change = match self {
            Self::Register => Change::Register {
                key,
                registration: Box::new(registration(&mut fields)?),
            },
            Self::Deregister => Change::Deregister {
                key,
                absent_is_fine: in_batch,
            },
            Self::Health => health(&mut fields, key)?,
            Self::Drain => drain(&mut fields, key)?,
            Self::Heartbeat => Change::Heartbeat { key },
        };
        fields.ignore(&SHOWN);
        fields.finish()?;
        Ok(change)
    }
}

/// Holds the names that a body repeats against those of the path.
pub(super) fn agree(
    fields: &mut Fields,
    zone: &ZoneName,
    service: Option<&ServiceName>,
    id: Option<&InstanceId>,
) -> Result<(), Problem> {
    fn hold<T: PartialEq + std::fmt::Display, E: std::fmt::Display>(
        fields: &mut Fields,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        path: &T,
    ) -> Result<(), Problem> {
        match fields.take(name) {
            Some(field) if field.parse(parse)? != *path => {
                Err(field.wrong(format_args!("does not agree with the path, which says {path}")))
            }
            _ => Ok(()),
        }
    }
    hold(fields, "zone", ZoneName::parse, zone)?;
    if let Some(service) = service {
        hold(fields, "service", ServiceName::parse, service)?;
    }
    if let Some(id) = id {
        hold(fields, "id", InstanceId::parse, id)?;
    }
    Ok(())
}

fn registration(fields: &mut Fields) -> Result<Registration, Problem> {
    let addresses = addresses(fields)?;
    let ports = ports(fields)?;
    no_checks(fields)?;
    let mut read = Registration::at(addresses);
    read.ports = ports;
    if let Some(field) = fields.take("priority") {
        read.priority = field.u16()?;
    }
    if let Some(field) = fields.take("weight") {
        read.weight = field.u16()?;
    }
    if let Some(field) = fields.take("tags") {
        read.tags = each_once(field, limits::TAGS_MAX, |item| item.parse(Tag::parse))?;
    }
    if let Some(field) = fields.take("meta") {
        read.meta = meta(field)?;
    }
    if let Some(field) = fields.take("status") {
        read.status = Some(field.word(STATUSES, Status::parse)?);
    }
    if let Some(field) = fields.take("lease") {
        let lease = Lease::from_duration(field.duration()?);
        read.lease = Some(lease.map_err(|error| field.wrong(error))?);
    }
    read.deregister_after = match fields.take("deregister_after") {
        Some(field) => field.delay()?,
        None => deregister_after_default(),
    };
    Ok(read)
}

fn addresses(fields: &mut Fields) -> Result<Box<[IpAddr]>, Problem> {
    match (fields.take("address"), fields.take("addresses")) {
        (Some(one), Some(_)) => Err(one.wrong("stands beside addresses; give one of the two")),
        (Some(one), None) => Ok([one.parse(parse_address)?].into()),
        (None, Some(list)) => {
            let path = list.path.clone();
            let list = each_once(list, limits::ADDRESSES_MAX, |item| item.parse(parse_address))?;
            if list.is_empty() {
                return Err(Problem::invalid(
                    path,
                    "is empty; an instance needs at least one address",
                ));
            }
            Ok(list)
        }
        (None, None) => Err(Problem::invalid(
            fields.path_of("addresses"),
            "is missing; an instance needs an address",
        )),
    }
}

/// The items of a list, each once, in the order given; refused as soon as there are more than `max`.
fn each_once<T: PartialEq>(
    list: Field,
    max: usize,
    read: impl Fn(&Field) -> Result<T, Problem>,
) -> Result<Box<[T]>, Problem> {
    let path = list.path.clone();
    let mut items: Vec<T> = Vec::new();
    for item in list.list()? {
        let item = read(&item)?;
        if items.contains(&item) {
            continue;
        }
        if items.len() == max {
            return Err(too_many(&path, max));
        }
        items.push(item);
    }
    Ok(items.into())
}

fn too_many(path: &str, max: usize) -> Problem {
    Problem::invalid(
        path,
        format_args!("has more than {max} entries, which is as many as are allowed"),
    )
}

fn ports(fields: &mut Fields) -> Result<Box<[Port]>, Problem> {
    match (fields.take("port"), fields.take("ports")) {
        (Some(one), Some(_)) => Err(one.wrong("stands beside ports; give one of the two")),
        (Some(one), None) => {
            let name = PortName::parse(PortName::MAIN).expect("main is a label");
            Ok([new_port(name, port_number(&one)?, Protocol::Tcp)].into())
        }
        (None, Some(map)) => port_map(map),
        (None, None) => Ok(Box::default()),
    }
}

fn port_map(map: Field) -> Result<Box<[Port]>, Problem> {
    let path = map.path.clone();
    let mut ports = Vec::new();
    for (name, field) in map.object()?.into_entries() {
        if ports.len() == limits::PORTS_MAX {
            return Err(too_many(&path, limits::PORTS_MAX));
        }
        let name = PortName::parse(&name).map_err(|error| field.wrong(format_args!("its name {error}")))?;
        if ports.iter().any(|port: &Port| port.name == name) {
            return Err(field.wrong(format_args!(
                "is given twice: names are folded to lower case, and {name} is there"
            )));
        }
        ports.push(match field.json {
            Json::Object(_) => {
                let mut long = field.object()?;
                let number = port_number(&long.need("port")?)?;
                let protocol = match long.take("protocol") {
                    Some(field) => field.word("\"tcp\", \"udp\" or \"sctp\"", Protocol::parse)?,
                    None => Protocol::default(),
                };
                long.finish()?;
                new_port(name, number, protocol)
            }
            _ => new_port(name, port_number(&field)?, Protocol::default()),
        });
    }
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ports.into())
}

fn port_number(field: &Field) -> Result<std::num::NonZeroU16, Problem> {
    let wrong = || field.wrong("must be a whole number from 1 to 65535");
    let number = field.u16().map_err(|_| wrong())?;
    std::num::NonZeroU16::new(number).ok_or_else(wrong)
}

fn new_port(name: PortName, number: std::num::NonZeroU16, protocol: Protocol) -> Port {
    Port {
        name,
        number,
        protocol,
        reported: None,
    }
}

fn meta(field: Field) -> Result<Box<[(MetaKey, MetaValue)]>, Problem> {
    let path = field.path.clone();
    let mut entries = Vec::new();
    for (key, value) in field.object()?.into_entries() {
        if entries.len() == limits::META_MAX {
            return Err(too_many(&path, limits::META_MAX));
        }
        let key = MetaKey::parse(&key).map_err(|error| value.wrong(error))?;
        entries.push((key, value.parse(MetaValue::parse)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries.into())
}

/// Active checks do not exist yet, and a check that never runs would be believed to.
fn no_checks(fields: &mut Fields) -> Result<(), Problem> {
    let Some(field) = fields.take("checks") else {
        return Ok(());
    };
    let wrong = field.wrong("active checks are not supported; report health instead");
    match field.list()?.next() {
        Some(_) => Err(wrong),
        None => Ok(()),
    }
}

fn health(fields: &mut Fields, key: InstanceKey) -> Result<Change, Problem> {
    let status = fields.need("status")?.word(STATUSES, Status::parse)?;
    let output = match fields.take("output") {
        Some(field) => field.parse(Output::parse)?,
        None => None,
    };
    let port = match fields.take("port") {
        Some(field) => Some(field.parse(PortName::parse)?),
        None => None,
    };
    Ok(Change::Report {
        key,
        port,
        status,
        output,
    })
}

fn drain(fields: &mut Fields, key: InstanceKey) -> Result<Change, Problem> {
    let draining = match fields.take("draining") {
        Some(field) => field.boolean()?,
        None => true,
    };
    let delete_after = match fields.take("delete_after") {
        Some(field) if !draining => return Err(field.wrong("has no meaning when a drain ends")),
        Some(field) => Some(field.delay()?),
        None => None,
    };
    Ok(Change::Drain {
        key,
        draining,
        delete_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn read(verb: Verb, body: &str) -> Result<Change, Problem> {
        let key = InstanceKey {
            zone: ZoneName::parse("svc.internal").expect("a zone"),
            service: ServiceName::parse("web").expect("a label"),
            id: InstanceId::parse("web-1").expect("a label"),
        };
        let mut fields = Fields::of_body(Json::read(body.as_bytes())?)?;
        agree(&mut fields, &key.zone, Some(&key.service), Some(&key.id))?;
        verb.read(fields, key, false)
    }

    fn registered(body: &str) -> Registration {
        match read(Verb::Register, body) {
            Ok(Change::Register { registration, .. }) => *registration,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn field(verb: Verb, body: &str) -> String {
        let problem = read(verb, body).expect_err(body);
        assert_eq!(problem.status(), 422, "{body}");
        problem.field().unwrap_or("-").to_owned()
    }

    #[test]
    fn the_short_form_and_the_long_form_say_the_same() {
        let short = registered(r#"{"address":"192.0.2.1","port":8080}"#);
        let long = registered(
            r#"{"addresses":["192.0.2.1","::ffff:192.0.2.1"],"ports":{"MAIN":{"port":8080,"protocol":"tcp"}},
                "priority":0,"weight":1,"tags":[],"meta":{},"lease":null,"deregister_after":"10m","checks":[]}"#,
        );
        assert_eq!(short, long);
    }

    #[test]
    fn every_field_is_read() {
        let read = registered(
            r#"{"addresses":["192.0.2.1","2001:db8::1"],"ports":{"http":8080,"dns":{"port":53,"protocol":"udp"}},
                "priority":2,"weight":0,"tags":["v2","v2","Blue"],"meta":{"b":"2","a":""},"status":"warning",
                "lease":1.5,"deregister_after":"0s"}"#,
        );
        expect![[r#"
            [192.0.2.1, 2001:db8::1] 2 0 Some(Warning)
            dns 53/udp, http 8080/tcp
            ["v2", "Blue"] [("a", ""), ("b", "2")]
            lease Some(1.5s), then 0ns
        "#]]
        .assert_eq(&format!(
            "{:?} {} {} {:?}\n{}\n{:?} {:?}\nlease {:?}, then {:?}\n",
            read.addresses,
            read.priority,
            read.weight,
            read.status,
            read.ports
                .iter()
                .map(|port| format!("{} {}/{}", port.name, port.number, port.protocol))
                .collect::<Vec<_>>()
                .join(", "),
            read.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
            read.meta
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            read.lease.map(Lease::duration),
            read.deregister_after.duration(),
        ));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let sixty_five: Vec<String> = (0..65).map(|i| format!("\"192.0.2.{i}\"")).collect();
        let many = format!(r#"{{"addresses":[{}]}}"#, sixty_five.join(","));
        for (body, named) in [
            ("[]", "-"),
            ("null", "-"),
            ("{}", "addresses"),
            (r#"{"addresses":[]}"#, "addresses"),
            (r#"{"addresses":"192.0.2.1"}"#, "addresses"),
            (many.as_str(), "addresses"),
            (r#"{"address":"localhost"}"#, "address"),
            (r#"{"address":1}"#, "address"),
            (r#"{"address":"192.0.2.1","addresses":["192.0.2.1"]}"#, "address"),
            (r#"{"addresses":["192.0.2.1","0.0.0.0"]}"#, "addresses[1]"),
            (r#"{"address":"192.0.2.1","port":0}"#, "port"),
            (r#"{"address":"192.0.2.1","port":65536}"#, "port"),
            (r#"{"address":"192.0.2.1","port":8080.0}"#, "port"),
            (r#"{"address":"192.0.2.1","port":"80"}"#, "port"),
            (r#"{"address":"192.0.2.1","port":1,"ports":{}}"#, "port"),
            (r#"{"address":"192.0.2.1","ports":[]}"#, "ports"),
            (r#"{"address":"192.0.2.1","ports":{"http":0}}"#, "ports.http"),
            (
                r#"{"address":"192.0.2.1","ports":{"http":{"port":0}}}"#,
                "ports.http.port",
            ),
            (
                r#"{"address":"192.0.2.1","ports":{"http":{}}}"#,
                "ports.http.port",
            ),
            (
                r#"{"address":"192.0.2.1","ports":{"http":{"port":1,"x":1}}}"#,
                "ports.http.x",
            ),
            (
                r#"{"address":"192.0.2.1","ports":{"http":{"port":1,"protocol":"TCP"}}}"#,
                "ports.http.protocol",
            ),
            (r#"{"address":"192.0.2.1","ports":{"_http":1}}"#, "ports._http"),
            (
                r#"{"address":"192.0.2.1","ports":{"http":1,"HTTP":2}}"#,
                "ports.HTTP",
            ),
            (r#"{"address":"192.0.2.1","priority":-1}"#, "priority"),
            (r#"{"address":"192.0.2.1","weight":65536}"#, "weight"),
            (r#"{"address":"192.0.2.1","tags":"v2"}"#, "tags"),
            (r#"{"address":"192.0.2.1","tags":["v2",""]}"#, "tags[1]"),
            (r#"{"address":"192.0.2.1","meta":{"a":1}}"#, "meta.a"),
            (r#"{"address":"192.0.2.1","meta":{"a=":"1"}}"#, "meta.a="),
            (r#"{"address":"192.0.2.1","status":"PASSING"}"#, "status"),
            (r#"{"address":"192.0.2.1","lease":"99ms"}"#, "lease"),
            (r#"{"address":"192.0.2.1","lease":"0s"}"#, "lease"),
            (r#"{"address":"192.0.2.1","lease":"86401s"}"#, "lease"),
            (
                r#"{"address":"192.0.2.1","deregister_after":"-1s"}"#,
                "deregister_after",
            ),
            (r#"{"address":"192.0.2.1","checks":[{}]}"#, "checks"),
            (r#"{"address":"192.0.2.1","checks":{}}"#, "checks"),
            (r#"{"address":"192.0.2.1","adress":"x"}"#, "adress"),
            (r#"{"address":"192.0.2.1","delete_after":"1s"}"#, "delete_after"),
            (r#"{"address":"192.0.2.1","zone":"other.internal"}"#, "zone"),
            (r#"{"address":"192.0.2.1","service":"db"}"#, "service"),
            (r#"{"address":"192.0.2.1","id":"web-2"}"#, "id"),
            (r#"{"address":"192.0.2.1","id":7}"#, "id"),
        ] {
            assert_eq!(field(Verb::Register, body), named, "{body}");
        }
    }

    #[test]
    fn what_a_get_shows_can_be_sent_back() {
        registered(
            r#"{"zone":"SVC.internal.","service":"WEB","id":"web-1","addresses":["192.0.2.1"],
                "health":{"status":"critical"},"draining":true,"lease_expires_at":null,"remove_at":null,
                "created_at":"2026-01-02T03:04:05Z","updated_at":"x","created_index":1,"index":2,"checks":[]}"#,
        );
    }

    #[test]
    fn health_and_drain() {
        assert!(matches!(
            read(Verb::Health, r#"{"status":"critical","output":"db down","port":"HTTP"}"#),
            Ok(Change::Report { port: Some(port), status: Status::Critical, output: Some(output), .. })
                if port.as_str() == "http" && output.as_str() == "db down"
        ));
        assert_eq!(field(Verb::Health, "{}"), "status");
        assert_eq!(field(Verb::Health, r#"{"status":"passing","port":80}"#), "port");
        assert_eq!(
            field(Verb::Health, r#"{"status":"passing","weight":80}"#),
            "weight"
        );
        assert!(matches!(
            read(Verb::Drain, "{}"),
            Ok(Change::Drain {
                draining: true,
                delete_after: None,
                ..
            })
        ));
        assert!(matches!(
            read(Verb::Drain, r#"{"draining":false}"#),
            Ok(Change::Drain { draining: false, .. })
        ));
        assert_eq!(field(Verb::Drain, r#"{"draining":"yes"}"#), "draining");
        assert_eq!(field(Verb::Drain, r#"{"delete_after":"1d"}"#), "delete_after");
        assert_eq!(
            field(Verb::Drain, r#"{"draining":false,"delete_after":"1s"}"#),
            "delete_after"
        );
    }
}
