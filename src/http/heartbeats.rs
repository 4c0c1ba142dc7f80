//! `POST /v1/heartbeats`: many leases renewed by one request.
//!
//! Every name is read before the first lease is renewed, so that a wrong one changes nothing. A lease that runs is
//! renewed in memory: no disk, no serial and no queue of the writer, so that also works while the disk is full or stands
//! still. What has lapsed is revived after that by the writer, some at a time: unlike a batch this is no one thing, and
//! 10,000 revivals in one commit would hold up everybody else's.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::catalog::{Change, InstanceId, InstanceKey, NameError, Rejection, ServiceName, ZoneName};
use crate::lease::Renewal;
use crate::writer::Refusal;

use super::call::Call;
use super::conditional;
use super::fields::Fields;
use super::json::Json;
use super::problem::Problem;
use super::reply::Reply;
use super::router::Api;

/// Instances of one request. Some milliseconds of a core, which no other request of that core has meanwhile.
pub const HEARTBEATS_MAX: usize = 10_000;

/// Revivals of one commit. Others are served between two of them.
const REVIVED_AT_ONCE_MAX: usize = super::OPERATIONS_MAX;

/// How often a revival is tried again because some of its instances were removed meanwhile.
const REVIVALS_MAX: usize = 8;

#[derive(Serialize)]
struct Shape {
    renewed: usize,
    unknown: Vec<String>,
}

pub(super) async fn renew(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    conditional::refuse_preconditions(&call.headers, "")?;
    let keys = read(&call.body, &call.zone)?;
    let zone_is_known = |api: &Api| api.current.load().state.zone(&call.zone).map(drop);
    zone_is_known(&api).map_err(|missing| Problem::rejected(&missing))?;

    let (mut unknown, mut lapsed) = (Vec::new(), Vec::new());
    for key in &keys {
        match api.deadlines.renew(key) {
            Renewal::Renewed => {}
            Renewal::Lapsed => lapsed.push(key.clone()),
            // Without a lease there is nothing to renew.
            Renewal::None if is_there(&api, key) => {}
            Renewal::None => unknown.push(spoken(key)),
        }
    }
    let count = &api.metrics.http.heartbeats;
    count.note("renewed", (keys.len() - unknown.len() - lapsed.len()) as u64);
    for lapsed in lapsed.chunks(REVIVED_AT_ONCE_MAX) {
        let revived = revive(&api, &call, lapsed.to_vec(), &mut unknown).await?;
        count.note("revived", revived as u64);
    }
    count.note("unknown", unknown.len() as u64);
    Ok(Reply::ok(&Shape {
        renewed: keys.len() - unknown.len(),
        unknown,
    }))
}

/// Revives what has lapsed, and says how many there were. What is gone is added to `unknown`.
async fn revive(
    api: &Api,
    call: &Call,
    mut lapsed: Vec<InstanceKey>,
    unknown: &mut Vec<String>,
) -> Result<usize, Problem> {
    for _ in 0..REVIVALS_MAX {
        let operations = lapsed
            .iter()
            .map(|key| Change::Heartbeat { key: key.clone() }.into());
        match call.submit(api, operations.collect()).await {
            Ok(_) => return Ok(lapsed.len()),
            Err(Refusal::Rejected {
                rejection: Rejection::NoZone(_) | Rejection::NoService(..) | Rejection::NoInstance(_),
                ..
            }) => {}
            Err(refusal) => return Err(Problem::refused(&refusal)),
        }
        // One was removed, and perhaps others with it: whoever removed them was published before this was refused.
        lapsed.retain(|key| {
            let stays = is_there(api, key);
            if !stays {
                unknown.push(spoken(key));
            }
            stays
        });
        if lapsed.is_empty() {
            return Ok(0);
        }
    }
    Err(Problem::busy(
        "instances are removed while they are to be revived; try again",
    ))
}

fn is_there(api: &Api, key: &InstanceKey) -> bool {
    api.current.load().state.instance(key).is_ok()
}

fn spoken(key: &InstanceKey) -> String {
    format!("{}/{}", key.service, key.id)
}

/// The body that everybody sends, borrowed from its octets. Only a subset of what is allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'b> {
    #[serde(borrow)]
    instances: Vec<&'b str>,
}

fn read(body: &[u8], zone: &ZoneName) -> Result<Vec<InstanceKey>, Problem> {
    let Ok(Plain { instances }) = serde_json::from_slice(body) else {
        return read_any(body, zone);
    };
    if instances.len() > HEARTBEATS_MAX {
        return Err(too_many("instances", instances.len()));
    }
    let entries = instances.iter().enumerate();
    let keys = entries.map(|(at, text)| {
        key(text, zone).map_err(|error| Problem::invalid(format!("instances[{at}]"), error))
    });
    keys.collect()
}

/// The same of any body, however it is written, with what is wrong with it.
fn read_any(body: &[u8], zone: &ZoneName) -> Result<Vec<InstanceKey>, Problem> {
    let mut fields = Fields::of_body(Json::read(body)?)?;
    let field = fields.need("instances")?;
    fields.finish()?;
    if let Json::List(items) = &field.json
        && items.len() > HEARTBEATS_MAX
    {
        return Err(too_many(&field.path(), items.len()));
    }
    field
        .list()?
        .map(|item| item.parse(|text| key(text, zone)))
        .collect()
}

fn too_many(path: &str, count: usize) -> Problem {
    Problem::invalid(
        path,
        format_args!("has {count} instances, at most {HEARTBEATS_MAX} are allowed"),
    )
}

/// Why an entry names no instance.
#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error("must be SERVICE/ID, such as \"web/web-1\"")]
    Shape,
    #[error("its service {0}")]
    Service(NameError),
    #[error("its id {0}")]
    Id(NameError),
}

fn key(text: &str, zone: &ZoneName) -> Result<InstanceKey, EntryError> {
    let (service, id) = text.split_once('/').ok_or(EntryError::Shape)?;
    Ok(InstanceKey {
        zone: zone.clone(),
        service: ServiceName::parse(service).map_err(EntryError::Service)?,
        id: InstanceId::parse(id).map_err(EntryError::Id)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<String>, Problem> {
        let zone = ZoneName::parse("svc.internal").expect("a zone");
        let keys = super::read(body.as_bytes(), &zone)?;
        assert!(keys.iter().all(|key| key.zone == zone));
        Ok(keys.iter().map(spoken).collect())
    }

    #[test]
    fn both_ways_of_reading_read_the_same() {
        for body in [
            r#"{"instances":[]}"#,
            r#"{"instances":["web/web-1","Web/WEB-2","web/web-1"]}"#,
            r#"{"instances":["web/web\u002d1"]}"#,
            " {\n \"instances\" : [ \"a/b\" ] } ",
            r#"{"\u0069nstances":["a/b"]}"#,
        ] {
            let zone = ZoneName::parse("svc.internal").expect("a zone");
            let any = read_any(body.as_bytes(), &zone).expect(body);
            let any: Vec<_> = any.iter().map(spoken).collect();
            assert_eq!(read(body).expect(body), any, "{body}");
        }
        let escaped = read(r#"{"instances":["web/web\u002d1"]}"#).expect("good");
        assert_eq!(escaped, ["web/web-1"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many = |count: usize| {
            let list = vec!["\"a/b\""; count].join(",");
            format!(r#"{{"instances":[{list}]}}"#)
        };
        assert_eq!(
            read(&many(HEARTBEATS_MAX)).expect("as many as are allowed").len(),
            HEARTBEATS_MAX
        );
        let too_many = many(HEARTBEATS_MAX + 1);
        let spelled = too_many.replacen("a/b", "a\\u002fb", 1);
        for (body, status, named) in [
            ("", 400, None),
            ("{", 400, None),
            (r#"{"instances":["a/b"]} x"#, 400, None),
            ("[]", 422, None),
            ("{}", 422, Some("instances")),
            (r#"{"instances":null}"#, 422, Some("instances")),
            (r#"{"instances":"a/b"}"#, 422, Some("instances")),
            (
                r#"{"instances":["a/b"],"instances":["a/b"]}"#,
                422,
                Some("instances"),
            ),
            (
                r#"{"instances":["a/b"],"zone":"svc.internal"}"#,
                422,
                Some("zone"),
            ),
            (r#"{"instances":["a/b",1]}"#, 422, Some("instances[1]")),
            (r#"{"instances":["a/b","web-1"]}"#, 422, Some("instances[1]")),
            (r#"{"instances":["a/b","a/b/c"]}"#, 422, Some("instances[1]")),
            (r#"{"instances":["/b"]}"#, 422, Some("instances[0]")),
            (r#"{"instances":["a/"]}"#, 422, Some("instances[0]")),
            (r#"{"instances":["a/\u00fc"]}"#, 422, Some("instances[0]")),
            (&too_many, 422, Some("instances")),
            (&spelled, 422, Some("instances")),
        ] {
            let problem = read(body).expect_err(body);
            assert_eq!(
                (problem.status().as_u16(), problem.field()),
                (status, named),
                "{body:.80}"
            );
        }
    }
}
