//! One watcher's stream: the picture if it asked for one, then the changes; from the log while it is behind, from the
//! broadcast once it is not. It is asked for the next piece when the last one is on its way: a client that does not
//! read asks for none, and is cut off by its connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Running;
use crate::store::HistoryError;

use super::super::connection::Unread;
use super::super::follow::Followed;
use super::super::router::Api;
use super::Mark;
use super::filter::Told;
use super::hub::{Behind, Follower};
use super::line::{Form, Line, mark};
use super::picture::Picture;

/// Changes that are taken from the broadcast in one go, and octets of their text after which it is enough: what a slow
/// client has not taken yet may have left the ring, and is then held for it alone.
const TAKEN_MAX: (usize, usize) = (64, 16 << 10);
/// Changes that are read from the log in one go, and octets of their text after which it is enough.
const READ_MAX: (u64, usize) = (512, 64 << 10);

/// How long a picture may take to be read: it holds on to a catalog that is old by then.
const PICTURE_TIME_MAX: Duration = Duration::from_secs(300);

/// What is told to one watcher.
pub(super) struct Stream {
    pub(super) api: Arc<Api>,
    pub(super) follower: Follower,
    pub(super) form: Form,
    pub(super) phase: Phase,
    /// Between two comments while nothing happens.
    pub(super) beat: Duration,
    pub(super) ready: VecDeque<Bytes>,
    /// Held while a piece of its own is on its way: pieces that nobody shares are few at a time.
    pub(super) own: Option<OwnedSemaphorePermit>,
}

/// How far it is.
pub(super) enum Phase {
    /// A picture is to be shown, after telling so if it takes the place of changes that are lost.
    Wanted { instead: bool },
    /// It is shown, since then.
    Shown(Picture, Running),
    /// Changes follow.
    Changes,
}

/// Why a watch ended that was not asked to.
enum End {
    /// The server stops.
    Over,
    /// It was so slow that what it needs next is not kept any more.
    TooSlow,
    /// The log cannot be read.
    Failed(String),
}

impl Stream {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        match self.piece().await {
            Ok(piece) => Some(piece),
            Err(End::Over) => None,
            Err(End::TooSlow) => {
                self.api.metrics.followers.cut_off();
                tracing::info!("a watcher was cut off: what it was to be told next is not kept any more");
                None
            }
            Err(End::Failed(error)) => {
                tracing::error!(error, "a watch ended: the change log cannot be read");
                None
            }
        }
    }

    async fn piece(&mut self) -> Result<Bytes, End> {
        loop {
            if self.follower.is_over() {
                return Err(End::Over);
            }
            if let Some(piece) = self.ready.pop_front() {
                return Ok(piece);
            }
            match &mut self.phase {
                Phase::Wanted { instead } => {
                    let instead = *instead;
                    self.own = Some(turn(&self.api.turns.pictures).await?);
                    let picture = Picture::of(
                        self.api.current.snapshot(),
                        self.follower.interest().clone(),
                        self.form,
                    );
                    let index = picture.index();
                    self.phase = Phase::Shown(picture, self.api.clock.running());
                    if instead {
                        return Ok(mark(self.form, "reset", None, &self.marked("reset", index)));
                    }
                }
                Phase::Shown(_, since) if self.api.clock.running().since(*since) > PICTURE_TIME_MAX => {
                    return Err(End::TooSlow);
                }
                Phase::Shown(picture, _) => match picture.piece() {
                    Some(piece) => return Ok(piece.into()),
                    None => {
                        let index = picture.index();
                        self.phase = Phase::Changes;
                        self.own = None;
                        self.follower.go_on_from(index);
                        return Ok(mark(
                            self.form,
                            "synced",
                            Some(index),
                            &self.marked("synced", index),
                        ));
                    }
                },
                Phase::Changes => {
                    self.own = None;
                    match self.follower.take(TAKEN_MAX.0) {
                        Ok(new) if new.is_empty() => {
                            // Room that a burst took.
                            self.ready = VecDeque::new();
                            if let Some(comment) = self.quiet().await {
                                return Ok(comment);
                            }
                        }
                        Ok(new) => self.take_up(&new),
                        Err(Behind(until)) => self.catch_up(until).await?,
                    }
                }
            }
        }
    }

    fn marked(&self, kind: &'static str, index: u64) -> Mark {
        Mark {
            kind,
            index,
            at: self.api.clock.now(),
        }
    }

    /// Waits until something happens; a comment if nothing does.
    async fn quiet(&mut self) -> Option<Bytes> {
        match tokio::time::timeout(self.beat, self.follower.rung()).await {
            Ok(()) => None,
            // Lines have no comments.
            Err(_) if self.form == Form::Lines => None,
            Err(_) => Some(Bytes::from_static(b": here\n\n")),
        }
    }

    /// Makes changes of the broadcast ready, as many as are enough for now.
    fn take_up(&mut self, new: &[Arc<Told>]) {
        let mut octets = 0;
        for told in new {
            let text = told.line().text(self.form);
            octets += text.len();
            self.ready.push_back(text.clone());
            self.follower.go_on_from(told.index());
            if octets >= TAKEN_MAX.1 {
                break;
            }
        }
    }

    /// Reads the next part of the log; `until` is the last change that is there alone.
    async fn catch_up(&mut self, until: u64) -> Result<(), End> {
        self.own = Some(turn(&self.api.turns.parts).await?);
        let (after, form) = (self.follower.seen(), self.form);
        let interest = self.follower.interest().clone();
        let read = self.api.past.read(move |history| {
            let (mut text, mut changes) = (Vec::new(), 0);
            let last = history.read(after, until, |logged| {
                changes += 1;
                if interest.has(&logged.record) {
                    let line = Line::of(&logged.record, &logged.actor);
                    text.extend_from_slice(line.text(form));
                }
                changes < READ_MAX.0 && text.len() < READ_MAX.1
            })?;
            Ok((text, last))
        });
        match read.await {
            Ok((text, last)) => {
                self.follower.go_on_from(last);
                if !text.is_empty() {
                    self.ready.push_back(text.into());
                }
                Ok(())
            }
            Err(_) if self.follower.is_over() => Err(End::Over),
            Err(HistoryError::Gone { .. }) => Err(End::TooSlow),
            Err(HistoryError::Failed(error)) => Err(End::Failed(error)),
        }
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, End> {
    turns.clone().acquire_owned().await.map_err(|_| End::Over)
}

/// A piece under way, and the stream when it is there.
type UnderWay = Pin<Box<dyn Future<Output = (Box<Stream>, Option<Bytes>)> + Send>>;

/// A stream as the body of a reply.
pub(super) struct Flow {
    under_way: Option<UnderWay>,
    unread: Option<Unread>,
    /// What the server set aside for this watcher.
    _followed: Followed,
}

impl Flow {
    pub(super) fn of(stream: Stream, unread: Option<Unread>, followed: Followed) -> Self {
        Self {
            under_way: Some(next(Box::new(stream))),
            unread,
            _followed: followed,
        }
    }
}

fn next(mut stream: Box<Stream>) -> UnderWay {
    Box::pin(async move {
        let piece = stream.next().await;
        (stream, piece)
    })
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(unread) = &self.unread {
            unread.asked();
        }
        let Some(under_way) = &mut self.under_way else {
            return Poll::Ready(None);
        };
        let (stream, piece) = ready!(under_way.as_mut().poll(cx));
        self.under_way = piece.is_some().then(|| next(stream));
        if let Some(unread) = self.unread.as_ref().filter(|_| piece.is_some()) {
            unread.gave();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}
