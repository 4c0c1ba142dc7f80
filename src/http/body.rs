//! Reads a body whole, within bounds of octets and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use super::problem::Problem;
use super::serve::Limits;

/// Octets of a body too large that are read and thrown away, so that the client finishes sending and sees the reply.
const DISCARDED_MAX: usize = 4 << 20;
/// For how long.
const DISCARDING_MAX: Duration = Duration::from_secs(2);

/// Octets that bodies (or replies) under way may still take, all of them together.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

/// Octets taken from a budget; dropping gives them back.
#[derive(Debug)]
pub(super) struct Taken {
    budget: Arc<Budget>,
    octets: usize,
}

impl Budget {
    pub(super) const fn new(octets: usize) -> Self {
        Self(AtomicUsize::new(octets))
    }
}

impl Taken {
    /// Nothing yet of `budget`.
    pub(super) fn of(budget: &Arc<Budget>) -> Self {
        Self {
            budget: budget.clone(),
            octets: 0,
        }
    }

    /// Takes so many octets, if they are left.
    pub(super) fn more(&mut self, octets: usize) -> Result<(), Problem> {
        let left = &self.budget.0;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(octets)
        })
        .map_err(|_| Problem::busy("too many large bodies are under way; try again"))?;
        self.octets += octets;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.octets, Ordering::Relaxed);
    }
}

/// Reads `body`. What it took of the budget is held for as long as the body is used.
pub(super) async fn read(
    mut body: Body,
    headers: &HeaderMap,
    limits: &Limits,
    budget: &Arc<Budget>,
) -> Result<(Bytes, Taken), Problem> {
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut taken = Taken::of(budget);
    let collected = if said.is_some_and(|octets| octets > limits.body_octets_max as u64) {
        Ok(None)
    } else {
        let collecting = collect(&mut body, limits.body_octets_max, &mut taken);
        match tokio::time::timeout(limits.body_time_max, collecting).await {
            Ok(collected) => collected,
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body did not come in time",
            )),
        }
    };
    match collected? {
        Some(octets) => Ok((octets, taken)),
        None => {
            // Who waits for 100 Continue has sent nothing yet and gets the refusal at once.
            if !headers.contains_key(header::EXPECT) {
                discard(body).await;
            }
            Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body has more than {} octets", limits.body_octets_max),
            ))
        }
    }
}

/// The whole body, or none if it is too large.
async fn collect(body: &mut Body, max: usize, taken: &mut Taken) -> Result<Option<Bytes>, Problem> {
    // Most bodies come in one piece, which is used as it is.
    let mut whole = Bytes::new();
    let mut octets: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "cut_short",
                "the body ended before its end",
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + octets.len() + data.len() > max {
            return Ok(None);
        }
        taken.more(data.len())?;
        if whole.is_empty() && octets.is_empty() {
            whole = data;
        } else {
            octets.extend_from_slice(&std::mem::take(&mut whole));
            octets.extend_from_slice(&data);
        }
    }
    Ok(Some(if octets.is_empty() { whole } else { octets.into() }))
}

async fn discard(mut body: Body) {
    let discarding = async {
        let mut octets = 0;
        while octets <= DISCARDED_MAX {
            match body.frame().await {
                Some(Ok(frame)) => octets += frame.data_ref().map_or(0, Bytes::len),
                _ => break,
            }
        }
    };
    // Out of time is as good as done.
    let _ = tokio::time::timeout(DISCARDING_MAX, discarding).await;
}
