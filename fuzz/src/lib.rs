//! What unplug reads from files and programs, fed with bytes that nobody vouches for. Each target takes any bytes and
//! returns: a panic, an abort or an input that takes long is a defect. `cargo fuzz` runs them with coverage (`libfuzzer`),
//! [`mutations`] without.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use unplug::store::{Options, Store, read_frames, verify};
use unplug_harness::driver::lines::Lines;
use unplug_harness::driver::{Capabilities, protocol, reason};
use unplug_harness::image::Builder;
use unplug_harness::persistence::{CrashState, Model};
use unplug_harness::report::{Report, html, junit, terminal};
use unplug_harness::scenario::Scenario;
use unplug_harness::trace::{EventNo, file, text};
use unplug_harness::workload::Workload;

/// The longest line that a driver may print here.
const LINE_BYTES: usize = 1 << 16;
/// At so many points of a trace its images are built.
const POINTS: u32 = 64;
/// Files whose sizes together are more than this are not filled by the model.
const IMAGE_BYTES: u64 = 64 << 20;

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 8] = [
    ("scenario", scenario),
    ("trace", trace),
    ("driver_output", driver_output),
    ("capabilities", capabilities),
    ("workload", workload),
    ("store", store),
    ("frames", frames),
    ("report", report),
];

/// A scenario file.
pub fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(scenario) = Scenario::parse(text) {
        let printed = scenario.print();
        assert!(Scenario::parse(&printed).is_ok(), "it does not read what it prints: {printed}");
    }
}

/// The payload of a trace file, whose header is made to fit; then the trace as text, and the images of its kills.
pub fn trace(data: &[u8]) {
    let mut bytes = b"unplugtr\x01\0\0\0".to_vec();
    bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    bytes.extend_from_slice(data);
    let Ok(trace) = file::decode(&bytes) else { return };
    let again = file::decode(&file::encode(&trace));
    assert!(again.is_ok_and(|again| again == trace), "it does not read what it writes");
    text::text(&trace);
    let model = Model::new(&trace);
    let mut builder = Builder::new(&model);
    let last = model.last_point().0;
    for point in (0..=last).step_by((last / POINTS + 1) as usize) {
        let image = builder.image(&CrashState::kill(EventNo(point)));
        if image.file_bytes() < IMAGE_BYTES {
            image.hash();
        }
    }
}

/// What a driver prints, in the pieces in which a pipe gives it.
pub fn driver_output(data: &[u8]) {
    let mut lines = Lines::default();
    for piece in data.chunks(1 + data.first().map_or(0, |first| usize::from(*first))) {
        lines.push(piece);
        while let Ok(Some(line)) = lines.next_line(LINE_BYTES) {
            // A line that breaks the protocol is an answer too.
            let _ = protocol::parse_reply(line);
            let _ = protocol::parse_request(line);
        }
    }
    reason(&String::from_utf8_lossy(data));
}

/// What a driver says of itself.
pub fn capabilities(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(known) = Capabilities::parse(text.split_ascii_whitespace()) {
        let words = known.words();
        let again = Capabilities::parse(words.iter().map(String::as_str));
        assert!(
            again.is_ok_and(|again| again == known),
            "it does not read what it says: {words:?}"
        );
    }
}

/// The text of a workload.
pub fn workload(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A line that is none is an error.
    let _ = Workload::parse(text.lines());
}

/// The directory of a store: each file a byte for what it is, two for its number, two for its length, and its bytes; verified, opened, read,
/// written to and closed. An odd first byte has the frames' checksums fit.
pub fn store(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(folder) = tempfile::tempdir_in(memory()) else { return };
    for (name, mut bytes) in files(rest) {
        if first % 2 == 1 && name.starts_with("log-") {
            reseal(&mut bytes);
        }
        if std::fs::write(folder.path().join(name), bytes).is_err() {
            return;
        }
    }
    let before = verify(folder.path()).is_ok();
    let _ = read_frames(folder.path(), 0).map(|frames| frames.take(1000).count());
    let Ok((store, _)) = Store::open(folder.path(), Options::default()) else { return };
    let _ = store.get(b"k1");
    let written = store.put(b"fuzz", b"value").is_ok();
    let there = store.get(b"fuzz").ok().flatten();
    assert!(!written || there.as_deref() == Some(b"value"), "a put is not there ({before})");
    let closed = store.close().is_ok();
    if written && closed {
        let again =
            Store::open(folder.path(), Options::default()).map(|(store, _)| store.get(b"fuzz"));
        assert!(
            matches!(again, Ok(Ok(Some(value))) if value == b"value"),
            "a put is not there after a close ({before})"
        );
    }
}

/// One segment of a log, whose checksums are made to fit.
pub fn frames(data: &[u8]) {
    let Ok(folder) = tempfile::tempdir_in(memory()) else { return };
    let mut bytes = data.to_vec();
    reseal(&mut bytes);
    if std::fs::write(folder.path().join(format!("log-{:016x}", 0)), bytes).is_ok() {
        let _ = read_frames(folder.path(), 0).map(|frames| frames.take(1000).count());
        let _ = verify(folder.path());
    }
}

/// A stored report, rendered in every form.
pub fn report(data: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(data) else { return };
    terminal::render(&report, "folder");
    html::render(&report, &|_| None);
    // What XML cannot hold is an error.
    let _ = junit::render(&report);
}

/// The files that bytes stand for.
fn files(mut rest: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let [kind, number @ .., low, high] = *head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (bytes, left) = after.split_at(length.min(after.len()));
        let number = u16::from_le_bytes(number);
        let name = match kind & 7 {
            0 => "MARK".to_owned(),
            1 => format!("log-{:016x}", 0),
            2 => format!("log-{number:016x}"),
            3 => format!("checkpoint-{number:016x}"),
            4 => format!("value-{number:016x}"),
            5 => format!("log-{number:016x}.tmp"),
            6 => "MARK.tmp".to_owned(),
            _ => format!("lost-{number}"),
        };
        files.insert(name, bytes.to_vec());
        rest = left;
    }
    files
}

/// Has the checksums of a segment's header and of its frames fit, and each frame's chain, so that what they say is read
/// (docs/STORE.md).
fn reseal(bytes: &mut [u8]) {
    const HEADER: usize = 64;
    const FRAME: usize = 32;
    if bytes.len() < HEADER {
        return;
    }
    let crc = crc32fast::hash(&bytes[..60]).to_le_bytes();
    bytes[60..HEADER].copy_from_slice(&crc);
    let (mut at, mut chain) = (HEADER, [0; 4]);
    chain.copy_from_slice(&bytes[32..36]);
    while at + FRAME + 24 <= bytes.len() {
        let mut length = [0; 4];
        length.copy_from_slice(&bytes[at + 24..at + 28]);
        let there = bytes.len() - at - FRAME;
        let length = (u32::from_le_bytes(length) as usize).clamp(24, there);
        bytes[at + 24..at + 28].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[at + FRAME + 16..at + FRAME + 20].copy_from_slice(&chain);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[at..at + 28]);
        hasher.update(&bytes[at + FRAME..at + FRAME + length]);
        chain = hasher.finalize().to_le_bytes();
        bytes[at + 28..at + FRAME].copy_from_slice(&chain);
        at += FRAME + length;
    }
}

/// Where small files cost least.
fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// Numbers that are at the edge of something.
const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "0.5",
    "99999",
];

/// Inputs without end: each one of these, changed. The same seed gives the same.
pub fn mutations(inputs: &[Vec<u8>], seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    std::iter::from_fn(move || {
        let last = inputs.len().checked_sub(1)?;
        let mut input = inputs[rng.random_range(0..=last)].clone();
        let other = &inputs[rng.random_range(0..=last)];
        mutate(&mut input, other, &mut rng);
        Some(input)
    })
}

/// Changes an input in one to eight places; `other` is another one, of which it may get a part.
fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..=8) {
        let len = input.len();
        let at = rng.random_range(0..=len);
        let to = rng.random_range(at..=len.min(at + 64));
        match rng.random_range(0..9) {
            0 if at < len => input[at] ^= 1 << rng.random_range(0..8),
            1 if at < len => input[at] = rng.random(),
            2 => drop(input.drain(at..to)),
            3 => {
                let copy = input[at..to].to_vec();
                input.splice(at..at, copy);
            }
            4 => input.truncate(at),
            5 => {
                let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
                let digits = input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                input.splice(at..at + digits, number.bytes());
            }
            6 => {
                let edge: u32 = [0, 1, u32::MAX, 1 << 31, 0xffff, 4096][rng.random_range(0..6)];
                let end = len.min(at + 4);
                input.splice(at..end, edge.to_le_bytes());
            }
            7 if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let part = &other[from..other.len().min(from + 256)];
                input.splice(at..to, part.iter().copied());
            }
            _ => input.insert(at, rng.random()),
        }
    }
    input.truncate(1 << 16);
}

/// The inputs of a target that are kept with the sources.
pub fn corpus(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}
