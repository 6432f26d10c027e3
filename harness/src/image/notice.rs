//! What a recovery changed in a directory, found by content: timestamps lie (two changes within one
//! tick), and a program may write a file back to the same size and set its times.

use super::dir::{Workdir, open_up};
use super::tree::Image;
use crate::base::{HarnessError, Result};

impl Workdir {
    /// Reads the directory and takes what is in it as what it holds. Every byte is compared; what is
    /// as it was is shared with what was known, so the next difference is small. Sockets, FIFOs and
    /// devices are removed.
    pub fn note_recovery(&mut self) -> Result<()> {
        self.trusted = false;
        let read = Image::load_like(&self.path, Some(&self.known)).or_else(|_| {
            open_up(&self.path);
            Image::load_like(&self.path, Some(&self.known))
        });
        let (image, special) = read?;
        for path in special {
            std::fs::remove_file(&path)
                .map_err(|error| HarnessError::at("removing", &path, error))?;
        }
        self.known = image;
        self.trusted = true;
        Ok(())
    }

    /// Says that another process is about to work in the directory: what it holds is not known until
    /// [`Workdir::note_recovery`], and becoming an image looks first.
    pub fn lend(&mut self) {
        self.trusted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
    use std::path::Path;

    fn workdir(dir: &tempfile::TempDir) -> Workdir {
        Workdir::new(dir.path().join("w")).unwrap()
    }

    fn check(workdir: &mut Workdir, image: &Image) {
        workdir.become_image(image).unwrap();
        assert_eq!(Image::load(workdir.path()).unwrap().to_tree().len(), image.to_tree().len());
        assert_eq!(Image::load(workdir.path()).unwrap().hash(), image.hash());
    }

    #[test]
    fn an_unchanged_image_writes_nothing_and_a_changed_page_writes_a_page() {
        let temp = tempfile::tempdir().unwrap();
        let mut workdir = workdir(&temp);
        let mut image = Image::empty();
        assert!(image.put("big", &vec![7; 1 << 20]));
        check(&mut workdir, &image);
        assert_eq!(workdir.become_image(&image).unwrap(), Stats::default());
        assert!(image.write("big", 5000, b"x"));
        let stats = workdir.become_image(&image).unwrap();
        assert_eq!((stats.files, stats.bytes), (1, 4096));
    }

    use super::super::dir::Stats;

    #[test]
    fn whatever_a_recovery_did_is_found_by_content() {
        let temp = tempfile::tempdir().unwrap();
        let mut workdir = workdir(&temp);
        let mut image = Image::empty();
        assert!(image.put("a", b"aaaa") && image.put("b", b"bbbb") && image.make_dir("d"));
        assert!(image.put("d/c", &[1; 9000]) && image.symlink("s", b"a"));
        assert!(image.hard_link("a", "a2"));
        let recoveries: [&dyn Fn(&Path); 9] = [
            &|dir| std::fs::write(dir.join("a"), b"zzzz").unwrap(),
            &|dir| std::fs::remove_dir_all(dir.join("d")).unwrap(),
            &|dir| std::fs::rename(dir.join("a"), dir.join("b")).unwrap(),
            &|dir| std::fs::hard_link(dir.join("b"), dir.join("e")).unwrap(),
            &|dir| {
                std::fs::remove_file(dir.join("b")).unwrap();
                std::os::unix::fs::symlink("/etc", dir.join("b")).unwrap();
            },
            &|dir| {
                std::fs::remove_file(dir.join("s")).unwrap();
                std::fs::create_dir(dir.join("s")).unwrap();
                std::fs::write(dir.join("s/x"), b"x").unwrap();
            },
            &|dir| nix::unistd::mkfifo(&dir.join("f"), nix::sys::stat::Mode::S_IRWXU).unwrap(),
            &|dir| {
                // Written and written back in time.
                let file = std::fs::File::options().write(true).open(dir.join("d/c")).unwrap();
                let times = std::fs::FileTimes::new()
                    .set_modified(file.metadata().unwrap().modified().unwrap());
                file.write_at(b"q", 5000).unwrap();
                file.set_times(times).unwrap();
            },
            &|dir| {
                let none = std::fs::Permissions::from_mode(0o0);
                std::fs::set_permissions(dir.join("b"), none.clone()).unwrap();
                std::fs::set_permissions(dir.join("d"), none).unwrap();
            },
        ];
        for recovery in recoveries {
            check(&mut workdir, &image);
            recovery(workdir.path());
            workdir.note_recovery().unwrap();
            check(&mut workdir, &image);
            let inode = |name| workdir.path().join(name).symlink_metadata().unwrap();
            assert_eq!(inode("a").ino(), inode("a2").ino());
            assert_ne!(inode("a").ino(), inode("b").ino());
            assert_eq!(inode("b").mode() & 0o777, 0o644);
        }
        assert!(Path::new("/etc").is_dir());
    }

    #[test]
    fn a_directory_that_was_lent_is_looked_at_before_it_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let mut workdir = workdir(&temp);
        let mut image = Image::empty();
        assert!(image.put("a", b"aaaa"));
        check(&mut workdir, &image);
        workdir.lend();
        std::fs::write(workdir.path().join("a"), b"b").unwrap();
        check(&mut workdir, &image);
    }

    #[test]
    fn a_sparse_gigabyte_is_written_read_and_noticed_without_being_copied() {
        let temp = tempfile::tempdir().unwrap();
        let mut workdir = workdir(&temp);
        let mut image = Image::empty();
        assert!(image.put("sparse", b"") && image.write("sparse", 1 << 29, b"middle"));
        assert!(image.resize("sparse", 1 << 30));
        let stats = workdir.become_image(&image).unwrap();
        assert_eq!(stats.bytes, 4096);
        workdir.note_recovery().unwrap();
        assert_eq!(workdir.holds().hash(), image.hash());
        let meta = workdir.path().join("sparse").metadata().unwrap();
        assert!(meta.blocks() * 512 < 1 << 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_image_follows_any_other(
            edits in proptest::collection::vec((0u8..8, 0usize..7, 0usize..7, any::<u8>()), 0..60),
        ) {
            let temp = tempfile::tempdir().unwrap();
            let mut workdir = workdir(&temp);
            let paths = ["a", "b", "d", "d/a", "d/e", "d/e/c", "f"];
            let mut image = Image::empty();
            for (at, (what, from, to, byte)) in edits.into_iter().enumerate() {
                let (from, to) = (paths[from], paths[to]);
                match what {
                    0 => image.put(from, &vec![byte; usize::from(byte) * 50]),
                    1 => image.make_dir(from),
                    2 => image.rename(from, to),
                    3 => image.remove(from),
                    4 => image.hard_link(from, to),
                    5 => image.symlink(from, to.as_bytes()),
                    6 => image.write(from, u64::from(byte) * 80, &[byte]),
                    _ => image.resize(from, u64::from(byte) * 50),
                };
                if at % 3 == 0 {
                    workdir.become_image(&image).unwrap();
                    prop_assert_eq!(Image::load(workdir.path()).unwrap().hash(), image.hash());
                }
                if at % 7 == 0 {
                    workdir.note_recovery().unwrap();
                }
            }
        }
    }
}
