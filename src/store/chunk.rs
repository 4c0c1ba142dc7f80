//! Rows of text, read by one thread and parsed by several, in order.

use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::tally::{Table, Tally, checksum};
use super::trouble::Trouble;

/// Rows in a chunk.
const ROWS: usize = 256;
/// Chunks that wait for a parser; past it the reader parses one itself.
const WAITING_MAX: usize = 4;
/// Threads that parse, at most; more than this the reader cannot feed.
const PARSERS_MAX: usize = 3;

/// Consecutive rows of a table all whose columns but the checksum are text, copied out of SQLite.
pub(super) struct Chunk {
    table: Table,
    /// Its place in the table.
    place: usize,
    octets: Vec<u8>,
    /// Where each column ends in `octets`.
    ends: Vec<usize>,
    checksums: Vec<i64>,
}

impl Chunk {
    fn new(table: Table, place: usize) -> Self {
        Self {
            table,
            place,
            octets: Vec::with_capacity(ROWS * 256),
            ends: Vec::with_capacity(ROWS * table.width()),
            checksums: Vec::with_capacity(ROWS),
        }
    }

    fn push(&mut self, row: &rusqlite::Row<'_>) -> Result<(), Trouble> {
        let width = self.table.width();
        for column in 0..width {
            let ValueRef::Text(text) = row.get_ref(column)? else {
                return Err(damaged(self.table, "?", "a column is not text"));
            };
            self.octets.extend_from_slice(text);
            self.ends.push(self.octets.len());
        }
        self.checksums.push(row.get(width)?);
        Ok(())
    }

    /// Each row that fits its checksum, as text; and the tally of them all.
    fn rows<const WIDTH: usize>(
        &self,
        mut each: impl FnMut([&str; WIDTH]) -> Result<(), Trouble>,
    ) -> Result<Tally, Trouble> {
        let mut tally = Tally::default();
        let mut scratch = Vec::new();
        let mut start = 0;
        for (ends, kept) in self.ends.chunks_exact(WIDTH).zip(&self.checksums) {
            let columns: [&[u8]; WIDTH] = std::array::from_fn(|at| {
                let column = &self.octets[start..ends[at]];
                start = ends[at];
                column
            });
            let key = || String::from_utf8_lossy(&columns[..WIDTH - 1].join(&b' ')).into_owned();
            if checksum(self.table, columns.map(ValueRef::Text), &mut scratch) != *kept {
                return Err(damaged(self.table, &key(), "it does not match its checksum"));
            }
            tally.add(*kept);
            let mut row = [""; WIDTH];
            for (text, column) in row.iter_mut().zip(columns) {
                *text = std::str::from_utf8(column).map_err(|error| damaged(self.table, &key(), error))?;
            }
            each(row)?;
        }
        Ok(tally)
    }
}

/// The trouble with one row.
pub(super) fn damaged(table: Table, key: &str, what: impl std::fmt::Display) -> Trouble {
    Trouble::Damaged(format!("table {}, row {key}: {what}", table.name()))
}

/// Reads the whole `table`, lets `parse` make things of each row, and returns the things of each chunk in order, with
/// the table's tally.
pub(super) fn in_chunks<T: Send, const WIDTH: usize>(
    connection: &Connection,
    table: Table,
    parse: impl Fn([&str; WIDTH], &mut Vec<T>) -> Result<(), Trouble> + Sync,
) -> Result<(Vec<Vec<T>>, Tally), Trouble> {
    assert_eq!(WIDTH, table.width(), "the caller knows the table");
    let parsed = Mutex::new(Vec::new());
    let parse_chunk = |chunk: &Chunk| {
        let mut things = Vec::with_capacity(ROWS);
        let tally = chunk.rows(|row| parse(row, &mut things));
        locked(&parsed).push((chunk.place, tally.map(|tally| (things, tally))));
    };
    let (sender, receiver) = sync_channel::<Chunk>(WAITING_MAX);
    let receiver = Mutex::new(receiver);
    let parsers = thread::available_parallelism().map_or(1, |cores| cores.get() - 1);
    thread::scope(|scope| {
        for _ in 0..parsers.clamp(1, PARSERS_MAX) {
            scope.spawn(|| {
                while let Some(chunk) = next(&receiver) {
                    parse_chunk(&chunk);
                }
            });
        }
        // Moved in here, so that an early return hangs up and the parsers end.
        let sender = sender;
        read(connection, table, |chunk| match sender.try_send(chunk) {
            Ok(()) => {}
            Err(TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) => parse_chunk(&chunk),
        })?;
        Ok::<_, Trouble>(())
    })?;
    let mut parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
    parsed.sort_unstable_by_key(|(place, _)| *place);
    let mut tally = Tally::default();
    let mut all = Vec::with_capacity(parsed.len());
    for (_, chunk) in parsed {
        let (things, of_chunk) = chunk?;
        tally.join(of_chunk);
        all.push(things);
    }
    Ok((all, tally))
}

fn read(connection: &Connection, table: Table, mut full: impl FnMut(Chunk)) -> Result<(), Trouble> {
    let mut statement = connection.prepare(&table.sql().select)?;
    let mut rows = statement.query([])?;
    let mut chunk = Chunk::new(table, 0);
    while let Some(row) = rows.next()? {
        chunk.push(row)?;
        if chunk.checksums.len() == ROWS {
            let next = Chunk::new(table, chunk.place + 1);
            full(std::mem::replace(&mut chunk, next));
        }
    }
    full(chunk);
    Ok(())
}

fn next(receiver: &Mutex<Receiver<Chunk>>) -> Option<Chunk> {
    locked(receiver).recv().ok()
}

/// What these locks guard is whole whenever they are released.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
