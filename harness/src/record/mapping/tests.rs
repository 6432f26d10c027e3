//! Stores into mappings found by comparing, small files and sparse ones.

use std::os::unix::fs::FileExt;

use super::*;
use crate::trace::{SyncScope, Via, WriteSync};
use std::io::Write;

const FILE: FileId = FileId(1);

fn mapped(bytes: &[u8]) -> (std::fs::File, Mappings, tempfile::NamedTempFile) {
    let mut temp = tempfile::NamedTempFile::new().expect("a file");
    temp.write_all(bytes).expect("written");
    let mut mappings = Mappings::default();
    mappings.add(FILE, temp.reopen().expect("open")).expect("read");
    (temp.reopen().expect("open"), mappings, temp)
}

#[test]
fn stores_are_found_once_and_by_the_byte() {
    let (file, mut mappings, _temp) = mapped(&[0; 20_000]);
    file.write_all_at(b"abc", 100).expect("stored");
    file.write_all_at(b"x", 9_000).expect("stored");
    let stores = mappings.compare(true).expect("compared");
    let expected = [
        Store { file: FILE, offset: 100, bytes: b"abc".to_vec() },
        Store { file: FILE, offset: 9_000, bytes: b"x".to_vec() },
    ];
    assert_eq!(stores, expected);
    assert_eq!(mappings.compare(true).expect("compared"), []);
}

#[test]
fn a_store_over_neighbouring_pages_is_one() {
    let (file, mut mappings, _temp) = mapped(&[7; 20_000]);
    file.write_all_at(&[1; 6000], 4000).expect("stored");
    let stores = mappings.compare(true).expect("compared");
    assert_eq!(stores, [Store { file: FILE, offset: 4000, bytes: vec![1; 6000] }]);
}

#[test]
fn what_a_call_wrote_is_no_store() {
    let (file, mut mappings, _temp) = mapped(&[7; 5_000]);
    file.write_all_at(&[1; 600], 4800).expect("written");
    let bytes = vec![1; 600].into();
    let (offset, sync, via) = (4800, WriteSync::None, Via::Call);
    mappings.apply(&FileOp::Write { file: FILE, offset, bytes, sync, via });
    assert_eq!(mappings.compare(true).expect("compared"), []);
    file.set_len(100).expect("cut");
    let how = crate::trace::ResizeHow::Truncate;
    mappings.apply(&FileOp::Resize { file: FILE, from: 5400, to: 100, how });
    file.set_len(300_000).expect("grown");
    mappings.apply(&FileOp::Resize { file: FILE, from: 100, to: 300_000, how });
    assert_eq!(mappings.compare(true).expect("compared"), []);
    file.write_all_at(b"z", 299_999).expect("stored");
    let store = Store { file: FILE, offset: 299_999, bytes: b"z".to_vec() };
    assert_eq!(mappings.compare(true).expect("compared"), [store]);
}

#[test]
fn who_did_anything_since_a_failed_sync_may_have_stored_all_of_it_again() {
    let (_file, mut mappings, _temp) = mapped(b"known");
    let failed = FileOp::FailedSync { file: FILE, scope: SyncScope::Full };
    mappings.went_on();
    assert_eq!(mappings.stored_again(), [], "nothing failed yet");
    mappings.apply(&failed);
    assert_eq!(mappings.stored_again(), [], "synced once more, and nothing in between");
    mappings.went_on();
    let store = Store { file: FILE, offset: 0, bytes: b"known".to_vec() };
    assert_eq!(mappings.stored_again(), [store]);
    mappings.went_on();
    assert_eq!(mappings.stored_again(), [], "once");
    mappings.apply(&FileOp::FailedSync { file: FileId(9), scope: SyncScope::Full });
    mappings.went_on();
    assert_eq!(mappings.stored_again(), [], "it has no mapping");
}

#[test]
fn a_sparse_file_of_a_terabyte_costs_what_it_holds() {
    let (file, mut mappings, _temp) = mapped(b"start");
    file.set_len(1 << 40).expect("grown");
    let how = crate::trace::ResizeHow::Truncate;
    mappings.apply(&FileOp::Resize { file: FILE, from: 5, to: 1 << 40, how });
    file.write_all_at(b"far", 1 << 39).expect("stored");
    let store = Store { file: FILE, offset: 1 << 39, bytes: b"far".to_vec() };
    assert_eq!(mappings.compare(true).expect("compared"), [store]);
}
