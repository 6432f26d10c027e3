//! Where recovery starts: the newest checkpoint that checks out, or the beginning of the log.

use crate::store::checkpoint::{self, Header};
use crate::store::error::{Damage, OpenError};
use crate::store::fs::{self, Dir};
use crate::store::names::{self, Listing};
use crate::store::report::Notice;
use crate::store::table::Table;

/// A start.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) table: Table,
    /// The checkpoint's position; `None` at the beginning of the log.
    pub(crate) checkpoint: Option<u64>,
    /// A newer checkpoint was unusable.
    pub(crate) fell_back: bool,
}

/// Chooses the start. Damaged checkpoints are passed over as long as an older one, or the log from
/// its beginning, makes up for them. A read error is an error, never damage.
pub(crate) fn load(
    dir: &Dir,
    listing: &Listing,
    notices: &mut Vec<Notice>,
) -> Result<Loaded, OpenError> {
    let mut newest_damage: Option<Damage> = None;
    for &position in listing.checkpoints.iter().rev() {
        let name = names::checkpoint(position);
        let bytes = fs::read_all(&dir.open_read(&name)?, &dir.file(&name))?;
        match checkpoint::decode(bytes, position) {
            Ok((header, table)) => {
                let fell_back = newest_damage.is_some();
                let checkpoint = Some(position);
                return begin(listing, Loaded { header, table, checkpoint, fell_back });
            }
            Err(damage) => {
                notices.push(Notice::CheckpointUnusable { file: name, what: damage.what.clone() });
                newest_damage.get_or_insert(damage);
            }
        }
    }
    let fell_back = newest_damage.is_some();
    match newest_damage {
        // Without the beginning of the log nothing makes up for the checkpoints.
        Some(damage) if !listing.segments.contains(&0) => Err(damage.into()),
        _ => {
            let (header, table) = Default::default();
            begin(listing, Loaded { header, table, checkpoint: None, fell_back })
        }
    }
}

/// Makes sure that the log goes on where the start ends. A checkpoint is made only after the
/// segment that follows it.
fn begin(listing: &Listing, loaded: Loaded) -> Result<Loaded, OpenError> {
    if listing.segments.contains(&loaded.header.position) {
        return Ok(loaded);
    }
    let what = match loaded.checkpoint {
        Some(position) => {
            format!("the segment that follows {} is missing", names::checkpoint(position))
        }
        None => "the log's first segment is missing, and no checkpoint replaces it".to_string(),
    };
    Err(Damage::new(names::segment(loaded.header.position), 0, what).into())
}
