//! A table row by row, each held against its checksum.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows};

use super::tally::{Table, Tallies, Tally, checksum};
use super::trouble::Trouble;

/// Columns of the widest table, its checksum left out.
const WIDTH_MAX: usize = 11;

/// Reads the whole `table`, and returns its tally.
pub(super) fn each_row(
    connection: &Connection,
    table: Table,
    row_is: impl FnMut(&[ValueRef<'_>]) -> Result<(), Trouble>,
) -> Result<Tally, Trouble> {
    let mut statement = connection.prepare(&table.sql().select)?;
    each_of(statement.query([])?, table, row_is)
}

/// The same of those `rows` of `table` alone.
pub(super) fn each_of(
    mut rows: Rows<'_>,
    table: Table,
    mut row_is: impl FnMut(&[ValueRef<'_>]) -> Result<(), Trouble>,
) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    let mut scratch = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = [ValueRef::Null; WIDTH_MAX];
        let columns = &mut columns[..table.width()];
        tally.add(checked(row, table, columns, &mut scratch)?);
        row_is(columns)?;
    }
    Ok(tally)
}

/// Takes the `columns` of a `row` of `table`, which must match its checksum; that is returned.
pub(super) fn checked<'r>(
    row: &'r Row<'_>,
    table: Table,
    columns: &mut [ValueRef<'r>],
    scratch: &mut Vec<u8>,
) -> Result<i64, Trouble> {
    for (at, column) in columns.iter_mut().enumerate() {
        *column = row.get_ref(at)?;
    }
    let kept: i64 = row.get(table.width())?;
    if checksum(table, columns.iter().copied(), scratch) != kept {
        return Err(damaged(table, &shown(columns), "it does not match its checksum"));
    }
    Ok(kept)
}

/// The tallies as they are kept.
pub(super) fn tallies(connection: &Connection) -> Result<Tallies, Trouble> {
    let mut tallies = Tallies::default();
    let mut seen = 0;
    each_row(connection, Table::Tallies, |columns| {
        let &[
            ValueRef::Text(name),
            ValueRef::Integer(number),
            ValueRef::Integer(sum),
        ] = columns
        else {
            return Err(damaged(Table::Tallies, "?", "it has other types"));
        };
        let mut tables = Table::TALLIED.into_iter();
        let table = tables.find(|table| table.name().as_bytes() == name);
        let tally = table.and_then(|table| tallies.of(table));
        *tally.ok_or_else(|| damaged(Table::Tallies, &String::from_utf8_lossy(name), "no such table"))? =
            Tally { number, sum };
        seen += 1;
        Ok(())
    })?;
    if seen != Table::TALLIED.len() {
        return Err(Trouble::Damaged(format!(
            "table {} lacks a row",
            Table::Tallies.name()
        )));
    }
    Ok(tallies)
}

/// What an operator finds a row by: its columns as far as they are short.
fn shown(columns: &[ValueRef<'_>]) -> String {
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

/// A column as text.
pub(super) fn text(table: Table, column: ValueRef<'_>) -> Result<&str, Trouble> {
    column.as_str().map_err(|error| damaged(table, "?", error))
}
