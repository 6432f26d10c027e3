//! From a path as the traced program wrote it to a place in the recorded directory. Paths are
//! resolved as the program's own: its working directory, its descriptors, its `/proc/self`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::pid_t;

use super::status::{self, Kind, Status};
use super::world::{World, c_name, read_link};
use crate::trace::{FileId, Place};

/// The most symbolic links on one way (as in Linux).
const LINKS: usize = 40;

/// Who resolves: a thread and its process.
#[derive(Clone, Copy, Debug)]
pub struct Resolver {
    /// The thread.
    pub tid: pid_t,
    /// Its process.
    pub tgid: pid_t,
}

/// Where a path leads.
#[derive(Debug)]
pub struct Found {
    /// The directory that holds the last name, held open.
    pub parent: OwnedFd,
    /// That directory, if it belongs to the recorded one.
    pub dir: Option<FileId>,
    /// The last name; empty where the path names a directory without naming it in its parent (`.`,
    /// `..`, `/`, or an empty path on a descriptor).
    pub name: Vec<u8>,
}

impl Found {
    /// The place, if it is in the recorded directory.
    pub fn place(&self) -> Option<Place> {
        let dir = self.dir.filter(|_| !self.name.is_empty())?;
        Some(Place { dir, name: self.name.as_slice().into() })
    }

    /// What is there now.
    pub fn status(&self, follow: bool) -> io::Result<Status> {
        if self.name.is_empty() {
            return status::of(&self.parent);
        }
        let name = c_name(&self.name).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        status::at(&self.parent, &name, follow)
    }
}

impl Resolver {
    /// Resolves `path` from directory descriptor `dirfd` (or AT_FDCWD). `follow`: a symbolic link
    /// at the end leads on. Nothing where the way does not exist: the call will fail by itself.
    pub fn resolve(&self, world: &World, dirfd: i32, path: &[u8], follow: bool) -> Option<Found> {
        let mut path = self.own(path);
        let mut base: Option<OwnedFd> = None;
        for _ in 0..LINKS {
            let (folder, name) = split(&path);
            let parent = match (&base, folder.first() == Some(&b'/')) {
                (_, true) => open_dir(None, folder).ok()?,
                (Some(base), false) => open_dir(Some(base), folder).ok()?,
                (None, false) => {
                    let start = self.start(dirfd)?;
                    if folder.is_empty() { start } else { open_dir(Some(&start), folder).ok()? }
                }
            };
            let dir = status::of(&parent).ok().and_then(|status| world.find(&status.identity));
            let found = Found { parent, dir, name: name.to_vec() };
            if !follow || name.is_empty() {
                return Some(found);
            }
            let symlink = match found.place() {
                Some(place) => world.lookup(&place).is_some_and(|file| world.is_symlink(file)),
                None => found.status(false).is_ok_and(|status| status.kind == Kind::Symlink),
            };
            if !symlink {
                return Some(found);
            }
            let Ok(target) = read_link(&found.parent, name) else { return Some(found) };
            if target.is_empty() || self.is_magic(&found) {
                return Some(found);
            }
            path = self.own(&target);
            base = Some(found.parent);
        }
        None
    }

    /// Resolves `path` as `openat2` does with RESOLVE_IN_ROOT: the directory `dirfd` stands for the
    /// root, for absolute paths, absolute links and `..` too. `how` are the call's other wishes, of
    /// which the kernel itself judges.
    pub fn in_root(
        &self,
        world: &World,
        dirfd: i32,
        path: &[u8],
        follow: bool,
        how: u64,
    ) -> Option<Found> {
        let root = self.start(dirfd)?;
        let mut path = path.to_vec();
        for _ in 0..LINKS {
            let (folder, name) = split(&path);
            let parent = open_within(&root, folder, how).ok()?;
            let dir = status::of(&parent).ok().and_then(|status| world.find(&status.identity));
            let found = Found { parent, dir, name: name.to_vec() };
            let is_link = || found.status(false).is_ok_and(|status| status.kind == Kind::Symlink);
            if !follow || name.is_empty() || !is_link() {
                return Some(found);
            }
            let target = read_link(&found.parent, name).ok()?;
            path = match target.first() {
                Some(b'/') => target,
                _ => [folder, &target].concat(),
            };
        }
        None
    }

    /// A link of /proc that leads to a file itself and not to the path that it shows.
    fn is_magic(&self, found: &Found) -> bool {
        let mut raw = std::mem::MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the structure is as large as the kernel expects.
        let result = unsafe { libc::fstatfs(found.parent.as_raw_fd(), raw.as_mut_ptr()) };
        // SAFETY: zeroed before, and filled where the call succeeded.
        result == 0 && unsafe { raw.assume_init() }.f_type == libc::PROC_SUPER_MAGIC
    }

    fn start(&self, dirfd: i32) -> Option<OwnedFd> {
        let path = if dirfd == libc::AT_FDCWD {
            format!("/proc/{}/cwd", self.tid)
        } else {
            format!("/proc/{}/fd/{dirfd}", self.tid)
        };
        open_path(None, path.as_bytes(), 0).ok()
    }

    /// `/proc/self` and what leads there, as the program's own.
    fn own(&self, path: &[u8]) -> Vec<u8> {
        let process = format!("/proc/{}", self.tgid).into_bytes();
        let thread = format!("/proc/{}/task/{}", self.tgid, self.tid).into_bytes();
        let fd = format!("/proc/{}/fd", self.tgid).into_bytes();
        let standard = |number: u8| [&fd[..], b"/", &[b'0' + number]].concat();
        let rules: [(&[u8], Vec<u8>); 6] = [
            (b"/proc/self", process),
            (b"/proc/thread-self", thread),
            (b"/dev/fd", fd.clone()),
            (b"/dev/stdin", standard(0)),
            (b"/dev/stdout", standard(1)),
            (b"/dev/stderr", standard(2)),
        ];
        if path.starts_with(b"/proc/") || path.starts_with(b"/dev/") {
            for (from, to) in rules {
                match path.strip_prefix(from) {
                    Some(rest) if rest.is_empty() || rest[0] == b'/' => {
                        return [&to[..], rest].concat();
                    }
                    _ => {}
                }
            }
        }
        path.to_vec()
    }
}

/// The folder and the last name of a path; the name is empty where it is `.`, `..` or nothing.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let mut end = path.len();
    while end > 0 && path[end - 1] == b'/' {
        end -= 1;
    }
    let trimmed = &path[..end];
    let start = trimmed.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let name = &trimmed[start..];
    if matches!(name, b"" | b"." | b"..") {
        return (path, b"");
    }
    (&path[..start], name)
}

fn open_dir(base: Option<&OwnedFd>, path: &[u8]) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    open_path(base, path, libc::O_DIRECTORY)
}

/// A directory below `root`, which stands for the root of every path.
fn open_within(root: &OwnedFd, path: &[u8], how: u64) -> io::Result<OwnedFd> {
    let path = CString::new(if path.is_empty() { b"." } else { path })?;
    // SAFETY: plain numbers, for which zero is a value.
    let mut open_how: libc::open_how = unsafe { std::mem::zeroed() };
    open_how.flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    // Whether a name is cached decides whether the call fails, not where it leads.
    open_how.resolve = how & !libc::RESOLVE_CACHED;
    // SAFETY: the path ends in NUL, and the size is that of the structure.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            std::ptr::from_ref(&open_how),
            size_of::<libc::open_how>(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openat2 returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn open_path(base: Option<&OwnedFd>, path: &[u8], flags: i32) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    let base = base.map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd);
    // SAFETY: the path ends in NUL.
    let fd = unsafe { libc::openat(base, path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC | flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openat returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_splits_into_its_folder_and_its_last_name() {
        for (path, folder, name) in [
            ("a", "", "a"),
            ("/a", "/", "a"),
            ("a/b", "a/", "b"),
            ("/x/y/z/", "/x/y/", "z"),
            ("a//b", "a//", "b"),
            (".", ".", ""),
            ("a/..", "a/..", ""),
            ("/", "/", ""),
            ("", "", ""),
        ] {
            assert_eq!(split(path.as_bytes()), (folder.as_bytes(), name.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_root_of_the_call_s_own_holds_absolute_paths_links_and_the_way_up() {
        let temp = tempfile::tempdir().expect("a directory");
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("sub/deep")).expect("made");
        std::os::unix::fs::symlink("/sub/new", root.join("absolute")).expect("made");
        std::os::unix::fs::symlink("../../../sub", root.join("sub/deep/up")).expect("made");
        std::os::unix::fs::symlink("deep/file", root.join("sub/below")).expect("made");
        let (world, _) = World::read(&root).expect("read");
        let me = std::process::id() as pid_t;
        let dir = std::fs::File::open(&root).expect("opened");
        let resolver = Resolver { tid: me, tgid: me };
        let name = |dir: FileId, name: &str| Place { dir, name: name.as_bytes().into() };
        let sub = world.lookup(&name(FileId::ROOT, "sub")).expect("sub");
        let deep = world.lookup(&name(sub, "deep")).expect("deep");
        let resolve = |path: &str, follow| {
            let how = libc::RESOLVE_IN_ROOT | libc::RESOLVE_CACHED;
            let found = resolver.in_root(&world, dir.as_raw_fd(), path.as_bytes(), follow, how);
            found.expect("found").place()
        };
        assert_eq!(resolve("/sub/new", true), Some(name(sub, "new")));
        assert_eq!(resolve("../../sub/new", true), Some(name(sub, "new")));
        assert_eq!(resolve("absolute", true), Some(name(sub, "new")));
        assert_eq!(resolve("absolute", false), Some(name(FileId::ROOT, "absolute")));
        assert_eq!(resolve("sub/deep/up", true), Some(name(FileId::ROOT, "sub")));
        assert_eq!(resolve("sub/below", true), Some(name(deep, "file")));
        let no_links = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS;
        let path = b"sub/deep/up/x";
        assert!(resolver.in_root(&world, dir.as_raw_fd(), path, true, no_links).is_none());
    }

    #[test]
    fn links_are_followed_to_the_place_that_they_mean_even_if_nothing_is_there() {
        let temp = tempfile::tempdir().expect("a directory");
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("sub")).expect("made");
        std::os::unix::fs::symlink("sub/new", root.join("dangling")).expect("made");
        std::os::unix::fs::symlink(&root, temp.path().join("elsewhere")).expect("made");
        let (world, _) = World::read(&root).expect("read");
        let me = std::process::id() as pid_t;
        let resolver = Resolver { tid: me, tgid: me };
        let resolve = |path: &str, follow| {
            let path = temp.path().join(path);
            let path = path.as_os_str().as_encoded_bytes();
            resolver.resolve(&world, libc::AT_FDCWD, path, follow).expect("found").place()
        };
        let sub = world.lookup(&Place { dir: FileId::ROOT, name: b"sub".as_slice().into() });
        let place = |dir, name: &str| Some(Place { dir, name: name.as_bytes().into() });
        assert_eq!(resolve("root/dangling", true), place(sub.expect("sub"), "new"));
        assert_eq!(resolve("root/dangling", false), place(FileId::ROOT, "dangling"));
        assert_eq!(resolve("elsewhere/file", true), place(FileId::ROOT, "file"));
        assert_eq!(resolve("root/sub/../x", true), place(FileId::ROOT, "x"));
        assert_eq!(resolve("outside", true), None);
    }
}
