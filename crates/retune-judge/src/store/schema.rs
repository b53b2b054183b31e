//! The tables of a study, and how its file is opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::JudgeError;

/// What the tables are; another number for another form.
pub(super) const FORMAT: i64 = 1;
/// Says in the file's header that it is a study.
const APPLICATION: i64 = 0x7265_746a;

pub(super) const TABLES: &str = "
CREATE TABLE study (settings TEXT NOT NULL, population TEXT NOT NULL, items_digest TEXT NOT NULL) STRICT;
CREATE TABLE items (
    place INTEGER PRIMARY KEY,
    item TEXT NOT NULL
) STRICT;
CREATE TABLE sample (
    position INTEGER PRIMARY KEY,
    place INTEGER NOT NULL UNIQUE REFERENCES items,
    probability REAL NOT NULL,
    stratum INTEGER NOT NULL
) STRICT;
CREATE TABLE judges (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE sides (
    judge INTEGER NOT NULL REFERENCES judges,
    position INTEGER NOT NULL REFERENCES sample,
    swapped INTEGER NOT NULL,
    PRIMARY KEY (judge, position)
) STRICT;
-- What was ever answered; what was taken back stays, and says so.
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    judge INTEGER NOT NULL REFERENCES judges,
    position INTEGER NOT NULL REFERENCES sample,
    judgement TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX one_answer ON answers (judge, position) WHERE undone = 0;
";

/// Opens a file, made where it is not there if `create`. What is committed is on the disk.
pub(super) fn open(path: &Path, create: bool) -> Result<Connection, JudgeError> {
    if !create && !path.exists() {
        return Err(JudgeError::NoStudy { path: path.to_owned() });
    }
    let database = |source| JudgeError::Database { path: path.to_owned(), source };
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    let not_a_database = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => JudgeError::NotAStudy { path: path.to_owned() },
        _ => database(source),
    };
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(not_a_database)?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(not_a_database)?;
    // A file without tables is one whose making was cut short.
    if objects > 0 {
        if application != APPLICATION {
            return Err(JudgeError::NotAStudy { path: path.to_owned() });
        }
        let found = pragma("user_version").map_err(database)?;
        if found != FORMAT {
            return Err(JudgeError::OtherFormat { path: path.to_owned(), expected: FORMAT, found });
        }
    } else if !create {
        return Err(JudgeError::NotAStudy { path: path.to_owned() });
    }
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(database)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(database)?;
    // An answer is written through to the disk before it is acknowledged.
    connection.pragma_update(None, "synchronous", "FULL").map_err(database)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(database)?;
    Ok(connection)
}

/// Whether a study has been made in the file.
pub(super) fn is_made(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'study'", [], |row| row.get(0))
}

/// Makes the tables; within the transaction that fills them, so that there is all or nothing.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.execute_batch(TABLES)
}
