//! What a call did to names: opens that create, links, unlinks, renames. It keeps the recorder's
//! picture of the directory ([`super::world`]) in step with the file system.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use libc::{c_int, pid_t};

use super::finish::resize;
use super::handle;
use super::resolve::Found;
use super::status::{self, Kind};
use super::tracer::Tracer;
use super::world::{read_link, read_sparse};
use crate::trace::{FileId, FileOp, NodeKind, ResizeHow, Tree, TreeNode, Via, WriteSync};

impl Tracer {
    pub(super) fn opened(
        &mut self,
        tid: pid_t,
        found: &Found,
        before: Option<(FileId, u64)>,
        flags: u64,
        result: i64,
    ) -> io::Result<Vec<FileOp>> {
        let has = |flag: c_int| flags & flag as u64 == flag as u64;
        if has(libc::O_TMPFILE) {
            let Some(known) = self.threads.get_mut(&tid) else { return Ok(Vec::new()) };
            let handle = handle::borrow(tid, known, result as c_int)?;
            let status = status::of(&handle)?;
            let file = self.world.add(&status);
            return Ok(vec![FileOp::CreateUnnamed { file, mode: status.mode }]);
        }
        match before {
            Some((file, size)) if has(libc::O_TRUNC) => {
                Ok(vec![resize(file, size, 0, ResizeHow::OpenTruncate)])
            }
            Some((file, _)) => Ok(vec![FileOp::Nothing { file: Some(file) }]),
            None if has(libc::O_CREAT) => self.made(found, &NodeKind::File),
            None => {
                self.blind("a file appeared in the recorded directory without a traced call");
                self.import(found)
            }
        }
    }

    pub(super) fn made(&mut self, found: &Found, node: &NodeKind) -> io::Result<Vec<FileOp>> {
        let Some(at) = found.place() else { return Ok(Vec::new()) };
        let status = found.status(false)?;
        if self.world.lookup(&at).is_some() {
            self.blind("a name went from the recorded directory without a traced call");
        }
        let file = self.world.add(&status);
        self.world.link(&at, file);
        Ok(vec![FileOp::Create { at, file, node: node.clone(), mode: status.mode }])
    }

    pub(super) fn linked(&mut self, found: &Found) -> io::Result<Vec<FileOp>> {
        let Some(at) = found.place() else { return Ok(Vec::new()) };
        let status = found.status(false)?;
        match self.world.find(&status.identity) {
            Some(file) => {
                self.world.link(&at, file);
                Ok(vec![FileOp::Link { at, file }])
            }
            None => {
                self.blind("a file from outside the recorded directory was linked into it");
                self.import(found)
            }
        }
    }

    pub(super) fn unlinked(&mut self, found: &Found) -> Vec<FileOp> {
        let Some(at) = found.place() else { return Vec::new() };
        match self.world.unlink(&at) {
            Some(file) => {
                self.mappings.may_end();
                vec![FileOp::Unlink { at, file }]
            }
            None => {
                self.blind("a name that no traced call made was removed");
                Vec::new()
            }
        }
    }

    pub(super) fn renamed(
        &mut self,
        from: &Found,
        to: &Found,
        flags: u32,
    ) -> io::Result<Vec<FileOp>> {
        if flags & libc::RENAME_WHITEOUT != 0 {
            self.unmodelled("renameat2 whiteout");
        }
        let (from_place, to_place) = (from.place(), to.place());
        let (from_at, to_at) = match (from_place, to_place) {
            (Some(from_at), Some(to_at)) => (from_at, to_at),
            (Some(at), None) => {
                self.blind("a file was moved out of the recorded directory");
                let file = self.world.unlink(&at);
                return Ok(file.map(|file| FileOp::Unlink { at, file }).into_iter().collect());
            }
            (None, Some(at)) => {
                self.blind("a file from outside was moved into the recorded directory");
                let gone = self.world.unlink(&at);
                let unlink = gone.map(|file| FileOp::Unlink { at, file });
                let mut ops: Vec<FileOp> = unlink.into_iter().collect();
                ops.extend(self.import(to)?);
                return Ok(ops);
            }
            (None, None) => return Ok(Vec::new()),
        };
        let (file, other) = (self.world.lookup(&from_at), self.world.lookup(&to_at));
        let Some(file) = file else {
            self.blind("a name that no traced call made was renamed");
            return self.import(to);
        };
        if flags & libc::RENAME_EXCHANGE != 0 {
            let Some(other) = other else {
                self.blind("a name that no traced call made was exchanged");
                return Ok(Vec::new());
            };
            self.world.link(&from_at, other);
            self.world.link(&to_at, file);
            let (a, b) = (from_at, to_at);
            return Ok(vec![FileOp::Exchange { a, b, file_a: file, file_b: other }]);
        }
        if other == Some(file) {
            // Two names of one file: rename does nothing.
            return Ok(vec![FileOp::Nothing { file: Some(file) }]);
        }
        self.world.unlink(&from_at);
        self.world.link(&to_at, file);
        self.mappings.may_end();
        Ok(vec![FileOp::Rename { from: from_at, to: to_at, file, replaced: other }])
    }

    /// Something that came from where nothing is recorded: told as if it were made here and now.
    fn import(&mut self, found: &Found) -> io::Result<Vec<FileOp>> {
        let Some(at) = found.place() else { return Ok(Vec::new()) };
        let status = found.status(false)?;
        let file = self.world.add(&status);
        self.world.link(&at, file);
        let mut tree = Tree::new();
        let mut top = TreeNode {
            at: Some(at),
            file,
            node: NodeKind::Special,
            mode: status.mode,
            bytes: Arc::default(),
        };
        let path = format!("/proc/self/fd/{}", found.parent.as_raw_fd());
        let path = std::path::Path::new(&path).join(std::ffi::OsStr::from_bytes(&found.name));
        match status.kind {
            Kind::File => {
                top.node = NodeKind::File;
                top.bytes = read_sparse(&std::fs::File::open(&path)?)?.into();
                tree.push(top);
            }
            Kind::Dir => {
                top.node = NodeKind::Dir;
                tree.push(top);
                let dir = std::fs::File::open(&path)?;
                self.world.read_dir(dir.into(), file, &mut tree)?;
            }
            Kind::Symlink => {
                top.node = NodeKind::Symlink(read_link(&found.parent, &found.name)?.into());
                tree.push(top);
            }
            _ => tree.push(top),
        }
        Ok(tree.into_iter().flat_map(told).collect())
    }
}

/// A node at rest as the operations that would make it.
fn told(node: TreeNode) -> Vec<FileOp> {
    let TreeNode { at: Some(at), file, node, mode, bytes } = node else { return Vec::new() };
    let mut ops = vec![FileOp::Create { at, file, node, mode }];
    let mut from = 0;
    for (offset, run) in bytes.runs() {
        from = offset + run.len() as u64;
        let (bytes, sync, via) = (run.into(), WriteSync::None, Via::Call);
        ops.push(FileOp::Write { file, offset, bytes, sync, via });
    }
    let to = bytes.len();
    if from < to {
        ops.push(FileOp::Resize { file, from, to, how: ResizeHow::Truncate });
    }
    ops
}
