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

/// Octets of a page after which it ends, however many changes were asked for.
const PAGE_OCTETS: usize = 4 << 20;

/// A page: changes that are text already.
struct Page {
    changes: JsonText,
    oldest: u64,
    /// The index to go on after, where there is more.
    next: Option<u64>,
}

impl Shape for Page {
    fn write(&self, json: &mut JsonText) {
        json.object(|json| {
            json.name("changes").raw(&self.changes);
            json.name("oldest").number(self.oldest);
            if let Some(next) = self.next {
                json.name("next").number(next);
            }
        });
    }
}

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
        let mut changes = JsonText::default();
        let mut read = Ok((0, 0));
        changes.list([()], |json, ()| {
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
        let (oldest, last) = read?;
        Ok(Ok(Page {
            changes,
            oldest,
            next: (last < index).then_some(last),
        }))
    });
    let page = read
        .await
        .map_err(|error| past::problem(&error, after.unwrap_or(0)))??;
    let octets = page.changes.octets() + 64;
    Ok(Reply::showing(&page, octets).at_index(index))
}
