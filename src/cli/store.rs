//! `unplug store`: the built-in store for people. Exit 0: done; 1: no such key, or damage; 2: input
//! that cannot be used, a store that is open elsewhere; 70: the machine refused something.

mod failure;
mod print;

use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use unplug_harness::base::HarnessError;

use failure::Failure;
use print::{check, print_flat, print_frame};

use super::say;
use crate::store::{Batch, DirShelf, OnDamage, Options, ReadError, Shelf, Store, read_frames};

/// What can be said to `unplug store`.
#[derive(Debug, Args)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: Action,
    /// Open a damaged store to its last good frame, keeping what is dropped in `lost-` files
    #[arg(long, global = true)]
    salvage: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set a key; the value `-` is read from standard input
    Put {
        /// The store's directory, made where it is missing
        dir: PathBuf,
        /// The key
        key: String,
        /// The value
        value: String,
    },
    /// Print the value of a key as it is
    Get {
        /// The store's directory
        dir: PathBuf,
        /// The key
        key: String,
    },
    /// Remove keys, all or none
    Del {
        /// The store's directory
        dir: PathBuf,
        /// The keys
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Print keys and values in order, one pair a line, unprintable bytes escaped
    Scan {
        /// The store's directory
        dir: PathBuf,
        /// Only keys that begin with this
        #[arg(default_value = "")]
        prefix: String,
        /// Only the keys
        #[arg(long)]
        keys: bool,
    },
    /// Take a checkpoint and remove what it makes superfluous
    Checkpoint {
        /// The store's directory
        dir: PathBuf,
    },
    /// Read every byte and say exactly where damage is; changes nothing
    Verify {
        /// The store's directory
        dir: PathBuf,
    },
    /// Print what the store holds and has done
    Stats {
        /// The store's directory
        dir: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the log, one frame a line; changes nothing
    Frames {
        /// The store's directory
        dir: PathBuf,
        /// The position to begin at
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Whole keys and the beginning of values
        #[arg(long)]
        ops: bool,
    },
    /// Write a snapshot: to a file, to a directory (`DIR/`), or to `s3://BUCKET/PREFIX`
    Export {
        /// The store's directory
        dir: PathBuf,
        /// Where to
        to: PathBuf,
    },
    /// Read a snapshot into an empty store
    Import {
        /// The store's directory, made where it is missing
        dir: PathBuf,
        /// Where from
        from: PathBuf,
    },
}

/// Does it.
pub fn run(command: StoreCommand) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = act(&command.action, command.salvage, &mut out)
        .and_then(|code| out.flush().map(|()| code).map_err(Failure::Output));
    match done {
        Ok(code) => Ok(code),
        // Whoever read this has had enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Damaged(text)) => {
            drop(out);
            say::aside(&format!("unplug: {text}"));
            Ok(ExitCode::from(1))
        }
        Err(Failure::Input(text)) => Err(HarnessError::input(text).into()),
        Err(Failure::Output(error)) => Err(say::unwritten(&error).into()),
        Err(Failure::Machine(text)) => Err(anyhow::anyhow!(text)),
    }
}

/// Opens a store and says what recovery had to do.
fn open(dir: &Path, create: bool, salvage: bool) -> Result<Store, Failure> {
    if !create && !dir.join("MARK").exists() {
        return Err(Failure::Input(format!("{} holds no store", dir.display())));
    }
    let on_damage = if salvage { OnDamage::OpenToLastGood } else { OnDamage::Refuse };
    let (store, recovery) = Store::open(dir, Options { on_damage, ..Options::default() })?;
    for notice in &recovery.notices {
        say::aside(&format!("unplug: {notice}"));
    }
    Ok(store)
}

fn act(action: &Action, salvage: bool, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    match action {
        Action::Put { dir, key, value } => {
            let mut bytes = Vec::new();
            match value.as_str() {
                "-" => drop(io::stdin().lock().read_to_end(&mut bytes)?),
                value => bytes.extend_from_slice(value.as_bytes()),
            }
            let store = open(dir, true, salvage)?;
            store.put(key.as_bytes(), &bytes)?;
            store.close()?;
        }
        Action::Get { dir, key } => {
            let store = open(dir, false, salvage)?;
            let value = store.get(key.as_bytes())?;
            store.close()?;
            let Some(value) = value else { return Ok(ExitCode::from(1)) };
            out.write_all(&value)?;
        }
        Action::Del { dir, keys } => {
            let store = open(dir, false, salvage)?;
            let mut batch = Batch::default();
            for key in keys {
                batch.del(key.as_bytes());
            }
            store.apply(&batch)?;
            store.close()?;
        }
        Action::Scan { dir, prefix, keys } => {
            let store = open(dir, false, salvage)?;
            store.scan(prefix.as_bytes(), |key, value| {
                match keys {
                    true => writeln!(out, "{}", key.escape_ascii())?,
                    false => writeln!(out, "{}\t{}", key.escape_ascii(), value.escape_ascii())?,
                }
                Ok::<(), Failure>(())
            })?;
            store.close()?;
        }
        Action::Checkpoint { dir } => {
            let store = open(dir, false, salvage)?;
            store.checkpoint()?;
            store.close()?;
        }
        Action::Verify { dir } => return check(dir, out),
        Action::Stats { dir, json } => {
            let store = open(dir, false, salvage)?;
            let stats = store.stats();
            store.close()?;
            let json_text =
                serde_json::to_value(stats).map_err(|e| Failure::Machine(e.to_string()))?;
            match json {
                true => writeln!(out, "{json_text:#}")?,
                false => print_flat(&json_text, out)?,
            }
        }
        Action::Frames { dir, from, ops } => {
            for frame in read_frames(dir, *from)? {
                print_frame(&frame?.1, *ops, out)?;
            }
        }
        Action::Export { dir, to } => {
            let store = open(dir, false, salvage)?;
            let keys = match place(to) {
                Place::File => store.export_file(to)?,
                Place::Dir => store.export(&mut DirShelf::create(to).map_err(ReadError::Io)?)?,
                Place::S3(url) => store.export(&mut *bucket(url)?)?,
            };
            store.close()?;
            writeln!(out, "exported {keys} keys to {}", to.display())?;
        }
        Action::Import { dir, from } => {
            let store = open(dir, true, salvage)?;
            let keys = match place(from) {
                Place::File => store.import_file(from)?,
                Place::Dir => store.import(&mut DirShelf::open(from).map_err(ReadError::Io)?)?,
                Place::S3(url) => store.import(&mut *bucket(url)?)?,
            };
            store.close()?;
            writeln!(out, "imported {keys} keys from {}", from.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

enum Place<'a> {
    File,
    Dir,
    S3(&'a str),
}

fn place(path: &Path) -> Place<'_> {
    match path.to_str() {
        Some(url) if url.starts_with("s3://") => Place::S3(url),
        Some(text) if text.ends_with('/') => Place::Dir,
        _ if path.is_dir() => Place::Dir,
        _ => Place::File,
    }
}

#[cfg(feature = "s3")]
fn bucket(url: &str) -> Result<Box<dyn Shelf>, Failure> {
    Ok(Box::new(crate::store::S3Shelf::open(url).map_err(ReadError::Io)?))
}

#[cfg(not(feature = "s3"))]
fn bucket(url: &str) -> Result<Box<dyn Shelf>, Failure> {
    Err(Failure::Input(format!("{url}: this build has no object store; build with --features s3")))
}
