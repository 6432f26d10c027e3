//! `serve` against a small store in memory, with the wire in plain sight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// What survives an engine: the "disk", and how often it was opened.
#[derive(Default)]
struct Disk {
    pairs: Mutex<BTreeMap<String, String>>,
    opened: AtomicUsize,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

struct Memory {
    disk: &'static Disk,
    /// Shown until it is dropped, and never written: what a store that answers from memory would add.
    only_in_memory: bool,
    meet: bool,
}

struct Kind {
    disk: &'static Disk,
    threads: u32,
    meet: bool,
}

impl Opener for Kind {
    fn capabilities(&self) -> Capabilities {
        Capabilities { threads: self.threads, del: true, ..Capabilities::default() }
    }

    fn open(&self, dir: &Path, warn: &dyn Fn(&str)) -> Result<Box<dyn Engine>, NotOpened> {
        match dir.to_str() {
            Some("/refuse") => return Err(NotOpened::Refused("damaged\nbadly".into())),
            Some("/fail") => return Err(NotOpened::Failed("no room".into())),
            _ => {}
        }
        let nth = self.disk.opened.fetch_add(1, Ordering::SeqCst);
        warn("opened");
        Ok(Box::new(Memory { disk: self.disk, only_in_memory: nth == 0, meet: self.meet }))
    }
}

impl Engine for Memory {
    fn write(&self, mutations: &[Mutation]) -> Result<(), String> {
        let inside = self.disk.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.disk.most_inside.fetch_max(inside, Ordering::SeqCst);
        if self.meet {
            // Stay until another request is inside as well, or long enough to prove that none comes.
            let start = Instant::now();
            while self.disk.most_inside.load(Ordering::SeqCst) < 2
                && start.elapsed() < Duration::from_secs(5)
            {
                std::thread::yield_now();
            }
        }
        let mut pairs = lock(&self.disk.pairs);
        for mutation in mutations {
            let key = mutation.key().to_string();
            match mutation.value() {
                Some(value) => drop(pairs.insert(key, value.to_string())),
                None => drop(pairs.remove(&key)),
            }
        }
        drop(pairs);
        self.disk.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn sync(&self) -> Result<(), String> {
        Err("cannot".into())
    }

    fn dump(&self, have: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), String> {
        if self.only_in_memory {
            have(b"memory", b"only");
        }
        lock(&self.disk.pairs).iter().for_each(|(k, v)| have(k.as_bytes(), v.as_bytes()));
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}

fn disk() -> &'static Disk {
    Box::leak(Box::default())
}

fn talk(kind: &Kind, input: &str) -> String {
    let mut output = Vec::new();
    serve(kind, input.as_bytes(), &mut output).unwrap();
    String::from_utf8(output).unwrap()
}

#[test]
fn requests_are_answered_in_order_and_several_may_come_in_one_read() {
    let kind = Kind { disk: disk(), threads: 1, meet: false };
    let input = "1 open /d\n2 put k v\n3 put a b\n4 del a\n5 sync\n6 dump\n7 close\n8 dump\n";
    let expected = "warn opened\nack 1 del durable=ack\nack 2\nack 3\nack 4\nerr 5 cannot\n\
                    have 6 memory only\nhave 6 k v\nack 6\nack 7\nerr 8 no store is open\n";
    assert_eq!(talk(&kind, input), expected);
}

#[test]
fn recoverys_dump_comes_from_an_engine_that_was_dropped_and_opened_again() {
    let disk = disk();
    let kind = Kind { disk, threads: 1, meet: false };
    let output = talk(&kind, "1 open /d\n2 dump\n3 dump\n4 close\n");
    assert!(!output.contains("memory"), "{output}");
    assert_eq!(disk.opened.load(Ordering::SeqCst), 2);
}

#[test]
fn a_store_that_does_not_open_says_so_on_one_line() {
    let kind = Kind { disk: disk(), threads: 1, meet: false };
    let output = talk(&kind, "1 open /refuse\n2 open /fail\n");
    assert_eq!(output, "refused 1 damaged\\x0abadly\nerr 2 no room\n");
}

#[test]
fn two_requests_are_inside_the_engine_at_once_where_threads_are_declared() {
    let disk = disk();
    let kind = Kind { disk, threads: 2, meet: true };
    let output = talk(&kind, "1 open /d\n2 put a 1\n3 put b 2\n4 dump\n5 close\n");
    assert_eq!(disk.most_inside.load(Ordering::SeqCst), 2);
    let (dump, first) = (output.find("have 4 a 1"), output.find("ack 2"));
    assert!(dump > first && first.is_some() && output.ends_with("ack 5\n"), "{output}");
    let alone = Kind { disk: self::disk(), threads: 1, meet: false };
    talk(&alone, "1 open /d\n2 put a 1\n3 put b 2\n");
    assert_eq!(alone.disk.most_inside.load(Ordering::SeqCst), 1);
}

#[test]
fn input_that_is_not_the_protocol_ends_the_driver_with_an_error() {
    let kind = Kind { disk: disk(), threads: 1, meet: false };
    let error = serve(&kind, &b"1 fetch k\n"[..], Vec::new()).unwrap_err();
    assert!(error.to_string().contains("1 fetch k"), "{error}");
}
