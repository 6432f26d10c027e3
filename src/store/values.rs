//! Values too large for the log: one file each, durable with its name before any frame names it,
//! never changed, never named twice.

use std::io::ErrorKind;

use super::bytes::crc32;
use super::error::{Damage, IoFailure, ReadError};
use super::fs::{self, Dir};
use super::names;
use super::op::ValueRef;

/// Writes a value into its own file and makes its bytes durable; its name is durable after the
/// directory was synced, which is the caller's. Leaves nothing behind when it fails.
pub(crate) fn write(dir: &Dir, id: u64, bytes: &[u8]) -> Result<ValueRef, IoFailure> {
    let name = names::value(id);
    let path = dir.file(&name);
    let file = dir.create_new(&name)?;
    let written = fs::append_all(&file, &path, bytes).and_then(|()| fs::sync_all(&file, &path));
    if let Err(failure) = written {
        // No frame names it; if removing fails too, the next `open` removes it.
        let _ = dir.remove(&name);
        return Err(failure);
    }
    Ok(ValueRef { id, len: bytes.len() as u64, crc: crc32(&[bytes]) })
}

/// Reads a value back and checks it. `Ok(None)` if its file is not there.
pub(crate) fn read(dir: &Dir, value: ValueRef) -> Result<Option<Vec<u8>>, ReadError> {
    let name = names::value(value.id);
    let path = dir.file(&name);
    let file = match dir.open_read(&name) {
        Ok(file) => file,
        Err(failure) if failure.source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(failure) => return Err(failure.into()),
    };
    let bytes = fs::read_all(&file, &path)?;
    if bytes.len() as u64 != value.len {
        let what = format!("a value of {} bytes is {} bytes long", value.len, bytes.len());
        let offset = value.len.min(bytes.len() as u64);
        return Err(Damage::new(name, offset, what).into());
    }
    if crc32(&[&bytes]) != value.crc {
        return Err(Damage::new(name, 0, "a value does not match its CRC").into());
    }
    Ok(Some(bytes))
}

/// The damage that a missing value file is.
pub(crate) fn missing(value: ValueRef) -> Damage {
    Damage::new(names::value(value.id), 0, "the file of a value that a key holds is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_damage_to_its_file_is_never_read_as_the_value() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::create(place.path()).unwrap();
        let bytes: Vec<u8> = (0..70_000u32).map(|n| n as u8).collect();
        let value = write(&dir, 3, &bytes).unwrap();
        assert_eq!(read(&dir, value).unwrap(), Some(bytes.clone()));
        let path = place.path().join(names::value(3));
        for damaged in [&bytes[..69_999], &[&bytes[..], b"x"].concat(), &[7; 70_000], b""] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(read(&dir, value), Err(ReadError::Damaged(_))));
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&dir, value).unwrap(), None);
    }
}
