//! Files that appear whole or not at all, and through no link.

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::{HarnessError, Result};

/// Writes a file beside its place, syncs it, and renames it over whatever has the name: a symbolic link there is replaced
/// and not followed. An error names the folder where that is full or cannot be written to.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".unplug-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|failed| failed.error)
    };
    write().map_err(|error: std::io::Error| {
        let (name, at) = (path.file_name().unwrap_or_default(), folder.display());
        let name = name.to_string_lossy();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                HarnessError::input(format!("{at}: there is no room left: {name} was not written"))
            }
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::IsADirectory
            | ErrorKind::NotFound => {
                HarnessError::input(format!("{at}: {name} cannot be written: {error}"))
            }
            _ => HarnessError::at("writing", path, error),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_its_place_is_replaced_and_what_it_led_to_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let (outside, path) = (temp.path().join("outside"), temp.path().join("index.html"));
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        publish(&path, b"page").unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        assert_eq!(std::fs::read(&path).unwrap(), b"page");
        assert!(!std::fs::symlink_metadata(&path).unwrap().file_type().is_symlink());
        publish(&path, b"another").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"another");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_the_folder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("index.html");
        std::fs::create_dir(&path).unwrap();
        let told = publish(&path, b"page").unwrap_err();
        assert_eq!(told.exit_code(), 2, "{told}");
        assert!(told.to_string().contains(&temp.path().display().to_string()), "{told}");
        assert!(publish(&temp.path().join("none/x"), b"").is_err());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "nothing else is left");
    }
}
