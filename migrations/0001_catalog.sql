-- The catalog, its change log, and what tells whether they are whole.
--
-- Every row ends with `checksum`: XXH3-64 over the table and all other columns of the row. `tallies` has, for
-- each table, the number of rows and the XOR of their checksums, written in the same transaction as the rows. So a
-- flipped bit, a lost row and a row that came back are all found when the catalog is loaded; SQLite's own
-- `quick_check` sees none of them.
--
-- Times are milliseconds since 1970-01-01T00:00:00Z; UUIDs are 16 octets; `body` is JSON in shapes of the store's own,
-- which write only what is not the default. Names are in lower case. No table has a second index: the server has the
-- whole catalog in memory and asks for no row by anything but its key. Tables that are keyed by names are WITHOUT
-- ROWID, those that grow at their end are not: either way one b-tree is written for a row.
--
-- Once released, this file is never edited: a server refuses a data base whose migrations are not its own.

PRAGMA application_id = 0x43534e31; -- "CSN1"

-- One row: whose catalog this is, and its index.
CREATE TABLE catalog (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch    BLOB    NOT NULL, -- new after a restore from backup
    origin   BLOB    NOT NULL, -- this server's own id, made at its first start
    number   INTEGER NOT NULL, -- the index: it never falls and never repeats within an epoch
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The zones, with their settings and what the server's flags gave them.
CREATE TABLE zones (
    zone     TEXT    NOT NULL PRIMARY KEY,
    body     TEXT    NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last serial of every zone there is or was. It moves with almost every commit, the zone's own row seldom. That of
-- a deleted zone stays, so that a new zone of that name goes on from it.
CREATE TABLE serials (
    zone     TEXT    NOT NULL PRIMARY KEY,
    serial   INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The services that say something which their instances do not: settings, an age beyond that of the oldest instance, a
-- change after that of the latest. One without a row follows from its instances, and a registration in a new service
-- writes one row, not two. A body without `index` has that of the service's latest instance.
CREATE TABLE services (
    zone     TEXT    NOT NULL,
    service  TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (zone, service)
) STRICT, WITHOUT ROWID;

-- The instances, each whole in one row: addresses, ports, tags, meta, verdicts, drain, indexes. The key is the index
-- of its first registration, which no other has: so new rows stand together at the end, where a key of names would
-- scatter those of one commit over as many pages.
CREATE TABLE instances (
    number   INTEGER NOT NULL PRIMARY KEY,
    zone     TEXT    NOT NULL,
    service  TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- Names that are known though their last bearer went, and when it did. A name with a living bearer has no row: it
-- follows from the instances.
CREATE TABLE known_names (
    zone     TEXT    NOT NULL,
    service  TEXT    NOT NULL,
    kind     TEXT    NOT NULL, -- service, port or tag
    name     TEXT    NOT NULL, -- of the port or tag; empty for the service itself
    protocol TEXT    NOT NULL, -- of the port; else empty
    since    INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (zone, service, kind, name, protocol)
) STRICT, WITHOUT ROWID;

-- The change log: one row for each index, bounded by number and age. A rowid table: rows are long, are appended at one
-- end and trimmed at the other.
CREATE TABLE changes (
    number       INTEGER NOT NULL PRIMARY KEY, -- the index after the change
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL, -- a token's name and an address, or a part of the server
    origin       BLOB    NOT NULL, -- the server on which it was made
    zone         TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    service      TEXT,             -- of the thing's key; null for a zone
    id           TEXT,             -- of the thing's key; null for a zone or a service
    image_before TEXT,             -- null: it did not exist
    image_after  TEXT,             -- null: it does not exist any more
    serials      TEXT    NOT NULL, -- {"zone": serial after the change} of every zone whose records it altered
    checksum     INTEGER NOT NULL
) STRICT;

-- For each table above: how many rows it has, and the XOR of their checksums.
CREATE TABLE tallies (
    name     TEXT    NOT NULL PRIMARY KEY,
    number   INTEGER NOT NULL,
    sum      INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
