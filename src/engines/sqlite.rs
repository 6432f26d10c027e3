//! SQLite: one table; every request is one transaction. With `journal_mode=WAL` and
//! `synchronous=FULL`, and with `journal_mode=DELETE` and `synchronous=EXTRA`, its documentation
//! promises durability at commit. With DELETE and FULL it does not: the journal's unlink is not synced,
//! so a power cut may roll back the last commit, a documented loss.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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

#[derive(Clone, Copy)]
struct Sqlite {
    journal: &'static str,
    synchronous: &'static str,
}

struct Store {
    sqlite: Sqlite,
    path: PathBuf,
    /// None after a failed request: what SQLite keeps of a commit that failed is settled only when the
    /// last connection closes (docs/ENGINES.md), so the next request opens a new one.
    connection: Mutex<Option<Connection>>,
}

impl Opener for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities { checkpoint: true, ..transactional(1) }
    }

    fn open(&self, dir: &Path, _warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        let path = dir.join("store.db");
        let connection = self.connect(&path).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                NotOpened::Refused(text(error))
            }
            _ => NotOpened::Failed(text(error)),
        })?;
        Ok(Box::new(Store { sqlite: *self, path, connection: Mutex::new(Some(connection)) }))
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
    /// Does `request` on the connection, and closes the connection where it fails.
    fn on<T>(
        &self,
        request: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.sqlite.connect(&self.path).map_err(text)?,
        };
        let done = request(&mut connection).map_err(text)?;
        *slot = Some(connection);
        Ok(done)
    }
}

/// One put or delete within the transaction that is open, or one of its own.
fn change(connection: &Connection, mutation: &Mutation) -> rusqlite::Result<()> {
    let key = mutation.key().as_str();
    match mutation.value() {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)")?
            .execute(params![key, value.as_str()]),
        None => connection.prepare_cached("DELETE FROM pairs WHERE k = ?1")?.execute(params![key]),
    }
    .map(drop)
}

impl Engine for Store {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        self.on(|connection| {
            if let [mutation] = mutations {
                return change(connection, mutation);
            }
            let transaction = connection.transaction()?;
            for mutation in mutations {
                change(&transaction, mutation)?;
            }
            transaction.commit()
        })
    }

    fn sync(&self) -> Result<(), String> {
        // Each commit is durable already.
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), String> {
        self.on(|connection| {
            if self.sqlite.journal != "WAL" {
                return connection.execute_batch("VACUUM").map(|()| 0);
            }
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        })
        .and_then(|busy| if busy == 0 { Ok(()) } else { Err("busy".into()) })
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        self.on(|connection| {
            let mut statement = connection.prepare("SELECT k, v FROM pairs ORDER BY k")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                have(row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?);
            }
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        match self.connection.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(connection) => connection.close().map_err(|(_, error)| text(error)),
            None => Ok(()),
        }
    }
}
