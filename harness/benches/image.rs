//! What an image costs: building and hashing the image of a crash state must cost by what it changes,
//! not by the size of the store. Prints a table; no other output, no files left.
//!
//! `cargo bench -p unplug-harness --bench image [-- million]`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use unplug_harness::base::Rng;
use unplug_harness::explore::Explorer;
use unplug_harness::image::{Builder, Image, Workdir};
use unplug_harness::persistence::{Model, Profile, ProfileSet};
use unplug_harness::trace::sparse::Sparse;
use unplug_harness::trace::{
    Call, Event, EventKind, FileId, FileOp, Name, NodeKind, Place, SyncScope, Trace, TreeNode, Via,
    WriteSync,
};

fn main() {
    let million = std::env::args().any(|arg| arg == "million");
    println!("One file; 400 overwrites of 4 KiB, an append of 100 bytes each, fsync every 5th.");
    println!(
        "{:>10} {:>12} {:>14} {:>16} {:>16}",
        "store", "model ms", "states", "build+hash us", "distinct images"
    );
    for (name, bytes) in
        [("100 KB", 100 << 10), ("1 MB", 1 << 20), ("10 MB", 10 << 20), ("100 MB", 100 << 20)]
    {
        let trace = store(bytes, 400, Some(5));
        measure(name, &trace, if million && bytes == 100 << 20 { 1_000_000 } else { 20_000 });
    }
    println!();
    println!("20,000 writes and never a sync:");
    measure("100 KB", &store(100 << 10, 10_000, None), 20_000);
    println!("peak memory {} MB", peak_mb());
    println!();
    println!(
        "Into a directory and back (writing the difference; reading and comparing all of it):"
    );
    println!("{:>10} {:>14} {:>14}", "store", "write us", "compare us");
    for (name, bytes) in
        [("100 KB", 100 << 10), ("1 MB", 1 << 20), ("10 MB", 10 << 20), ("100 MB", 100 << 20)]
    {
        let trace = store(bytes, 50, Some(5));
        materialize(name, &trace);
    }
}

fn measure(name: &str, trace: &Trace, states: usize) {
    let start = Instant::now();
    let model = Model::new(trace);
    let model_ms = start.elapsed().as_secs_f64() * 1e3;
    let mut builder = Builder::new(&model);
    let mut seen = std::collections::HashSet::new();
    let mut explorer = Explorer::new(trace, &model, ProfileSet::ALL, &Rng::new(1));
    let (mut built, mut count) = (0.0, 0);
    let explored = Instant::now();
    for visit in explorer.by_ref().take(states) {
        let start = Instant::now();
        let image = builder.image(&visit.state);
        built += start.elapsed().as_secs_f64();
        seen.insert(image.hash());
        count += 1;
    }
    let all = explored.elapsed().as_secs_f64();
    println!(
        "{name:>10} {model_ms:>12.1} {count:>14} {:>16.2} {:>16}   (choosing {:.2} us; peak {} MB; {:?})",
        built / count as f64 * 1e6,
        seen.len(),
        (all - built) / count as f64 * 1e6,
        peak_mb(),
        explorer.visited(),
    );
}

fn materialize(name: &str, trace: &Trace) {
    let model = Model::new(trace);
    let mut builder = Builder::new(&model);
    let explorer = Explorer::new(trace, &model, Profile::Strict.into(), &Rng::new(1));
    let images: Vec<Image> = explorer.take(200).map(|visit| builder.image(&visit.state)).collect();
    let root = ["/dev/shm", "/tmp"].into_iter().find(|dir| std::path::Path::new(dir).is_dir());
    let dir = tempfile::tempdir_in(root.unwrap_or(".")).expect("a temporary directory");
    let mut workdir = Workdir::new(dir.path().join("w")).expect("a directory");
    workdir.become_image(&images[0]).expect("the first image");
    let (mut write, mut compare) = (0.0, 0.0);
    for image in &images {
        let start = Instant::now();
        workdir.become_image(image).expect("an image");
        write += start.elapsed().as_secs_f64();
        let start = Instant::now();
        workdir.note_recovery().expect("a directory");
        compare += start.elapsed().as_secs_f64();
    }
    let each = 1e6 / images.len() as f64;
    println!("{name:>10} {:>14.1} {:>14.1}", write * each, compare * each);
}

fn store(bytes: usize, writes: u64, sync_every: Option<u64>) -> Trace {
    let mut rng = Rng::new(bytes as u64);
    let content: Vec<u8> = (0..bytes / 8).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
    let place = |name: &str| Place { dir: FileId::ROOT, name: Name::from(name.as_bytes()) };
    let node = |at, file, node, bytes| TreeNode { at, file, node, mode: 0o644, bytes };
    let mut trace = Trace {
        initial: vec![
            node(None, FileId::ROOT, NodeKind::Dir, Arc::default()),
            node(Some(place("data")), FileId(1), NodeKind::File, Sparse::of(&content).into()),
            node(Some(place("log")), FileId(2), NodeKind::File, Arc::default()),
        ],
        ..Trace::default()
    };
    let push = |trace: &mut Trace, op| {
        let no = trace.events.len() as u32 + 1;
        let call = Call { no, name: "call".into(), result: 0, injected: false, op };
        let kind = EventKind::Call(call);
        trace.events.push(Event { thread: 1, kind, stack: Arc::from([]) });
    };
    let write = |trace: &mut Trace, file, offset, bytes: Vec<u8>| {
        let (sync, via) = (WriteSync::None, Via::Call);
        push(trace, FileOp::Write { file: FileId(file), offset, bytes: bytes.into(), sync, via });
    };
    for no in 0..writes {
        write(&mut trace, 2, no * 100, vec![no as u8 | 1; 100]);
        let page = rng.below((bytes as u64 / 4096).max(1));
        write(&mut trace, 1, page * 4096, vec![no as u8; 4096]);
        if sync_every.is_some_and(|every| no % every == 0) {
            for file in [1, 2] {
                let op = FileOp::Sync { file: FileId(file), scope: SyncScope::Data };
                let no = trace.events.len() as u32 + 1;
                let call = Call { no, name: "fdatasync".into(), result: 0, injected: false, op };
                let kind = EventKind::Call(call);
                trace.events.push(Event { thread: 1, kind, stack: Arc::from([]) });
            }
        }
    }
    trace
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}
