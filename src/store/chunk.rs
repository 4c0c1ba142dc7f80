//! Rows, read by one thread and checked and parsed by several, in order.

use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::tally::{Table, Tally, checksum_of, decode, encode};
use super::trouble::Trouble;

/// Rows in a chunk.
const ROWS: usize = 256;
/// Chunks that wait for a parser; past it the reader parses one itself.
const WAITING_MAX: usize = 4;
/// Threads that parse, at most; more than this the reader cannot feed.
const PARSERS_MAX: usize = 3;

/// Consecutive rows of a table, copied out of SQLite as their checksums see them.
struct Chunk {
    /// Its place in the table.
    place: usize,
    octets: Vec<u8>,
    /// Where each row ends in `octets`, and its checksum.
    rows: Vec<(usize, i64)>,
}

impl Chunk {
    fn new(place: usize) -> Self {
        Self {
            place,
            octets: Vec::with_capacity(ROWS * 320),
            rows: Vec::with_capacity(ROWS),
        }
    }

    /// Each row, held against its checksum; and the tally of them all.
    fn each<const WIDTH: usize>(
        &self,
        table: Table,
        mut row_is: impl FnMut([ValueRef<'_>; WIDTH]) -> Result<(), Trouble>,
    ) -> Result<Tally, Trouble> {
        let mut tally = Tally::default();
        let mut start = 0;
        for (end, kept) in &self.rows {
            let row = &self.octets[start..*end];
            start = *end;
            let mut columns = decode(table, row);
            let columns = std::array::from_fn(|_| columns.next().unwrap_or(ValueRef::Null));
            if checksum_of(row) != *kept {
                return Err(damaged(table, &shown(&columns), "it does not match its checksum"));
            }
            tally.add(*kept);
            row_is(columns)?;
        }
        Ok(tally)
    }
}

/// What an operator finds a row by: its columns as far as they are short.
pub(super) fn shown(columns: &[ValueRef<'_>]) -> String {
    let words = columns.iter().filter_map(|column| match column {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Text(text) if !text.is_empty() && text.len() < 256 && !text.starts_with(b"{") => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
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
    parse: impl Fn([ValueRef<'_>; WIDTH], &mut Vec<T>) -> Result<(), Trouble> + Sync,
) -> Result<(Vec<Vec<T>>, Tally), Trouble> {
    assert_eq!(WIDTH, table.width(), "the caller knows the table");
    let parsed = Mutex::new(Vec::new());
    let parse_chunk = |chunk: &Chunk| {
        let mut things = Vec::with_capacity(ROWS);
        let tally = chunk.each(table, |row| parse(row, &mut things));
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
        read::<WIDTH>(connection, table, |chunk| match sender.try_send(chunk) {
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

fn read<const WIDTH: usize>(
    connection: &Connection,
    table: Table,
    mut full: impl FnMut(Chunk),
) -> Result<(), Trouble> {
    let mut statement = connection.prepare(&table.sql().select)?;
    let mut rows = statement.query([])?;
    let mut chunk = Chunk::new(0);
    while let Some(row) = rows.next()? {
        let columns: [ValueRef<'_>; WIDTH] = columns(row)?;
        encode(table, columns, &mut chunk.octets);
        chunk.rows.push((chunk.octets.len(), row.get(WIDTH)?));
        if chunk.rows.len() == ROWS {
            let next = Chunk::new(chunk.place + 1);
            full(std::mem::replace(&mut chunk, next));
        }
    }
    full(chunk);
    Ok(())
}

fn columns<'r, const WIDTH: usize>(
    row: &'r rusqlite::Row<'_>,
) -> Result<[ValueRef<'r>; WIDTH], rusqlite::Error> {
    let mut columns = [ValueRef::Null; WIDTH];
    for (at, column) in columns.iter_mut().enumerate() {
        *column = row.get_ref(at)?;
    }
    Ok(columns)
}

fn next(receiver: &Mutex<Receiver<Chunk>>) -> Option<Chunk> {
    locked(receiver).recv().ok()
}

/// What these locks guard is whole whenever they are released.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
