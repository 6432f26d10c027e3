//! The pool against a driver of shell that shows one file as one pair.

use super::*;
use crate::driver::{Capabilities, Target, Timeouts};

const SHOW: &str = r#"while read -r id word dir; do case $word in
    open) d=$dir; echo "ack $id reopen" ;;
    dump) read -r v < $d/v; [ "$v" = bad ] && exit 3; echo "have $id k $v"; echo "ack $id" ;;
    *) echo "ack $id" ;;
esac; done"#;

#[test]
fn every_submitted_image_comes_back_once_with_its_number() {
    let root = tempfile::tempdir_in(memory_folder()).unwrap();
    let target = Target::new("shell", ["sh", "-c", SHOW]);
    let capabilities = Capabilities { reopen: true, ..Capabilities::default() };
    let setup = Setup::new(target, capabilities, Timeouts::default(), root.path());
    let mut pool = Pool::start(&setup, 2).unwrap();
    let mut done = Vec::new();
    for id in 0..120 {
        let mut image = Image::empty();
        let value = if id == 7 { "bad\n".to_string() } else { format!("{id}\n") };
        image.put("v", value.as_bytes());
        let extra = Extra { stable: id == 3, left: id == 5, ..Extra::default() };
        pool.submit(id, image, extra).unwrap();
        done.extend(pool.try_next().unwrap());
    }
    while let Some(next) = pool.next().unwrap() {
        done.push(next);
    }
    done.sort_by_key(|done| done.id);
    assert_eq!(done.len(), 120);
    for (id, done) in (0..).zip(&done) {
        assert_eq!(done.id, id);
        match &done.recovery {
            Recovery::Opened(recovered) => {
                assert_eq!(recovered.contents[&"k".into()].as_str(), id.to_string());
                assert_eq!(done.again.is_some(), id == 99);
            }
            crashed => {
                assert_eq!(id, 7, "{crashed:?}");
                assert_eq!(done.again.as_ref(), Some(crashed));
            }
        }
        assert_eq!((done.stable.is_some(), done.left.is_some()), (id == 3, id == 5));
    }
    drop(pool);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}
