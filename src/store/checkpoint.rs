//! Copies the write-ahead log into the data base, beside the writer.
//!
//! Left to itself SQLite does it in the commit that passes a limit, and whoever waits for that commit waits until
//! megabytes are copied and synced. Here a thread with a connection of its own copies while commits go on. The log begins
//! anew only at a moment when all of it is copied, and a busy writer never leaves such a moment: so what it added
//! meanwhile it copies itself, between two commits, once that is little.
//!
//! A copy that fails costs nothing but room: the log has what was committed, and the next copy begins where the last
//! one ended well.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open::copying_connection;

/// Pages that are not copied after which copying begins: 16 MiB.
const BEGIN_PAGES: u32 = 4096;
/// Pages that the writer copies itself: some milliseconds.
const FINISH_PAGES_MAX: u32 = 512;
/// How often the thread copies before the writer finishes, however much is left.
const ROUNDS_MAX: u32 = 4;
/// Pages that are not copied, as a multiple of those at which copying begins, after which the writer waits: the bound of
/// the log's growth.
const WAIT_FACTOR: u32 = 8;

/// How far the log was copied, in pages of it.
type Copied = Result<u32, rusqlite::Error>;

/// The thread that copies. It ends when nobody can ask it any more.
#[derive(Debug)]
struct Copier {
    requests: SyncSender<()>,
    outcomes: Receiver<Copied>,
    thread: JoinHandle<()>,
}

impl Copier {
    fn start(db: PathBuf) -> std::io::Result<Self> {
        let (requests, asked) = sync_channel(1);
        let (told, outcomes) = sync_channel(1);
        let run = move || {
            let mut connection = None;
            while asked.recv().is_ok() {
                let outcome = match connection.take() {
                    Some(connection) => Ok(connection),
                    None => copying_connection(&db),
                }
                .and_then(|open| copy(connection.insert(open)));
                if told.send(outcome).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(run)?;
        Ok(Self {
            requests,
            outcomes,
            thread,
        })
    }
}

/// When what is copied, and by whom.
#[derive(Debug)]
pub(super) struct Checkpoints {
    db: PathBuf,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// So many of them are copied, or not to be tried again.
    copied: u32,
    begin_pages: u32,
    copier: Option<Copier>,
    /// How often the thread was asked since the writer finished last; it is at work if that is not all told.
    rounds: u32,
    is_copying: bool,
}

impl Checkpoints {
    /// Of the log of `connection`, the only one that writes to the data base `db`.
    pub(super) fn of(connection: &mut Connection, db: &Path) -> Result<Self, rusqlite::Error> {
        let pages = Arc::new(AtomicU32::new(0));
        let told = pages.clone();
        // SQLite's own copying in a commit is such a hook too, and this takes its place.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            told.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            db: db.to_owned(),
            pages,
            copied: 0,
            begin_pages: BEGIN_PAGES,
            copier: None,
            rounds: 0,
            is_copying: false,
        })
    }

    /// The data base.
    pub(super) fn db(&self) -> &Path {
        &self.db
    }

    /// Pages in the log that are not copied.
    fn left(&mut self) -> u32 {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.copied {
            // It began anew.
            self.copied = 0;
        }
        pages - self.copied
    }

    /// Does what is due between two commits of `connection`.
    pub(super) fn tidy(&mut self, connection: &Connection) {
        if self.is_copying {
            if self.left() >= WAIT_FACTOR.saturating_mul(self.begin_pages) {
                self.wait();
            } else if !self.take_outcome(false) {
                return;
            }
        }
        let left = self.left();
        if self.rounds > 0 && (left <= FINISH_PAGES_MAX || self.rounds >= ROUNDS_MAX) {
            self.finish(connection);
        } else if self.rounds > 0 || left >= self.begin_pages {
            self.begin(connection);
        }
    }

    /// Waits until nothing is being copied.
    pub(super) fn wait(&mut self) {
        if self.is_copying {
            self.take_outcome(true);
        }
    }

    fn begin(&mut self, connection: &Connection) {
        if self.copier.is_none() {
            self.copier = Copier::start(self.db.clone())
                .map_err(|error| tracing::warn!(%error, "no thread to copy the write-ahead log; the writer does it"))
                .ok();
        }
        let asked = self.copier.as_ref().map(|copier| copier.requests.send(()));
        if let Some(Ok(())) = asked {
            self.is_copying = true;
            self.rounds += 1;
        } else {
            self.finish(connection);
        }
    }

    /// Copies what is left. What a reader holds up is tried again when as much again was written.
    fn finish(&mut self, connection: &Connection) {
        self.note(copy(connection));
        self.copied = self.pages.load(Ordering::Relaxed);
        self.rounds = 0;
    }

    /// Takes what the thread has to tell; whether it had.
    fn take_outcome(&mut self, wait: bool) -> bool {
        let Some(copier) = &self.copier else { return true };
        let outcome = match wait {
            true => copier.outcomes.recv().map_err(|_| TryRecvError::Disconnected),
            false => copier.outcomes.try_recv(),
        };
        match outcome {
            Ok(copied) => self.note(copied),
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {
                tracing::error!("the thread that copies the write-ahead log ended; another one follows it");
                self.copier = None;
            }
        }
        self.is_copying = false;
        true
    }

    fn note(&mut self, copied: Copied) {
        match copied {
            Ok(pages) => self.copied = pages,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log cannot be copied into the data base now; it grows meanwhile");
                // As what a reader holds up.
                self.copied = self.pages.load(Ordering::Relaxed);
                self.rounds = 0;
            }
        }
    }
}

impl Drop for Checkpoints {
    /// Waits, and ends the thread: its connection is closed then.
    fn drop(&mut self) {
        let Some(copier) = self.copier.take() else { return };
        let Copier {
            requests,
            outcomes,
            thread,
        } = copier;
        drop((requests, outcomes));
        if thread.join().is_err() {
            tracing::error!(
                "the thread that copies the write-ahead log ended by a panic; nothing is lost by it"
            );
        }
    }
}

/// Copies what no reader needs and no writer holds up, and says how far the log is copied.
fn copy(connection: &Connection) -> Copied {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2));
    // -1: another connection is at it.
    copied.map(|pages: i64| u32::try_from(pages).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(dir: &Path) -> (Connection, Checkpoints, PathBuf) {
        let db = dir.join("a.db");
        let mut connection = Connection::open(&db).expect("a data base");
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE rows (octets BLOB NOT NULL)")
            .expect("a table");
        let mut checkpoints = Checkpoints::of(&mut connection, &db).expect("a hook");
        checkpoints.begin_pages = 20;
        (connection, checkpoints, db)
    }

    fn commit(connection: &Connection) {
        connection
            .execute("INSERT INTO rows VALUES (zeroblob(20000))", [])
            .expect("a row");
    }

    #[test]
    fn the_log_is_copied_beside_commits_and_begins_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let (connection, mut checkpoints, db) = logged(dir.path());
        let began = checkpoints.pages.load(Ordering::Relaxed);
        let (mut most, mut anew, mut last) = (0, 0, 0);
        for number in 0..300 {
            commit(&connection);
            checkpoints.tidy(&connection);
            // As if commits were that slow.
            if number % 10 == 9 {
                checkpoints.wait();
            }
            let pages = checkpoints.pages.load(Ordering::Relaxed);
            anew += u32::from(pages < last);
            most = most.max(pages);
            last = pages;
        }
        assert_eq!(began, 0);
        assert!(anew >= 10, "the log of {last} pages began anew {anew} times");
        assert!(checkpoints.copier.is_some(), "by the thread");
        let bound = (WAIT_FACTOR + 1) * 20 + ROUNDS_MAX * FINISH_PAGES_MAX;
        assert!(most < bound, "{most} pages");
        drop(checkpoints);
        let rows: i64 = connection
            .query_row("SELECT count(*) FROM rows", [], |row| row.get(0))
            .expect("a number");
        drop(connection);
        assert!(
            !db.with_extension("db-wal").exists(),
            "nobody has it open any more"
        );
        let connection = Connection::open(&db).expect("a data base");
        let after: i64 = connection
            .query_row("SELECT count(*) FROM rows", [], |row| row.get(0))
            .expect("a number");
        assert_eq!(after, rows);
    }

    #[test]
    fn a_reader_that_holds_the_log_delays_copying_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let (connection, mut checkpoints, db) = logged(dir.path());
        commit(&connection);
        let reader = Connection::open(&db).expect("a reader");
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM rows")
            .expect("a snapshot");
        for _ in 0..100 {
            commit(&connection);
            checkpoints.tidy(&connection);
        }
        checkpoints.wait();
        let held = checkpoints.pages.load(Ordering::Relaxed);
        assert!(held >= 500, "{held} pages: it cannot begin anew");
        reader.execute_batch("COMMIT").expect("an end");
        let mut begins_anew = false;
        for _ in 0..200 {
            commit(&connection);
            checkpoints.tidy(&connection);
            checkpoints.wait();
            begins_anew |= checkpoints.pages.load(Ordering::Relaxed) < held;
        }
        assert!(begins_anew, "it does once nobody holds it");
        drop(checkpoints);
    }
}
