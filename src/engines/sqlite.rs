//! SQLite: one table; every request is one transaction. With `journal_mode=WAL` and
//! `synchronous=FULL`, and with `journal_mode=DELETE` and `synchronous=EXTRA`, its documentation
//! promises durability at commit. With DELETE and FULL it does not: the journal's unlink is not synced,
//! so a power cut may roll back the last commit, a documented loss.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, params};
use unplug_harness::driver::{Capabilities, Engine, NotOpened, Opener};
use unplug_harness::workload::Mutation;

use super::{Entry, text, transactional};

/// The names.
pub const ENTRIES: [Entry; 3] = [
    Entry {
        name: "sqlite",
        about: "SQLite: journal_mode=WAL, synchronous=FULL",
        opener: |_| Box::new(Sqlite { journal: "WAL", synchronous: "FULL" }),
    },
    Entry {
        name: "sqlite:delete",
        about: "SQLite: journal_mode=DELETE, synchronous=EXTRA",
        opener: |_| Box::new(Sqlite { journal: "DELETE", synchronous: "EXTRA" }),
    },
    Entry {
        name: "sqlite:delete-full",
        about: "SQLite: journal_mode=DELETE, synchronous=FULL (a documented loss)",
        opener: |_| Box::new(Sqlite { journal: "DELETE", synchronous: "FULL" }),
    },
];

struct Sqlite {
    journal: &'static str,
    synchronous: &'static str,
}

struct Store {
    connection: Mutex<Connection>,
    wal: bool,
}

impl Opener for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities { checkpoint: true, ..transactional(1) }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let connection = self.connect(&dir.join("store.db")).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    NotOpened::Refused(text(error))
                }
                _ => NotOpened::Failed(text(error)),
            }
        })?;
        Ok(Box::new(Store { connection: Mutex::new(connection), wal: self.journal == "WAL" }))
    }
}

impl Sqlite {
    fn connect(&self, path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        let mode: String =
            connection.query_row(&format!("PRAGMA journal_mode={}", self.journal), [], |row| {
                row.get(0)
            })?;
        if !mode.eq_ignore_ascii_case(self.journal) {
            return Err(rusqlite::Error::InvalidParameterName(format!("journal_mode={mode}")));
        }
        connection.execute_batch(&format!(
            "PRAGMA synchronous={}; PRAGMA locking_mode=NORMAL;
             CREATE TABLE IF NOT EXISTS pairs (k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID;",
            self.synchronous
        ))?;
        Ok(connection)
    }
}

impl Store {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(connection: &Connection, mutation: &Mutation) -> rusqlite::Result<()> {
        let key = mutation.key().as_str();
        match mutation.value() {
            Some(value) => connection
                .prepare_cached("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)")?
                .execute(params![key, value.as_str()]),
            None => {
                connection.prepare_cached("DELETE FROM pairs WHERE k = ?1")?.execute(params![key])
            }
        }
        .map(drop)
    }
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let mut connection = self.connection();
        if let [mutation] = mutations {
            return Self::change(&connection, mutation).map_err(text);
        }
        let transaction = connection.transaction().map_err(text)?;
        for mutation in mutations {
            Self::change(&transaction, mutation).map_err(text)?;
        }
        transaction.commit().map_err(text)
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), String> {
        let connection = self.connection();
        if !self.wal {
            return connection.execute_batch("VACUUM").map_err(text);
        }
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            .map_err(text)
            .and_then(|busy| if busy == 0 { Ok(()) } else { Err("busy".into()) })
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT k, v FROM pairs ORDER BY k").map_err(text)?;
        let mut rows = statement.query([]).map_err(text)?;
        while let Some(row) = rows.next().map_err(text)? {
            let bytes = |column| -> Result<&[u8], String> {
                row.get_ref(column).map_err(text)?.as_bytes().map_err(text)
            };
            have(bytes(0)?, bytes(1)?);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        let connection = self.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| text(error))
    }
}
