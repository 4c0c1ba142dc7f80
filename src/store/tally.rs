//! Tables, the checksum of a row, and the tally of a table.
//!
//! A checksum covers the table and every column, so that a row is not mistaken for another one's. A tally is the
//! number of rows and the XOR of their checksums: adding and removing a row costs the same wherever it stands, and
//! the order does not matter.

use std::fmt::Write as _;
use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::xxh3_64;

/// The tables, in the order in which they are tallied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Catalog,
    Zones,
    Serials,
    Services,
    Instances,
    KnownNames,
    Changes,
    /// The tallies themselves: each row has its checksum, the table has no tally.
    Tallies,
}

/// How many tables there are.
pub(super) const TABLES: usize = Table::Tallies as usize + 1;

/// What a table is called and made of; its last column is `checksum` in every one.
struct Columns {
    name: &'static str,
    key: &'static [&'static str],
    values: &'static [&'static str],
}

impl Table {
    /// Those that have a tally.
    pub(super) const TALLIED: [Self; 7] = [
        Self::Catalog,
        Self::Zones,
        Self::Serials,
        Self::Services,
        Self::Instances,
        Self::KnownNames,
        Self::Changes,
    ];

    const fn columns(self) -> Columns {
        let (name, key, values): (_, &[_], &[_]) = match self {
            Self::Catalog => ("catalog", &["one"], &["epoch", "origin", "number"]),
            Self::Zones => ("zones", &["zone"], &["body"]),
            Self::Serials => ("serials", &["zone"], &["serial"]),
            Self::Services => ("services", &["zone", "service"], &["body"]),
            Self::Instances => ("instances", &["number"], &["zone", "service", "id", "body"]),
            Self::KnownNames => (
                "known_names",
                &["zone", "service", "kind", "name", "protocol"],
                &["since"],
            ),
            Self::Changes => (
                "changes",
                &["number"],
                &[
                    "at",
                    "actor",
                    "origin",
                    "zone",
                    "kind",
                    "service",
                    "id",
                    "image_before",
                    "image_after",
                    "serials",
                ],
            ),
            Self::Tallies => ("tallies", &["name"], &["number", "sum"]),
        };
        Columns { name, key, values }
    }

    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        self.columns().name
    }

    /// Columns of its rows, the checksum left out.
    pub(super) const fn width(self) -> usize {
        let columns = self.columns();
        columns.key.len() + columns.values.len()
    }

    /// The statements over it.
    pub(super) fn sql(self) -> &'static Sql {
        static ALL: LazyLock<Vec<Sql>> = LazyLock::new(|| {
            let tables = Table::TALLIED.into_iter().chain([Table::Tallies]);
            tables.map(|table| Sql::over(&table.columns())).collect()
        });
        &ALL[self as usize]
    }
}

/// The statements over one table. Parameters are the key's columns, the other columns, the new checksum and the old
/// one, in this order, as far as a statement has them.
#[derive(Debug)]
pub(super) struct Sql {
    /// Every row with its checksum, in the order of the key.
    pub(super) select: String,
    /// The same of the rows whose key, a number, lies between two numbers, both of them included.
    pub(super) between: String,
    pub(super) insert: String,
    /// Changes no row but one with the old checksum.
    pub(super) update: String,
    /// Removes no row but one with the old checksum.
    pub(super) delete: String,
}

impl Sql {
    fn over(columns: &Columns) -> Self {
        let Columns { name, key, values } = columns;
        let all = [*key, *values, &["checksum"]].concat();
        let list = all.join(", ");
        let places: Vec<_> = (1..=all.len()).map(|at| format!("?{at}")).collect();
        let mut set = String::new();
        for (at, column) in all.iter().enumerate().skip(key.len()) {
            let _ = write!(set, "{column} = ?{}, ", at + 1);
        }
        let mut same = String::new();
        for (at, column) in key.iter().enumerate() {
            let _ = write!(same, "{column} = ?{} AND ", at + 1);
        }
        Self {
            select: format!("SELECT {list} FROM {name} ORDER BY {}", key.join(", ")),
            between: format!(
                "SELECT {list} FROM {name} WHERE {} BETWEEN ?1 AND ?2 ORDER BY {}",
                key[0],
                key.join(", ")
            ),
            insert: format!("INSERT INTO {name} ({list}) VALUES ({})", places.join(", ")),
            update: format!(
                "UPDATE {name} SET {} WHERE {same}checksum = ?{}",
                set.trim_end_matches(", "),
                all.len() + 1
            ),
            delete: format!("DELETE FROM {name} WHERE {same}checksum = ?{}", key.len() + 1),
        }
    }
}

/// Appends a row of `table` to `octets` as its checksum sees it: the table, and each column with its type and length,
/// so that no two rows look the same.
pub(super) fn encode<'a>(
    table: Table,
    columns: impl IntoIterator<Item = ValueRef<'a>>,
    octets: &mut Vec<u8>,
) {
    octets.extend_from_slice(table.name().as_bytes());
    let mut push = |kind: u8, value: &[u8]| {
        octets.push(kind);
        octets.extend_from_slice(&(value.len() as u32).to_le_bytes());
        octets.extend_from_slice(value);
    };
    for column in columns {
        match column {
            ValueRef::Null => push(0, &[]),
            ValueRef::Integer(number) => push(1, &number.to_le_bytes()),
            ValueRef::Real(number) => push(2, &number.to_le_bytes()),
            ValueRef::Text(text) => push(3, text),
            ValueRef::Blob(blob) => push(4, blob),
        }
    }
}

/// The checksum of a row as [`encode`] wrote it.
pub(super) fn checksum_of(row: &[u8]) -> i64 {
    xxh3_64(row).cast_signed()
}

/// The checksum of a row of `table` with these `columns`, the checksum itself left out. `scratch` is a buffer to work in.
pub(super) fn checksum<'a>(
    table: Table,
    columns: impl IntoIterator<Item = ValueRef<'a>>,
    scratch: &mut Vec<u8>,
) -> i64 {
    scratch.clear();
    encode(table, columns, scratch);
    checksum_of(scratch)
}

/// How many rows, and the XOR of their checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) number: i64,
    pub(super) sum: i64,
}

impl Tally {
    pub(super) fn add(&mut self, checksum: i64) {
        self.number += 1;
        self.sum ^= checksum;
    }

    pub(super) fn remove(&mut self, checksum: i64) {
        self.number -= 1;
        self.sum ^= checksum;
    }

    pub(super) fn join(&mut self, other: Self) {
        self.number += other.number;
        self.sum ^= other.sum;
    }
}

/// The tallies of all tables that have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallies([Tally; Table::TALLIED.len()]);

impl Tallies {
    /// The tally of `table`; the table of tallies has none.
    pub(super) fn of(&mut self, table: Table) -> Option<&mut Tally> {
        self.0.get_mut(table as usize)
    }

    /// Each table with its tally.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Table, Tally)> {
        Table::TALLIED.into_iter().zip(self.0)
    }
}
