//! The migrations that this program knows, and whether a data base was made by them.
//!
//! refinery runs them and keeps their history; that history is read here first, because refinery takes a damaged one
//! for a bug and panics, and because a data base of a newer program must not even be opened for writing.

use refinery::{Migration, Runner, Target};
use rusqlite::{Connection, OptionalExtension};

use super::trouble::Trouble;

/// Each file of `migrations/` under the name that refinery wants.
const ALL: [(&str, &str); 1] = [("V1__catalog", include_str!("../../migrations/0001_catalog.sql"))];

/// refinery's own table.
const HISTORY: &str = "refinery_schema_history";

/// Whether a data base has all migrations, or may be given those that it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has all.
    Current,
    /// It has the first of them, unaltered.
    Behind,
}

fn known() -> Vec<Migration> {
    let parsed =
        |(name, sql): (&str, &str)| Migration::unapplied(name, sql).expect("the names are as refinery wants");
    ALL.into_iter().map(parsed).collect()
}

/// Runs the migrations that `connection` lacks, all in one transaction.
pub(super) fn run(connection: &mut Connection) -> Result<(), Trouble> {
    let runner = Runner::new(&known()).set_grouped(true).set_target(Target::Latest);
    let failed = |error: refinery::Error| Trouble::Damaged(format!("its migration failed: {error}"));
    runner.run(connection).map(|_| ()).map_err(failed)
}

/// Judges the migrations of `connection`, and that its tables are those that they make.
pub(super) fn judge(connection: &Connection) -> Result<Standing, Trouble> {
    let foreign = || Trouble::Foreign("it has no history of migrations".into());
    let exists = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = ?1", [HISTORY], |_| {
            Ok(())
        })
        .optional()?;
    exists.ok_or_else(foreign)?;
    let mut statement = connection.prepare(&format!(
        "SELECT version, name, checksum FROM {HISTORY} ORDER BY version"
    ))?;
    let applied: Vec<(i64, String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let known = known();
    let newest = i64::from(known.last().map_or(0, Migration::version));
    if let Some((version, ..)) = applied.iter().find(|(version, ..)| *version > newest) {
        return Err(Trouble::Newer(format!(
            "its schema has the version {version}, and this program knows {newest}"
        )));
    }
    if applied.is_empty() {
        return Err(foreign());
    }
    for (at, (version, name, checksum)) in applied.iter().enumerate() {
        let same = known.get(at).is_some_and(|migration| {
            i64::from(migration.version()) == *version
                && migration.name() == name
                && migration.checksum().to_string() == *checksum
        });
        if !same {
            return Err(Trouble::Damaged(format!(
                "migration {version} ({name}) is not the one that this program knows"
            )));
        }
    }
    if applied.len() < known.len() {
        return Ok(Standing::Behind);
    }
    let mut model = Connection::open_in_memory()?;
    run(&mut model)?;
    let (found, wanted) = (schema(connection)?, schema(&model)?);
    match wanted.iter().find(|item| !found.contains(item)) {
        Some((name, _)) => Err(Trouble::Damaged(format!("the definition of {name} was altered"))),
        None => Ok(Standing::Current),
    }
}

fn schema(connection: &Connection) -> Result<Vec<(String, Option<String>)>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT type || ' ' || name, sql FROM sqlite_schema")?;
    let items = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    items.collect()
}
