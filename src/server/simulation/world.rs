//! The real thing, stepped: store, writer, view, deadlines, feed and change log over real files, without a thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;

use crate::catalog::{Base, Change, InstanceKey, ZoneName};
use crate::clock::{Alarm, Clock, ManualClock, Timestamp};
use crate::feed::Feed;
use crate::lease::guard::Guarding;
use crate::lease::{Deadlines, Renewal};
use crate::store::{History, Keep, Store};
use crate::view::{Current, Snapshot};
use crate::writer::stepped::Stepped;
use crate::writer::steps::Step;
use crate::writer::{Done, Refusal, Request};

/// Where a crash cuts a batch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing is written.
    Tried,
    /// The rows are written, and not committed.
    Written,
    /// Committed, and the mark beside the data base is the one before.
    Unmarked,
    /// Committed and marked, and nobody sees it.
    Committed,
    /// Published, and nobody was answered.
    Published,
    /// So many were answered, and others not.
    Told(usize),
}

/// What goes wrong in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The data base may not grow.
    Full,
    /// Another process holds the lock.
    Locked,
    /// The commit fails, and is not there.
    Refused,
    /// The commit fails, and is there.
    Lost,
    /// The process ends.
    Crash(Cut),
}

/// SQLite calls it after a commit, and says what it says.
type Failing = fn(&mut rusqlite::hooks::Wal, std::ffi::c_int) -> rusqlite::Result<()>;

/// What a server is started with.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) base: Base,
    pub(super) zone: ZoneName,
    pub(super) keep: Keep,
    pub(super) guarding: Guarding,
}

/// Folders of one thread: seeds begin with a copy of an empty catalog.
pub(super) struct Yard {
    folder: tempfile::TempDir,
    made: u64,
}

/// The room that is kept for a full disk is one file for all folders of a thread: to occupy 8 MiB costs more than a seed.
const RESERVE: &str = "callsign.reserve";

impl Yard {
    /// On a file system in memory, where there is one: what a sync does is not simulated.
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("callsign-simulation")
            .tempdir_in(place);
        let folder = folder.expect("a folder");
        let opened = Store::open(&folder.path().join("empty")).expect("a new catalog");
        opened.store.close().expect("nobody reads it");
        Self { folder, made: 0 }
    }

    fn another(&mut self) -> PathBuf {
        self.made += 1;
        let dir = self.folder.path().join(self.made.to_string());
        fs::create_dir(&dir).expect("a folder");
        let reserve = self.folder.path().join("empty").join(RESERVE);
        fs::hard_link(reserve, dir.join(RESERVE)).expect("a link");
        dir
    }

    pub(super) fn empty(&mut self) -> PathBuf {
        let dir = self.another();
        copy(&self.folder.path().join("empty"), &dir, None);
        dir
    }
}

/// What a process that ends leaves behind: the files as the system has them, with that mark if it is given.
fn copy(from: &Path, to: &Path, mark: Option<&[u8]>) {
    for name in ["callsign.db", "callsign.db-wal", "callsign.lock"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).expect("a copy");
        }
    }
    if let Some(mark) = mark {
        fs::write(to.join("callsign.lock"), mark).expect("a mark");
    }
}

/// A server that runs.
pub(super) struct World {
    dir: PathBuf,
    pub(super) writer: Stepped,
    pub(super) current: Arc<Current>,
    pub(super) feed: Arc<Feed>,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) clock: Clock,
    pub(super) hands: Arc<ManualClock>,
    pub(super) history: History,
}

/// What came of a batch.
pub(super) struct Made {
    pub(super) replies: Vec<Result<Done, Refusal>>,
    /// What the heartbeats were told that came while it was written.
    pub(super) beats: Vec<Renewal>,
    /// Where the files are that a crash left.
    pub(super) left: Option<PathBuf>,
}

impl World {
    /// Starts as `server` does, and gives what opening the zones was answered.
    pub(super) fn start(dir: PathBuf, setup: &Setup, wall: Timestamp) -> (Self, Result<Done, Refusal>) {
        let mut opened = Store::open(&dir).unwrap_or_else(|error| panic!("it does not open: {error}"));
        opened.state.base = setup.base.clone();
        opened.store.keep(setup.keep);
        let (clock, hands) = Clock::manual(wall);
        let current = Arc::new(Current::new(Snapshot::of(opened.state)));
        let feed = Arc::new(Feed::new(current.load().state.index));
        let alarm = Arc::new(Alarm::default());
        let deadlines = Arc::new(Deadlines::guarded(
            clock.clone(),
            alarm,
            setup.guarding,
            Arc::default(),
        ));
        deadlines.load(&current.load().state);
        let writer = Stepped::new(
            opened.store,
            current.clone(),
            feed.clone(),
            deadlines.clone(),
            clock.clone(),
        );
        let history = History::of(&dir);
        let mut world = Self {
            dir,
            writer,
            current,
            feed,
            deadlines,
            clock,
            hands,
            history,
        };
        let open = Change::Open {
            zones: vec![setup.zone.clone()],
            base: setup.base.clone(),
        };
        let request = Request {
            operations: vec![open.into()],
            actor: "start".into(),
        };
        let opened = world.writer.make(vec![request]).pop().expect("one answer");
        (world, opened)
    }

    pub(super) fn advance(&self, ms: u64) {
        self.hands.advance(Duration::from_millis(ms));
    }

    /// Makes a batch while `fault` stands, and lets `beats` come in while it is written.
    pub(super) fn make(
        &mut self,
        yard: &mut Yard,
        requests: Vec<Request>,
        fault: Fault,
        beats: Vec<InstanceKey>,
    ) -> Made {
        let told = Arc::new(Mutex::new(Vec::new()));
        let crash = match fault {
            Fault::Crash(cut) => Some((cut, yard.another())),
            _ => None,
        };
        let other = self.lay(fault, crash.as_ref());
        let mut tellings = 0;
        let watched = {
            let (told, deadlines, crash) = (told.clone(), self.deadlines.clone(), crash.clone());
            let (dir, mark) = (
                self.dir.clone(),
                fs::read(self.dir.join("callsign.lock")).unwrap_or_default(),
            );
            move |step: Step| {
                if step == Step::Tried {
                    let renewed = beats.iter().map(|key| deadlines.renew(key));
                    told.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(renewed);
                }
                tellings += usize::from(step == Step::Told);
                let Some((cut, to)) = &crash else { return };
                match (cut, step) {
                    (Cut::Tried, Step::Tried)
                    | (Cut::Committed, Step::Committed)
                    | (Cut::Published, Step::Published) => copy(&dir, to, None),
                    (Cut::Unmarked, Step::Committed) => copy(&dir, to, Some(&mark)),
                    (Cut::Told(after), Step::Told) if *after == tellings => copy(&dir, to, None),
                    _ => {}
                }
            }
        };
        self.writer.watch(Some(Box::new(watched)));
        let replies = self.writer.make(requests);
        self.writer.watch(None);
        self.clear(fault);
        drop(other);
        let left = crash.map(|(_, to)| {
            // It was not cut: there was nothing to commit, or fewer to tell.
            if !to.join("callsign.db").exists() {
                copy(&self.dir, &to, None);
            }
            to
        });
        let beats = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
        Made { replies, beats, left }
    }

    fn lay(&mut self, fault: Fault, crash: Option<&(Cut, PathBuf)>) -> Option<rusqlite::Connection> {
        let dir = self.dir.clone();
        let connection = self.writer.store().connection();
        match fault {
            Fault::Full => {
                let pages: i64 = connection
                    .query_row("PRAGMA page_count", [], |row| row.get(0))
                    .expect("a count");
                set_pages_max(connection, pages);
            }
            Fault::Locked => {
                connection.busy_timeout(Duration::ZERO).expect("it can be set");
                let other = rusqlite::Connection::open(dir.join("callsign.db")).expect("a data base");
                other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
                return Some(other);
            }
            Fault::Refused => connection.commit_hook(Some(|| true)).expect("it can be set"),
            Fault::Lost => {
                let failing: Failing = |_, _| Err(rusqlite::Error::InvalidQuery);
                connection.wal_hook(Some(failing)).expect("it can be set");
            }
            Fault::Crash(_) => {
                if let Some((Cut::Written, to)) = crash {
                    let to = to.clone();
                    let hook = move || {
                        copy(&dir, &to, None);
                        false
                    };
                    connection.commit_hook(Some(hook)).expect("it can be set");
                }
            }
            Fault::None => {}
        }
        None
    }

    fn clear(&mut self, fault: Fault) {
        let connection = self.writer.store().connection();
        match fault {
            Fault::Full => set_pages_max(connection, 1 << 30),
            Fault::Refused | Fault::Crash(Cut::Written) => {
                connection
                    .commit_hook(None::<fn() -> bool>)
                    .expect("it can be set");
            }
            // The store counts the pages of its log by such a hook, to copy them in time: here a log stays small.
            Fault::Lost => connection.wal_hook(None::<Failing>).expect("it can be set"),
            _ => {}
        }
    }

    /// Ends the process where it stands; gives the files that it leaves.
    pub(super) fn kill(self, yard: &mut Yard) -> PathBuf {
        let left = yard.another();
        copy(&self.dir, &left, None);
        self.discard();
        left
    }

    /// Ends it in order.
    pub(super) fn stop(self) -> PathBuf {
        let Self {
            dir, writer, history, ..
        } = self;
        drop(history);
        writer.close().expect("nobody reads it");
        dir
    }

    /// What is left behind is nobody's any more.
    pub(super) fn discard(mut self) {
        let connection = self.writer.store().connection();
        // It would be closed in order, which costs more than all before.
        drop(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        let dir = self.dir.clone();
        drop(self);
        drop(fs::remove_dir_all(dir));
    }
}

fn set_pages_max(connection: &rusqlite::Connection, pages: i64) {
    let set = connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()));
    set.expect("it can be set");
}
