//! `/v1/changes`: the change log, a page at a time.

use std::sync::Arc;

use axum::extract::State;

use super::call::Call;
use super::past;
use super::problem::Problem;
use super::reply::Reply;
use super::router::Api;
use super::watch::is_foreign_epoch;
use super::write_change::ChangeShown;
use super::write_json::{JsonText, Shape};

/// Octets of a page after which it ends, however many changes were asked for. A client goes on from its `next`.
const PAGE_OCTETS: usize = 2 << 20;

pub(super) async fn list(State(api): State<Arc<Api>>, mut call: Call) -> Result<Reply, Problem> {
    let after = call.query.index("after")?;
    let limit = call.query.limit()?;
    let is_foreign = is_foreign_epoch(&mut call.query, &api)?;
    call.no_parameters()?;
    // What is committed and not published yet is told by the next page.
    let index = api.index();
    let read = api.past.read(move |history| {
        if after.is_some_and(|after| is_foreign || after > index) {
            return Ok(Err(past::unknown(after, index, history.oldest()?)));
        }
        let mut json = JsonText::default();
        let mut read = Ok((0, 0));
        // It is written as it is read, into the text of the reply: a page is large, and in memory once.
        json.object(|json| {
            json.name("changes").list([()], |json, ()| {
                let mut shown = 0;
                read = history.page(after, index, |logged| {
                    let change = ChangeShown {
                        record: &logged.record,
                        by: Some(&logged.actor),
                    };
                    change.write(json);
                    shown += 1;
                    shown < limit && json.octets() < PAGE_OCTETS
                });
            });
            if let Ok((oldest, last)) = &read {
                json.name("oldest").number(*oldest);
                if *last < index {
                    json.name("next").number(*last);
                }
            }
        });
        read.map(|_| Ok(json))
    });
    let page = read
        .await
        .map_err(|error| past::problem(&error, after.unwrap_or(0)))??;
    Ok(Reply::written(page).at_index(index))
}
