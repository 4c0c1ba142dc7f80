//! `/v1/watch`: what changes, as it changes. `docs/design/watch.md` says why it is made as it is.

mod filter;
mod hub;
mod line;
mod picture;
mod stream;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use crate::catalog::{ServiceName, ZoneName};
use crate::clock::Timestamp;
use crate::store::HistoryError;

use super::call::Call;
use super::follow::How;
use super::past;
use super::problem::Problem;
use super::query::Query;
use super::reply::INDEX;
use super::router::Api;
use super::write_json::{JsonText, Shape};

pub(super) use filter::{Interest, removes_zone};
pub(super) use hub::Hub;

use line::Form;
use stream::{Flow, Phase, Stream};

/// Watchers that are being shown a picture; others wait. Each holds on to the catalog as it was, and to 64 KiB of text and
/// one line.
const PICTURES_MAX: usize = 64;
/// Watchers to whom a part of the log is on its way; others wait. Each has 64 KiB of text and one line.
const PARTS_MAX: usize = 128;

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A line that is no change: `reset`, before a picture that takes the place of lost changes, or `synced`, after one.
struct Mark {
    kind: &'static str,
    index: u64,
    at: Timestamp,
}

impl Shape for Mark {
    fn write(&self, json: &mut JsonText) {
        json.object(|json| {
            json.name("index").number(self.index);
            json.name("at").time(self.at);
            json.name("kind").text(self.kind);
            for name in ["zone", "service", "instance", "by", "after"] {
                json.name(name).null();
            }
        });
    }
}

/// Turns of those to whom is told what they share with nobody. Who looks at a picture may take minutes for it, so those
/// who need the log, which forgets, have turns of their own.
#[derive(Debug)]
pub(super) struct Turns {
    pictures: Arc<Semaphore>,
    parts: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Self {
        let of = |turns| Arc::new(Semaphore::new(turns));
        Self {
            pictures: of(PICTURES_MAX),
            parts: of(PARTS_MAX),
        }
    }

    /// Who waits for its turn waits no more.
    pub(super) fn close(&self) {
        self.pictures.close();
        self.parts.close();
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// With what changes from now on.
    Now,
    /// With everything there is.
    Picture,
    /// After an index.
    After(u64),
    /// After something that is no index of ours.
    Unknown,
}

/// Takes `epoch`; whether it is another one than ours.
pub(super) fn is_foreign_epoch(query: &mut Query, api: &Api) -> Result<bool, Problem> {
    let Some(text) = query.take("epoch")? else {
        return Ok(false);
    };
    let epoch = uuid::Uuid::parse_str(&text).map_err(|_| Problem::invalid("epoch", "must be a UUID"))?;
    Ok(epoch != api.epoch)
}

fn begin(query: &mut Query, headers: &HeaderMap) -> Result<Begin, Problem> {
    let after = query.index("after")?;
    let snapshot = match query.take("snapshot")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid("snapshot", "must be true or false")),
    };
    // A browser that connects again sends it with the address that it had at first: it is the later word.
    let last = headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty());
    Ok(match (last, after, snapshot) {
        (Some(last), _, _) => match last.to_str().ok().and_then(|text| text.trim().parse().ok()) {
            Some(index) => Begin::After(index),
            None => Begin::Unknown,
        },
        (None, Some(_), true) => {
            return Err(Problem::invalid(
                "snapshot",
                "cannot be given together with after",
            ));
        }
        (None, Some(index), false) => Begin::After(index),
        (None, None, true) => Begin::Picture,
        (None, None, false) => Begin::Now,
    })
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).into_iter();
    let mut types = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    types.any(|one| {
        let name = one.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case(Form::Lines.media_type())
    })
}

pub(super) async fn watch(State(api): State<Arc<Api>>, mut call: Call) -> Result<Response<Body>, Problem> {
    let name = |name| Problem::invalid(name, "is no such name");
    let zone = call.query.take("zone")?;
    let zone = zone.map(|text| ZoneName::parse(&text)).transpose();
    let zone = zone.map_err(|_| name("zone"))?;
    let service = call.query.take("service")?;
    let service = service.map(|text| ServiceName::parse(&text)).transpose();
    let service = service.map_err(|_| name("service"))?;
    let is_foreign = is_foreign_epoch(&mut call.query, &api)?;
    let mut begin = begin(&mut call.query, &call.headers)?;
    call.no_parameters()?;
    if let (Some(zone), Begin::Now | Begin::Picture) = (&zone, begin) {
        let snapshot = api.current.load();
        snapshot
            .state
            .zone(zone)
            .map_err(|missing| Problem::rejected(&missing))?;
    }
    if is_foreign && matches!(begin, Begin::After(_)) {
        begin = Begin::Unknown;
    }
    let form = match wants_lines(&call.headers) {
        true => Form::Lines,
        false => Form::Events,
    };
    let followed = api.places.take(&call, How::Watches)?;
    let mut follower = api.hub.follow(Interest::of(zone, service), true);
    let index = api.index();
    let phase = match begin {
        Begin::Now => {
            // What is published and not told on yet came before.
            follower.go_on_from(index);
            Phase::Changes
        }
        Begin::Picture => Phase::Wanted { instead: false },
        Begin::After(after) => match missed(&api, after, index).await? {
            None => {
                follower.go_on_from(after);
                Phase::Changes
            }
            Some(problem) => instead_of(problem, form)?,
        },
        Begin::Unknown => {
            let oldest = api.past.read(|history| history.oldest()).await;
            let oldest = oldest.map_err(|error| past::problem(&error, 0))?;
            instead_of(past::unknown(None, index, oldest), form)?
        }
    };
    let unread = call.activity.as_ref().map(|activity| activity.stream());
    let stream = Stream {
        follower,
        form,
        phase,
        beat: api.beat,
        ready: VecDeque::new(),
        own: None,
        api,
    };
    let mut response = Response::new(Body::new(Flow::of(stream, unread, followed)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&INDEX, HeaderValue::from(index));
    Ok(response)
}

/// What is wrong with going on after `after`, if something is: changes are not kept any more, or never were.
async fn missed(api: &Api, after: u64, index: u64) -> Result<Option<Problem>, Problem> {
    if after == index {
        return Ok(None);
    }
    match api.past.read(|history| history.oldest()).await {
        Ok(oldest) if after > index => Ok(Some(past::unknown(Some(after), index, oldest))),
        Ok(oldest) if after + 1 < oldest => Ok(Some(past::too_old(after, oldest))),
        Ok(_) => Ok(None),
        Err(error @ HistoryError::Gone { .. } | error @ HistoryError::Failed(_)) => {
            Err(past::problem(&error, after))
        }
    }
}

/// Server-sent events go on with everything; lines say what is wrong.
fn instead_of(problem: Problem, form: Form) -> Result<Phase, Problem> {
    match form {
        Form::Events => Ok(Phase::Wanted { instead: true }),
        Form::Lines => Err(problem),
    }
}
