//! Watches without a socket: what is asked for is polled by the test, so that each step comes when it says.

use std::pin::Pin;
use std::time::Duration;

use axum::http::Response;

use super::*;

/// How long something may take that comes soon.
const SOON: Duration = Duration::from_secs(20);
/// After which nothing comes any more.
const NOTHING: Duration = Duration::from_millis(200);

impl Api {
    /// Begins a watch.
    async fn watch(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let response = self.front.answer(request, &Peer::new(peer)).await;
        assert_eq!(response.status(), 200, "{path}");
        response
    }

    fn watchers(&self) -> u64 {
        let text = self.deps.metrics.text(Default::default());
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("callsign_watchers "));
        line.expect("it is counted").parse().expect("a number")
    }
}

/// The next piece, if one comes within this time.
async fn piece(watch: &mut Response<Body>, within: Duration) -> Option<String> {
    let next = std::future::poll_fn(|context| Pin::new(watch.body_mut()).poll_frame(context));
    let frame = tokio::time::timeout(within, next).await.ok()?;
    let frame = frame.expect("it goes on").expect("a watch has no errors");
    let data = frame.into_data().expect("data");
    Some(String::from_utf8(data.to_vec()).expect("UTF-8"))
}

fn index_of(watch: &Response<Body>) -> u64 {
    let value = watch.headers().get("x-callsign-index").expect("an index");
    value.to_str().expect("text").parse().expect("a number")
}

#[tokio::test]
async fn from_now_is_from_the_index_that_the_reply_says() {
    let api = Api::new().await;
    // Somebody follows already, and what is committed next is not told yet: nothing tells on here so far.
    let _first = api.watch("/v1/watch", &[]).await;
    api.done("PUT /v1/services/a", "{}").await;
    let mut second = api.watch("/v1/watch", &[]).await;
    assert_eq!(index_of(&second), 2);
    let telling = async {
        let told = piece(&mut second, NOTHING).await;
        assert_eq!(told, None, "what came before the watch");
        api.done("PUT /v1/services/b", "{}").await;
        let told = piece(&mut second, SOON).await.expect("a change");
        assert!(told.starts_with("id: 3\n"), "{told}");
    };
    tokio::select! {
        () = telling => {}
        () = api.front.tell() => {}
    }
}

#[tokio::test]
async fn the_head_of_a_watch_says_no_length_and_takes_no_place() {
    let api = Api::new().await;
    let reply = api.ask("HEAD /v1/watch", "").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/event-stream")
    );
    assert!(!reply.has("content-length"), "{:?}", reply.headers);
    assert_eq!(api.watchers(), 0);
}

#[tokio::test]
async fn who_takes_a_picture_slowly_keeps_nobody_from_the_log() {
    let api = Api::new().await;
    api.done("PUT /v1/services/a", "{}").await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut watch = api.watch("/v1/watch?snapshot=true", &[]).await;
        // It takes the first piece, and asks for no other one. Past a bound others wait for their turn.
        let _ = piece(&mut watch, Duration::from_millis(5)).await;
        slow.push(watch);
    }
    let mut late = api.watch("/v1/watch?after=0", &[]).await;
    let told = piece(&mut late, SOON).await.expect("a change of the log");
    assert!(told.starts_with("id: 1\n"), "{told}");
}
