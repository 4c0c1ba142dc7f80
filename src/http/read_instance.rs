//! Bodies about one instance, read into changes: registration, health, drain.

use crate::catalog::{Change, InstanceId, InstanceKey, Output, PortName, ServiceName, Status, ZoneName};

use super::fields::Fields;
use super::problem::Problem;
use super::read_registration::registration;

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

/// The words of a status, for a message.
pub(super) const STATUSES: &str = "\"passing\", \"warning\" or \"critical\"";

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
        mut fields: Fields<'_>,
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
    fields: &mut Fields<'_>,
    zone: &ZoneName,
    service: Option<&ServiceName>,
    id: Option<&InstanceId>,
) -> Result<(), Problem> {
    fn hold<T: PartialEq + std::fmt::Display, E: std::fmt::Display>(
        fields: &mut Fields<'_>,
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

fn health(fields: &mut Fields<'_>, key: InstanceKey) -> Result<Change, Problem> {
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

fn drain(fields: &mut Fields<'_>, key: InstanceKey) -> Result<Change, Problem> {
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
    use crate::catalog::{Lease, Registration, Tag};
    use crate::http::json::Json;
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
