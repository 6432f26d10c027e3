//! Snapshots round trip through each kind of place, and damage to them is noticed.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::store::{Clock, Options};

fn open(path: &Path) -> Store {
    Store::open(path, Options { clock: Clock::fixed(1), ..Options::default() }).unwrap().0
}

fn contents(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let each = |key: &[u8], value: &[u8]| {
        all.insert(key.to_vec(), value.to_vec());
        Ok::<(), ReadError>(())
    };
    store.scan(b"", each).unwrap();
    all
}

fn sample(path: &Path) -> Store {
    let store = open(path);
    let mut batch = Batch::default();
    for n in 0..300u32 {
        batch.put(&n.to_be_bytes(), &vec![n as u8; n as usize * 7]);
    }
    store.apply(&batch).unwrap();
    store.put(b"large", &vec![9; 9 << 20]).unwrap();
    store.put(b"empty", b"").unwrap();
    store
}

#[test]
fn a_snapshot_file_gives_the_same_store() {
    let place = tempfile::tempdir().unwrap();
    let store = sample(&place.path().join("a"));
    let file = place.path().join("snapshot");
    assert_eq!(store.export_file(&file).unwrap(), 302);
    let other = open(&place.path().join("b"));
    assert_eq!(other.import_file(&file).unwrap(), 302);
    assert_eq!(contents(&other), contents(&store));
    assert!(matches!(other.import_file(&file), Err(SnapshotError::NotEmpty)));
}

#[test]
fn a_snapshot_directory_gives_the_same_store_and_has_several_parts() {
    let place = tempfile::tempdir().unwrap();
    let store = sample(&place.path().join("a"));
    let shelf = place.path().join("snapshot");
    store.export(&mut DirShelf::create(&shelf).unwrap()).unwrap();
    assert!(std::fs::read_dir(&shelf).unwrap().count() >= 3);
    let other = open(&place.path().join("b"));
    other.import(&mut DirShelf::open(&shelf).unwrap()).unwrap();
    assert_eq!(contents(&other), contents(&store));
}

#[test]
fn a_damaged_snapshot_is_refused_before_anything_is_imported() {
    let place = tempfile::tempdir().unwrap();
    let store = sample(&place.path().join("a"));
    let file = place.path().join("snapshot");
    store.export_file(&file).unwrap();
    let shelf = place.path().join("parts");
    store.export(&mut DirShelf::create(&shelf).unwrap()).unwrap();
    let other = open(&place.path().join("b"));
    let whole = std::fs::read(&file).unwrap();
    for at in [0, 100, 5000, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(matches!(other.import_file(&file), Err(SnapshotError::Read(_))));
    }
    std::fs::write(&file, &whole[..whole.len() - 4096]).unwrap();
    assert!(other.import_file(&file).is_err());
    for entry in std::fs::read_dir(&shelf).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(other.import(&mut DirShelf::open(&shelf).unwrap()).is_err(), "{path:?}");
        std::fs::write(&path, whole).unwrap();
    }
    let evil = br#"{"format":1,"keys":0,"parts":[{"name":"../a/MARK","bytes":0,"crc32":0}]}"#;
    std::fs::write(shelf.join(MANIFEST), evil).unwrap();
    assert!(other.import(&mut DirShelf::open(&shelf).unwrap()).is_err());
    assert!(contents(&other).is_empty());
}

/// A real S3 API on loopback: `moto_server` from PyPI.
#[cfg(feature = "s3")]
#[test]
fn a_snapshot_in_an_object_store_gives_the_same_store() {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    struct Server(Child);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    let has_moto = Command::new("python3")
        .args(["-c", "import moto.server, flask"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_moto {
        eprintln!(
            "SKIPPED: python3 has no moto server (pip install 'moto[server]'); S3 not tested"
        );
        return;
    }
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let child = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let started = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => {
                assert!(server.0.try_wait().unwrap().is_none(), "moto ended");
                assert!(started.elapsed() < Duration::from_secs(60), "moto: {error}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    };
    let make = "PUT /bucket HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\
                Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request\r\n\r\n";
    stream.write_all(make.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let place = tempfile::tempdir().unwrap();
    let store = sample(&place.path().join("a"));
    let endpoint = format!("http://127.0.0.1:{port}");
    let shelf = || S3Shelf::at("bucket", "some/prefix", &endpoint).unwrap();
    store.export(&mut shelf()).unwrap();
    let other = open(&place.path().join("b"));
    other.import(&mut shelf()).unwrap();
    assert_eq!(contents(&other), contents(&store));
    let mut missing = S3Shelf::at("bucket", "elsewhere", &endpoint).unwrap();
    assert!(open(&place.path().join("c")).import(&mut missing).is_err());
}
