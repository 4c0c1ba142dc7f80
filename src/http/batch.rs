//! `POST /v1/batch`: many operations on instances, all or nothing, in one commit.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::catalog::{InstanceId, InstanceKey, Operation, Precondition, ServiceName, ZoneName};
use crate::writer::Refusal;

use super::call::Call;
use super::conditional;
use super::fields::{Field, Fields};
use super::json::Json;
use super::problem::Problem;
use super::read_instance::Verb;
use super::reply::Reply;
use super::router::Api;

/// Operations of one batch.
pub const OPERATIONS_MAX: usize = 1000;

#[derive(Serialize)]
struct Shape {
    index: u64,
    results: Vec<Made>,
}

#[derive(Serialize)]
struct Made {
    index: u64,
    changed: bool,
}

pub(super) async fn make(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    call.no_parameters()?;
    conditional::refuse_preconditions(&call.headers, "; give an operation if_match")?;
    let operations = read(call.fields()?, &call.zone)?;
    if operations.is_empty() {
        let index = api.current.load().state.index;
        let results = Vec::new();
        return Ok(Reply::ok(&Shape { index, results }).at_index(index));
    }
    let done = match call.submit(&api, operations).await {
        Ok(done) => done,
        Err(Refusal::Rejected { at, rejection }) => return Err(Problem::rejected_in_batch(&rejection, at)),
        Err(refusal) => return Err(Problem::refused(&refusal)),
    };
    let results = done
        .indexes
        .iter()
        .zip(&done.effects)
        .map(|(index, effect)| Made {
            index: *index,
            changed: effect.changed(),
        });
    let shape = Shape {
        index: done.indexes.last().copied().unwrap_or(done.snapshot.state.index),
        results: results.collect(),
    };
    Ok(Reply::ok(&shape).at_index(done.snapshot.state.index))
}

fn read(mut body: Fields<'_>, default_zone: &ZoneName) -> Result<Vec<Operation>, Problem> {
    let field = body.need("operations")?;
    body.finish()?;
    if let Json::List(items) = &field.json
        && items.len() > OPERATIONS_MAX
    {
        let count = items.len();
        return Err(field.wrong(format_args!(
            "has {count} operations, at most {OPERATIONS_MAX} are allowed"
        )));
    }
    field.list()?.map(|item| operation(item, default_zone)).collect()
}

fn operation(item: Field<'_>, default_zone: &ZoneName) -> Result<Operation, Problem> {
    let mut fields = item.object()?;
    let words = "\"register\", \"deregister\", \"health\", \"drain\" or \"heartbeat\"";
    let verb = fields.need("op")?.word(words, Verb::parse)?;
    let key = InstanceKey {
        zone: match fields.take("zone") {
            Some(field) => field.parse(ZoneName::parse)?,
            None => default_zone.clone(),
        },
        service: fields.need("service")?.parse(ServiceName::parse)?,
        id: fields.need("id")?.parse(InstanceId::parse)?,
    };
    let precondition = match fields.take("if_match") {
        Some(field) => Precondition::Index([field.whole(0, u64::MAX)?].into()),
        None => Precondition::None,
    };
    let change = verb.read(fields, key, true)?;
    Ok(Operation { change, precondition })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Change;

    fn read(body: &str) -> Result<Vec<Operation>, Problem> {
        let zone = ZoneName::parse("svc.internal").expect("a zone");
        super::read(Fields::of_body(Json::read(body.as_bytes())?)?, &zone)
    }

    #[test]
    fn each_operation_is_read_in_its_place() {
        let operations = read(
            r#"{"operations":[
                {"op":"register","service":"web","id":"web-1","address":"192.0.2.1","if_match":7},
                {"op":"deregister","zone":"other.internal","service":"web","id":"web-1"},
                {"op":"health","service":"web","id":"web-1","status":"warning"},
                {"op":"drain","service":"web","id":"web-1"},
                {"op":"heartbeat","service":"web","id":"web-1"}]}"#,
        )
        .expect("five good operations");
        assert_eq!(operations[0].precondition, Precondition::Index([7].into()));
        assert!(
            matches!(&operations[1].change, Change::Deregister { key, absent_is_fine: true } if key.zone.as_str() == "other.internal")
        );
        assert!(matches!(operations[4].change, Change::Heartbeat { .. }));
        assert!(read(r#"{"operations":[]}"#).expect("none").is_empty());
    }

    #[test]
    fn an_error_names_the_operation() {
        let one = |more: &str| {
            format!(r#"{{"operations":[{{"op":"heartbeat","service":"a","id":"b"}},{{{more}}}]}}"#)
        };
        let many = vec![r#"{"op":"heartbeat","service":"a","id":"b"}"#; OPERATIONS_MAX + 1].join(",");
        for (body, named) in [
            ("{}".to_owned(), "operations"),
            (r#"{"operations":{}}"#.to_owned(), "operations"),
            (r#"{"operations":[],"zone":"a"}"#.to_owned(), "zone"),
            (r#"{"operations":[1]}"#.to_owned(), "operations[0]"),
            (format!(r#"{{"operations":[{many}]}}"#), "operations"),
            (one(""), "operations[1].op"),
            (one(r#""op":"put","service":"a","id":"b""#), "operations[1].op"),
            (one(r#""op":"drain","id":"b""#), "operations[1].service"),
            (one(r#""op":"drain","service":"a""#), "operations[1].id"),
            (
                one(r#""op":"drain","service":"a","id":"b","if_match":"7""#),
                "operations[1].if_match",
            ),
            (
                one(r#""op":"deregister","service":"a","id":"b","status":"passing""#),
                "operations[1].status",
            ),
            (
                one(r#""op":"register","service":"a","id":"b","address":"192.0.2.1","port":0"#),
                "operations[1].port",
            ),
            (
                one(
                    r#""op":"register","service":"a","id":"b","address":"192.0.2.1","ports":{"http":{"port":0}}"#,
                ),
                "operations[1].ports.http.port",
            ),
        ] {
            assert_eq!(read(&body).expect_err(&body).field(), Some(named), "{body:.120}");
        }
    }
}
