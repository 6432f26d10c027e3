//! The plain replay of a trace: every event takes effect, nothing is lost. What comes out must be the
//! directory that the program left, byte for byte; that is what makes a recording trustworthy.
//!
//! Not here: what a crash loses (the persistence room).

use std::collections::BTreeMap;

use super::event::{EventKind, FileId, Name, Trace};
use super::op::{FileOp, NodeKind};
use super::sparse::Sparse;

/// The largest file of ext4, in bytes: a length beyond it is not believed.
pub const FILE_BYTES: u64 = 1 << 44;

/// A node of the replayed tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// A regular file: which one, so that hard links can be told from copies, and its bytes.
    File(FileId, Sparse),
    /// A directory.
    Dir,
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A socket, FIFO or device.
    Special,
}

/// Where a trace contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The index of the event.
    pub event: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Clone, Debug)]
struct Node {
    kind: NodeKind,
    bytes: Sparse,
    names: BTreeMap<Name, FileId>,
}

/// All paths below the root, with what stands there, after every event took effect.
pub fn replay(trace: &Trace) -> Result<BTreeMap<Vec<u8>, Replayed>, Contradiction> {
    let mut nodes: BTreeMap<FileId, Node> = BTreeMap::new();
    for (index, node) in trace.initial.iter().enumerate() {
        nodes
            .entry(node.file)
            .or_insert_with(|| new(node.node.clone(), Sparse::clone(&node.bytes)));
        if let Some(at) = &node.at {
            let wrong = Contradiction { event: 0, why: format!("initial node {index} is nowhere") };
            let dir = nodes.get_mut(&at.dir).ok_or(wrong)?;
            dir.names.insert(at.name.clone(), node.file);
        }
    }
    nodes.entry(FileId::ROOT).or_insert_with(|| new(NodeKind::Dir, Sparse::default()));
    for (event, kind) in trace.events.iter().map(|event| &event.kind).enumerate() {
        if let EventKind::Call(call) = kind {
            apply(&mut nodes, &call.op).map_err(|why| Contradiction { event, why })?;
        }
    }
    let mut paths = BTreeMap::new();
    list(&nodes, FileId::ROOT, &mut Vec::new(), &mut paths, 0);
    Ok(paths)
}

fn new(kind: NodeKind, bytes: Sparse) -> Node {
    Node { kind, bytes, names: BTreeMap::new() }
}

fn apply(nodes: &mut BTreeMap<FileId, Node>, op: &FileOp) -> Result<(), String> {
    let missing = |file: FileId| format!("file {} was never made", file.0);
    let expect = |nodes: &BTreeMap<FileId, Node>, place: &super::event::Place, file| {
        let found = nodes.get(&place.dir).and_then(|dir| dir.names.get(&place.name));
        if found == Some(&file) {
            Ok(())
        } else {
            Err(format!("{} does not lead to file {}", place.name.escape_ascii(), file.0))
        }
    };
    match op {
        FileOp::Create { at, file, node, .. } => {
            if nodes.insert(*file, new(node.clone(), Sparse::default())).is_some() {
                return Err(format!("file {} was made twice", file.0));
            }
            let dir = nodes.get_mut(&at.dir).ok_or_else(|| missing(at.dir))?;
            if dir.names.insert(at.name.clone(), *file).is_some() {
                return Err(format!("{} was there already", at.name.escape_ascii()));
            }
        }
        FileOp::CreateUnnamed { file, .. } => {
            if nodes.insert(*file, new(NodeKind::File, Sparse::default())).is_some() {
                return Err(format!("file {} was made twice", file.0));
            }
        }
        FileOp::Link { at, file } => {
            if !nodes.contains_key(file) {
                return Err(missing(*file));
            }
            let dir = nodes.get_mut(&at.dir).ok_or_else(|| missing(at.dir))?;
            if dir.names.insert(at.name.clone(), *file).is_some() {
                return Err(format!("{} was there already", at.name.escape_ascii()));
            }
        }
        FileOp::Unlink { at, file } => {
            expect(nodes, at, *file)?;
            if let Some(dir) = nodes.get_mut(&at.dir) {
                dir.names.remove(&at.name);
            }
        }
        FileOp::Rename { from, to, file, replaced } => {
            expect(nodes, from, *file)?;
            let there = nodes.get(&to.dir).ok_or_else(|| missing(to.dir))?.names.get(&to.name);
            if there != replaced.as_ref() {
                return Err(format!("{} led elsewhere", to.name.escape_ascii()));
            }
            if let Some(dir) = nodes.get_mut(&from.dir) {
                dir.names.remove(&from.name);
            }
            if let Some(dir) = nodes.get_mut(&to.dir) {
                dir.names.insert(to.name.clone(), *file);
            }
        }
        FileOp::Exchange { a, b, file_a, file_b } => {
            expect(nodes, a, *file_a)?;
            expect(nodes, b, *file_b)?;
            for (place, file) in [(a, file_b), (b, file_a)] {
                if let Some(dir) = nodes.get_mut(&place.dir) {
                    dir.names.insert(place.name.clone(), *file);
                }
            }
        }
        FileOp::Write { file, offset, bytes, .. } => {
            let node = nodes.get_mut(file).ok_or_else(|| missing(*file))?;
            let end = offset.checked_add(bytes.len() as u64);
            end.filter(|end| *end <= FILE_BYTES).ok_or("a write ends beyond any file")?;
            node.bytes.write(*offset, bytes);
        }
        FileOp::Resize { file, from, to, .. } => {
            let node = nodes.get_mut(file).ok_or_else(|| missing(*file))?;
            if node.bytes.len() != *from {
                return Err(format!("the size was {} and not {from}", node.bytes.len()));
            }
            if *to > FILE_BYTES {
                return Err("a size beyond any file".into());
            }
            node.bytes.resize(*to);
        }
        FileOp::Zero { file, offset, len } => {
            let node = nodes.get_mut(file).ok_or_else(|| missing(*file))?;
            let size = node.bytes.len();
            let end = offset.checked_add(*len).filter(|end| *end <= size);
            end.ok_or("zeroed beyond the end")?;
            node.bytes.zero(*offset, *len);
        }
        FileOp::Allocate { .. }
        | FileOp::Sync { .. }
        | FileOp::SyncAll
        | FileOp::FailedSync { .. }
        | FileOp::Nothing { .. }
        | FileOp::Failed { .. } => {}
    }
    Ok(())
}

fn list(
    nodes: &BTreeMap<FileId, Node>,
    dir: FileId,
    path: &mut Vec<u8>,
    paths: &mut BTreeMap<Vec<u8>, Replayed>,
    depth: usize,
) {
    /// A directory that holds itself (only a forged trace has one) ends here.
    const DEEPEST: usize = 256;
    let Some(node) = nodes.get(&dir).filter(|_| depth < DEEPEST) else { return };
    for (name, file) in &node.names {
        let Some(below) = nodes.get(file) else { continue };
        let len = path.len();
        if len > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let what = match &below.kind {
            NodeKind::File => Replayed::File(*file, below.bytes.clone()),
            NodeKind::Dir => Replayed::Dir,
            NodeKind::Symlink(target) => Replayed::Symlink(target.to_vec()),
            NodeKind::Special => Replayed::Special,
        };
        paths.insert(path.clone(), what);
        if below.kind == NodeKind::Dir {
            list(nodes, *file, path, paths, depth + 1);
        }
        path.truncate(len);
    }
}
