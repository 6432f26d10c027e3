//! Calls on paths, decided at their entry: where each path leads, and whether that is in the recorded
//! directory.

use std::io;

use libc::{c_int, pid_t};

use super::entry::{Decision, fd};
use super::handle::{self, Borrowed};
use super::memory;
use super::pending::Work;
use super::resolve::{Found, Resolver};
use super::status::{Kind, Status};
use super::tracer::Tracer;
use crate::trace::NodeKind;

impl Tracer {
    pub(super) fn resolver(&self, tid: pid_t) -> Resolver {
        let tgid = self.threads.get(&tid).map_or(tid, |known| known.tgid);
        Resolver { tid, tgid }
    }

    /// Where the path at `address` leads.
    pub(super) fn find(&self, tid: pid_t, dir: c_int, address: u64, follow: bool) -> Option<Found> {
        let path = memory::read_path(tid, address).ok()?;
        self.resolver(tid).resolve(&self.world, dir, &path, follow)
    }

    pub(super) fn decide_open(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let creat = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64;
        let (dir, path, flags, how) = match name {
            "open" => (libc::AT_FDCWD, args[0], args[1], 0),
            "creat" => (libc::AT_FDCWD, args[0], creat, 0),
            "openat" => (fd(args[0]), args[1], args[2], 0),
            // struct open_how: flags, mode, and how the path is resolved.
            _ => {
                let flags = memory::read_u64(tid, args[2])?;
                (fd(args[0]), args[1], flags, memory::read_u64(tid, args[2] + 16)?)
            }
        };
        let has = |flag: c_int| flags & flag as u64 == flag as u64;
        let exclusive = has(libc::O_CREAT | libc::O_EXCL);
        let follow = !exclusive && !has(libc::O_NOFOLLOW);
        let found = match how & libc::RESOLVE_IN_ROOT {
            // The other ways to resolve make the call fail, or lead where a plain one does.
            0 => self.find(tid, dir, path, follow),
            _ => memory::read_path(tid, path)
                .ok()
                .and_then(|path| self.resolver(tid).in_root(&self.world, dir, &path, follow, how)),
        };
        let Some(mut found) = found else { return Ok(Decision::Pass) };
        let unnamed = has(libc::O_TMPFILE);
        let status = found.status(follow).ok();
        let before = status.as_ref().and_then(|status| self.world.find(&status.identity));
        // A directory in which an unnamed file is made, or the file itself, or the place of a new one.
        let inside = before.is_some() || found.dir.is_some() && !unnamed;
        let writes = has(libc::O_CREAT) || has(libc::O_TRUNC) || flags & 3 != 0;
        if !inside {
            return Ok(self.decide_outside(tid, name, &found, status.as_ref(), writes));
        }
        let special = status
            .as_ref()
            .is_some_and(|status| !status.is_file_or_dir() && status.kind != Kind::Symlink);
        if special || has(libc::O_PATH) {
            return Ok(Decision::Pass);
        }
        if before.is_some() && found.dir.is_none() {
            // Reached through /proc or a descriptor: it has no place there.
            found.name.clear();
        }
        let before = match (&status, before) {
            (Some(status), Some(file)) => Some((file, status.size)),
            _ => None,
        };
        Ok(Decision::run(name, Work::Open { found, before, flags }))
    }

    /// Files outside that the recording writes cannot be part of an image: named, so that a recovery
    /// that reads them is known.
    fn decide_outside(
        &mut self,
        _tid: pid_t,
        name: &'static str,
        found: &Found,
        status: Option<&Status>,
        writes: bool,
    ) -> Decision {
        let regular = status.is_none_or(|status| status.kind == Kind::File);
        if !regular || found.name.is_empty() || (!writes && status.is_none()) {
            return Decision::Pass;
        }
        let mut path = handle::path_of(&found.parent);
        if path.starts_with(b"/proc") || path.starts_with(b"/dev") || path.starts_with(b"/sys") {
            return Decision::Pass;
        }
        path.push(b'/');
        path.extend_from_slice(&found.name);
        if writes {
            Decision::free(name, Work::Outside(path))
        } else {
            self.shared.lock().seen.outside_read.insert(path);
            Decision::Pass
        }
    }

    pub(super) fn decide_names(
        &mut self,
        tid: pid_t,
        name: &'static str,
        args: &[u64; 6],
    ) -> io::Result<Decision> {
        let here = libc::AT_FDCWD;
        let make = |found: Option<Found>, node: NodeKind| match found {
            Some(found) if found.place().is_some() => {
                Decision::run(name, Work::Make { found, node })
            }
            _ => Decision::Pass,
        };
        let file_or_special = |mode: u64| match mode as u32 & libc::S_IFMT {
            0 | libc::S_IFREG => NodeKind::File,
            _ => NodeKind::Special,
        };
        Ok(match name {
            "mkdir" => make(self.find(tid, here, args[0], false), NodeKind::Dir),
            "mkdirat" => make(self.find(tid, fd(args[0]), args[1], false), NodeKind::Dir),
            "mknod" => make(self.find(tid, here, args[0], false), file_or_special(args[1])),
            "mknodat" => {
                make(self.find(tid, fd(args[0]), args[1], false), file_or_special(args[2]))
            }
            "symlink" | "symlinkat" => {
                let target = memory::read_path(tid, args[0]).unwrap_or_default();
                let (dir, path) =
                    if name == "symlink" { (here, args[1]) } else { (fd(args[1]), args[2]) };
                make(self.find(tid, dir, path, false), NodeKind::Symlink(target.into()))
            }
            "bind" => {
                // struct sockaddr_un: a family and a path; an abstract one begins with NUL.
                let address = memory::read(tid, args[1], args[2].min(110) as usize)?;
                let local = address.first() == Some(&(libc::AF_UNIX as u8));
                let path = address.get(2..).unwrap_or_default();
                let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
                if !local || path.is_empty() {
                    return Ok(Decision::Pass);
                }
                let found = self.resolver(tid).resolve(&self.world, here, path, false);
                make(found, NodeKind::Special)
            }
            "link" | "linkat" => {
                let (dir, path) =
                    if name == "link" { (here, args[1]) } else { (fd(args[2]), args[3]) };
                match self.find(tid, dir, path, false) {
                    Some(found) if found.place().is_some() => {
                        Decision::run(name, Work::Link { found })
                    }
                    _ => Decision::Pass,
                }
            }
            "unlink" | "rmdir" | "unlinkat" => {
                let (dir, path) =
                    if name == "unlinkat" { (fd(args[0]), args[1]) } else { (here, args[0]) };
                match self.find(tid, dir, path, false) {
                    Some(found) if found.place().is_some() => {
                        Decision::run(name, Work::Unlink { found })
                    }
                    _ => Decision::Pass,
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to, flags) = match name {
                    "rename" => ((here, args[0]), (here, args[1]), 0),
                    "renameat" => ((fd(args[0]), args[1]), (fd(args[2]), args[3]), 0),
                    _ => ((fd(args[0]), args[1]), (fd(args[2]), args[3]), args[4] as u32),
                };
                let from = self.find(tid, from.0, from.1, false);
                let to = self.find(tid, to.0, to.1, false);
                match (from, to) {
                    (Some(from), Some(to)) if from.dir.is_some() || to.dir.is_some() => {
                        Decision::run(name, Work::Rename { from, to, flags })
                    }
                    _ => Decision::Pass,
                }
            }
            "truncate" => {
                let found = self.find(tid, here, args[0], true);
                let status = found.as_ref().and_then(|found| found.status(true).ok());
                match (found, status) {
                    (Some(found), Some(status)) => match self.world.find(&status.identity) {
                        Some(file) if status.kind == Kind::File => {
                            let (from, to) = (status.size, args[1]);
                            let handle = Borrowed::from(found.parent);
                            Decision::run(name, Work::Truncate { file, handle, from, to })
                        }
                        _ => Decision::Pass,
                    },
                    _ => Decision::Pass,
                }
            }
            _ => Decision::Pass,
        })
    }
}
