//! Large replies on their way: together they have a bound, whoever reads them slowly or not at all.
//!
//! A client that asks for a page of 2 MiB and does not read it keeps those octets for as long as its connection may be
//! idle, on as many connections as there may be, and a hundred times on each that speaks HTTP/2. What is counted is held
//! by the octets themselves, so that it is given back when the last of them has left, and not when hyper has taken them.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::Response;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::body::{Budget, Taken};
use super::problem::Problem;

/// Octets of large replies that are under way; past it 503.
pub const REPLIES_OCTETS_MAX: usize = 32 << 20;
/// Replies of fewer octets are not counted: the kernel takes as much of each at once.
pub(super) const LARGE_OCTETS: usize = 64 << 10;

/// Octets of a reply, and what they took of the budget.
struct Sent {
    octets: Bytes,
    _taken: Taken,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// `response`, counted if it is large and has an end.
pub(super) async fn counted(
    mut response: Response<Body>,
    budget: &Arc<Budget>,
) -> Result<Response<Body>, Problem> {
    let octets = response.body().size_hint().exact();
    if octets.is_none_or(|octets| octets < LARGE_OCTETS as u64) {
        return Ok(response);
    }
    // It is in memory, and comes in one piece.
    let Some(Ok(frame)) = response.body_mut().frame().await else {
        return Err(Problem::internal());
    };
    let octets = frame.into_data().map_err(|_| Problem::internal())?;
    let mut taken = Taken::of(budget);
    taken
        .more(octets.len())
        .map_err(|_| Problem::busy("too many large replies are under way; try again"))?;
    *response.body_mut() = Body::from(Bytes::from_owner(Sent {
        octets,
        _taken: taken,
    }));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(octets: usize) -> Response<Body> {
        Response::new(Body::from(vec![b'x'; octets]))
    }

    #[tokio::test]
    async fn large_replies_are_counted_until_their_octets_are_gone() {
        let budget = Arc::new(Budget::new(LARGE_OCTETS * 2));
        let one = counted(reply(LARGE_OCTETS), &budget).await.expect("room");
        let other = counted(reply(LARGE_OCTETS), &budget).await.expect("room");
        let refused = counted(reply(LARGE_OCTETS), &budget).await.expect_err("no room");
        assert_eq!(refused.status().as_u16(), 503);
        counted(reply(LARGE_OCTETS - 1), &budget)
            .await
            .expect("small ones pass");

        // The body is gone, and a piece of its octets is not.
        let octets = one.into_body().collect().await.expect("in memory").to_bytes();
        assert_eq!(octets.len(), LARGE_OCTETS);
        let rest = octets.slice(LARGE_OCTETS - 1..);
        drop(octets);
        counted(reply(LARGE_OCTETS), &budget)
            .await
            .expect_err("still no room");
        drop(rest);
        counted(reply(LARGE_OCTETS), &budget).await.expect("room");
        drop(other);
    }
}
