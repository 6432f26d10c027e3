//! Call stacks of stopped threads. Addresses are kept in a form that outlives the process: which
//! program or library, and where in it as its file numbers addresses. Turning them into source lines
//! is [`super::source`]'s.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use framehop::{ExplicitModuleSectionInfo, Unwinder as _};
use libc::pid_t;
use object::{Object, ObjectSection, ObjectSegment};

use super::ptrace::Stopped;
use super::stores::areas;
use super::{arch, memory};

/// The most frames of one stack.
const FRAMES: usize = 64;
/// How much of a stack is read at once.
const STACK_BYTES: usize = 64 << 10;
/// Where the number of the module stands in a kept address.
const MODULE_SHIFT: u32 = 48;
const ADDRESS_MASK: u64 = (1 << MODULE_SHIFT) - 1;

/// At which calls the stack is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stacks {
    /// At none.
    #[default]
    None,
    /// At the call of this number.
    At(u32),
    /// At every numbered call, at some 10 µs each.
    All,
}

/// Splits a kept address: the index of its module in the recording and the address in its file.
/// Nothing for one in no module (code made at run time).
pub fn module_of(address: u64) -> Option<(usize, u64)> {
    let module = (address >> MODULE_SHIFT) as usize;
    Some((module.checked_sub(1)?, address & ADDRESS_MASK))
}

/// Takes stacks.
#[derive(Debug, Default)]
pub struct Unwinding {
    /// Every program and library met, in the order of the numbers in kept addresses.
    modules: Vec<PathBuf>,
    processes: BTreeMap<pid_t, Process>,
}

/// What is mapped into one process.
struct Process {
    unwinder: arch::Unwinder,
    cache: arch::UnwindCache,
    /// Where code is, what is added to its file's addresses, and its module.
    code: Vec<(Range<u64>, u64, usize)>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("code", &self.code).finish_non_exhaustive()
    }
}

impl Unwinding {
    /// The stack of a stopped thread, innermost first. Empty where nothing can be made of it.
    pub fn take(&mut self, thread: &Stopped, tgid: pid_t) -> Arc<[u64]> {
        let Ok((pc, registers, sp)) = arch::unwind_start(thread) else { return Arc::default() };
        let known = self.processes.get(&tgid).is_some_and(|process| process.find(pc).is_some());
        if !known {
            // A library may have been loaded since.
            let process = self.load(tgid);
            self.processes.insert(tgid, process);
        }
        let Some(process) = self.processes.get_mut(&tgid) else { return Arc::default() };
        let stack = memory::read(thread.tid(), sp, STACK_BYTES).unwrap_or_default();
        let words: Vec<u64> = memory::words(&stack).collect();
        let mut read = |address: u64| {
            let inside = address.checked_sub(sp).ok_or(())?;
            if inside % 8 == 0
                && let Some(word) = words.get((inside / 8) as usize)
            {
                return Ok(*word);
            }
            memory::read_u64(thread.tid(), address).map_err(drop)
        };
        let mut frames = Vec::new();
        let mut walk = process.unwinder.iter_frames(pc, registers, &mut process.cache, &mut read);
        while let Ok(Some(frame)) = walk.next()
            && frames.len() < FRAMES
        {
            frames.push(frame.address_for_lookup());
        }
        frames.iter().map(|address| process.keep(*address)).collect()
    }

    /// The process runs another program now, or is gone.
    pub fn forget(&mut self, tgid: pid_t) {
        self.processes.remove(&tgid);
    }

    /// The programs and libraries met.
    pub fn into_modules(self) -> Vec<PathBuf> {
        self.modules
    }

    fn load(&mut self, tgid: pid_t) -> Process {
        let mut process = Process {
            unwinder: arch::Unwinder::new(),
            cache: arch::UnwindCache::new(),
            code: Vec::new(),
        };
        for area in areas(tgid).unwrap_or_default().into_iter().filter(|area| area.executable) {
            let path = PathBuf::from(&area.path);
            let Some((bias, sections)) = sections(&path, area.start, area.offset) else { continue };
            let module = match self.modules.iter().position(|known| *known == path) {
                Some(module) => module,
                None => {
                    self.modules.push(path);
                    self.modules.len() - 1
                }
            };
            let range = area.start..area.end;
            process.unwinder.add_module(framehop::Module::new(
                area.path,
                range.clone(),
                bias,
                sections,
            ));
            process.code.push((range, bias, module));
        }
        process
    }
}

impl Process {
    fn find(&self, address: u64) -> Option<&(Range<u64>, u64, usize)> {
        self.code.iter().find(|(range, _, _)| range.contains(&address))
    }

    fn keep(&self, address: u64) -> u64 {
        match self.find(address) {
            Some((_, bias, module)) => {
                let inside = address.wrapping_sub(*bias) & ADDRESS_MASK;
                (*module as u64 + 1) << MODULE_SHIFT | inside
            }
            None => address & ADDRESS_MASK,
        }
    }
}

/// What is added to a file's addresses where a piece of it is mapped, and its unwind tables.
fn sections(
    path: &Path,
    start: u64,
    offset: u64,
) -> Option<(u64, ExplicitModuleSectionInfo<Vec<u8>>)> {
    let bytes = std::fs::read(path).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    // The end of one segment and the beginning of the next may share a page of the file; this piece
    // is code, which comes after what is only read.
    let holds = |segment: &object::Segment<'_, '_>| {
        let (from, len) = segment.file_range();
        (from & !0xfff..from + len).contains(&offset)
    };
    let segment = file.segments().filter(holds).last()?;
    let bias = start
        .wrapping_sub(offset)
        .wrapping_sub(segment.address().wrapping_sub(segment.file_range().0));
    let section = |name: &str| {
        let section = file.section_by_name(name)?;
        let range = section.address()..section.address() + section.size();
        Some((range, section.data().ok()?.to_vec()))
    };
    let mut info = ExplicitModuleSectionInfo::default();
    if let Some((range, data)) = section(".text") {
        (info.text_svma, info.text) = (Some(range), Some(data));
    }
    if let Some((range, data)) = section(".eh_frame") {
        (info.eh_frame_svma, info.eh_frame) = (Some(range), Some(data));
    }
    if let Some((range, data)) = section(".eh_frame_hdr") {
        (info.eh_frame_hdr_svma, info.eh_frame_hdr) = (Some(range), Some(data));
    }
    info.got_svma = section(".got").map(|(range, _)| range);
    Some((bias, info))
}
