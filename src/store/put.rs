//! One row: from what it was to what it is to be, with its checksum and its table's tally.
//!
//! An existing row's checksum is not read: it is computed from the state before, and the statement finds the row by it.
//! A row that is not there was changed by somebody else; then nothing is written.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

use super::tally::{TABLES, Table, Tallies, checksum};
use super::write::WriteError;

pub(super) type Column<'a> = ValueRef<'a>;

/// What a statement does to a row.
#[derive(Clone, Copy)]
enum Verb {
    Insert,
    Update,
    Delete,
}

/// The rows of a transaction under way. A statement is looked up once for it, however many rows it writes.
pub(super) struct Rows<'c> {
    connection: &'c Connection,
    statements: [[Option<CachedStatement<'c>>; 3]; TABLES],
    /// The tallies after what was written.
    pub(super) tallies: Tallies,
    scratch: Vec<u8>,
}

impl<'c> Rows<'c> {
    /// Within a transaction of `connection`, whose tallies are `tallies` until now.
    pub(super) fn new(connection: &'c Connection, tallies: Tallies) -> Self {
        Self {
            connection,
            statements: std::array::from_fn(|_| [None, None, None]),
            tallies,
            scratch: Vec::new(),
        }
    }

    /// Brings one row from `before` to `after`, and its table's tally with it.
    pub(super) fn put(
        &mut self,
        table: Table,
        key: &[Column<'_>],
        before: Option<&[Column<'_>]>,
        after: Option<&[Column<'_>]>,
    ) -> Result<(), WriteError> {
        if before == after {
            return Ok(());
        }
        let mut sum = |row: Option<&[Column<'_>]>| {
            row.map(|values| checksum(table, key.iter().chain(values).copied(), &mut self.scratch))
        };
        let (old, new) = (sum(before), sum(after));
        let verb = match (old, new) {
            (None, _) => Verb::Insert,
            (Some(_), Some(_)) => Verb::Update,
            (Some(_), None) => Verb::Delete,
        };
        let statement = self.statement(table, verb)?;
        let values = after.into_iter().flatten();
        let sums = [new, old];
        let sums = sums.iter().flatten().map(|sum| ValueRef::Integer(*sum));
        for (at, column) in key.iter().chain(values).copied().chain(sums).enumerate() {
            statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(column))?;
        }
        if statement.raw_execute()? != 1 {
            return Err(WriteError::Strange(table));
        }
        if let Some(tally) = self.tallies.of(table) {
            if let Some(old) = old {
                tally.remove(old);
            }
            if let Some(new) = new {
                tally.add(new);
            }
        }
        Ok(())
    }

    fn statement(&mut self, table: Table, verb: Verb) -> Result<&mut CachedStatement<'c>, WriteError> {
        let place = &mut self.statements[table as usize][verb as usize];
        if place.is_none() {
            let sql = table.sql();
            let sql = match verb {
                Verb::Insert => &sql.insert,
                Verb::Update => &sql.update,
                Verb::Delete => &sql.delete,
            };
            *place = Some(self.connection.prepare_cached(sql)?);
        }
        Ok(place.as_mut().expect("just put there, if it was not"))
    }
}
