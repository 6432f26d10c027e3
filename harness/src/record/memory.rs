//! Reading and changing the memory of a traced thread. Addresses and lengths come from the program
//! and are not believed: what cannot be read is an error, what is too long is cut at a limit.

use std::io;

use libc::{c_void, iovec, pid_t};

use super::ptrace::Stopped;

/// Longest path (PATH_MAX).
const PATH_BYTES: usize = 4096;
/// Most buffers in one call (UIO_MAXIOV).
const VECTORS: usize = 1024;
/// The most that one write moves (MAX_RW_COUNT).
pub const MOVE_BYTES: usize = 0x7fff_f000;

/// Reads up to `len` bytes at `address`; fewer where memory ends.
pub fn read(tid: pid_t, address: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    // An absurd length is a program's own bug (the kernel would answer EFAULT): grow in steps, so
    // that only memory that is really there is allocated for.
    const STEP: usize = 16 << 20;
    while bytes.len() < len {
        let want = (len - bytes.len()).min(STEP);
        let start = bytes.len();
        bytes.reserve(want);
        let local =
            iovec { iov_base: bytes.spare_capacity_mut().as_mut_ptr().cast(), iov_len: want };
        let remote =
            iovec { iov_base: address.wrapping_add(start as u64) as *mut c_void, iov_len: want };
        // SAFETY: the local vector describes spare capacity of `want` bytes; the remote one is
        // checked by the kernel.
        let count = unsafe { libc::process_vm_readv(tid, &local, 1, &remote, 1, 0) };
        if count < 0 {
            if start > 0 {
                return Ok(bytes);
            }
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has filled `count` bytes of the spare capacity.
        unsafe { bytes.set_len(start + count as usize) };
        if (count as usize) < want {
            break;
        }
    }
    Ok(bytes)
}

/// Exactly `N` bytes.
pub fn read_array<const N: usize>(tid: pid_t, address: u64) -> io::Result<[u8; N]> {
    read(tid, address, N)?.try_into().map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))
}

/// A 64-bit number of the machine's byte order.
pub fn read_u64(tid: pid_t, address: u64) -> io::Result<u64> {
    read_array(tid, address).map(native_u64)
}

#[expect(clippy::host_endian_bytes, reason = "the memory of a program on this very machine")]
fn native_u64(bytes: [u8; 8]) -> u64 {
    u64::from_ne_bytes(bytes)
}

/// The 64-bit numbers in `bytes`, in the machine's byte order.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks::<8>().0.iter().copied().map(native_u64)
}

/// A path: up to its NUL.
pub fn read_path(tid: pid_t, address: u64) -> io::Result<Vec<u8>> {
    let mut path = Vec::new();
    while path.len() < PATH_BYTES {
        let at = address.wrapping_add(path.len() as u64);
        // Up to the end of the page, so that a string at the end of mapped memory is read whole.
        let step = (256 - (at % 256) as usize).min(PATH_BYTES - path.len());
        let piece = read(tid, at, step)?;
        match piece.iter().position(|byte| *byte == 0) {
            Some(end) => {
                path.extend_from_slice(&piece[..end]);
                return Ok(path);
            }
            None if piece.len() < step => break,
            None => path.extend_from_slice(&piece),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
}

/// The buffers of a vectored call: address and length.
pub fn read_vectors(tid: pid_t, address: u64, count: u64) -> io::Result<Vec<(u64, u64)>> {
    let count = usize::try_from(count).ok().filter(|count| *count <= VECTORS);
    let count = count.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    let raw = read(tid, address, count * 16)?;
    if raw.len() < count * 16 {
        return Err(io::Error::from_raw_os_error(libc::EFAULT));
    }
    let numbers: Vec<u64> = words(&raw).collect();
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The bytes that the buffers hold, one after the other.
pub fn gather(tid: pid_t, vectors: &[(u64, u64)]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (address, len) in vectors {
        let want = usize::try_from(*len).unwrap_or(usize::MAX).min(MOVE_BYTES - bytes.len());
        if want == 0 {
            continue;
        }
        let piece = read(tid, *address, want)?;
        let short = piece.len() < want;
        bytes.extend_from_slice(&piece);
        if short {
            break;
        }
    }
    Ok(bytes)
}

/// Overwrites one word of a stopped thread's memory, also where it is mapped read-only.
pub fn poke(thread: &Stopped, address: u64, word: u64) -> io::Result<()> {
    thread.request(libc::PTRACE_POKEDATA, address as usize, word as usize).map(drop)
}

/// Overwrites bytes of a thread's memory.
pub fn write(tid: pid_t, address: u64, bytes: &[u8]) -> io::Result<usize> {
    let local = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = iovec { iov_base: address as *mut c_void, iov_len: bytes.len() };
    // SAFETY: the local vector describes `bytes`, which is only read; the kernel checks the remote.
    let count = unsafe { libc::process_vm_writev(tid, &local, 1, &remote, 1, 0) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> pid_t {
        std::process::id() as pid_t
    }

    #[test]
    fn bytes_paths_and_buffers_are_read_as_they_stand() {
        let text = b"some/path\0rest";
        let at = text.as_ptr() as u64;
        assert_eq!(read(me(), at, 4).expect("own memory"), b"some");
        assert_eq!(read_path(me(), at).expect("own memory"), b"some/path");
        let vectors = [(at, 4), (at + 5, 4)];
        assert_eq!(gather(me(), &vectors).expect("own memory"), b"somepath");
        let raw: Vec<u64> = vectors.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let read = read_vectors(me(), raw.as_ptr() as u64, 2).expect("own memory");
        assert_eq!(read, vectors);
    }

    #[test]
    fn an_address_that_leads_nowhere_or_an_absurd_length_is_an_error_or_short() {
        assert!(read(me(), 8, 16).is_err());
        assert!(read_vectors(me(), 8, u64::MAX).is_err());
        let text = [1u8; 32];
        assert!(read(me(), text.as_ptr() as u64, 16).is_ok());
    }
}
