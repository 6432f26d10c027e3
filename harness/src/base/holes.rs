//! Where a file holds data: what is a hole costs nothing, however long it is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Most bytes that are read at once.
const PIECE: usize = 1 << 20;
/// A file of this size is read faster than asked about.
const SMALL: u64 = 256 << 10;

/// The first stretch of data at or after `from`, cut at `size`; nothing where only a hole follows. Where
/// the file system cannot tell, all is data.
pub fn data_after(file: &File, from: u64, size: u64) -> Option<(u64, u64)> {
    let seek = |from: u64, whence| -> io::Result<u64> {
        let from = i64::try_from(from).map_err(io::Error::other)?;
        // SAFETY: lseek on an open descriptor changes only its own position.
        let at = unsafe { libc::lseek(file.as_raw_fd(), from, whence) };
        u64::try_from(at).map_err(|_| io::Error::last_os_error())
    };
    if from >= size {
        return None;
    }
    let start = match seek(from, libc::SEEK_DATA) {
        Ok(start) => start.max(from),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return None,
        Err(_) => return Some((from, size)),
    };
    let end = seek(start, libc::SEEK_HOLE).unwrap_or(size).min(size);
    (start < end).then_some((start, end))
}

/// The first byte of data at or after `from`; nothing where only a hole follows.
pub fn next_data(file: &File, from: u64) -> Option<u64> {
    data_after(file, from, u64::MAX).map(|(start, _)| start)
}

/// Reads the data of a file of `size` bytes, piece by piece, each with where it stands. Holes of a large
/// file are left out.
pub fn read_data(file: &File, size: u64, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
    let mut from = 0;
    while let Some((start, end)) = if size <= SMALL {
        (from < size).then_some((from, size))
    } else {
        data_after(file, from, size)
    } {
        let mut at = start;
        while at < end {
            let want = buffer.len().min(usize::try_from(end - at).unwrap_or(PIECE));
            let got = file.read_at(&mut buffer[..want], at)?;
            if got == 0 {
                // It became shorter meanwhile.
                return Ok(());
            }
            each(at, &buffer[..got]);
            at += got as u64;
        }
        from = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holes_of_a_large_file_are_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        file.write_all_at(b"middle", 1 << 39).unwrap();
        let mut seen = Vec::new();
        read_data(&file, 1 << 40, |at, bytes| seen.push((at, bytes.to_vec()))).unwrap();
        let around =
            |(at, bytes): &(u64, Vec<u8>)| *at <= 1 << 39 && at + bytes.len() as u64 > 1 << 39;
        assert!(seen.iter().any(around) && seen.len() < 9, "{} pieces", seen.len());
        assert_eq!(data_after(&file, (1 << 39) + (1 << 30), 1 << 40), None);
    }

    #[test]
    fn a_small_file_is_read_whole() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"x", 9999).unwrap();
        let mut bytes = Vec::new();
        read_data(&file, 10_000, |_, piece| bytes.extend_from_slice(piece)).unwrap();
        assert_eq!((bytes.len(), bytes[9999]), (10_000, b'x'));
    }
}
