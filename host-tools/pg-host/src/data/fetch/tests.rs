//! Against a server on this machine: nothing here needs a network.

use std::io::BufRead;
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::data::{Dataset, Split};

/// How a test server answers one request.
#[derive(Clone, Copy)]
enum Answer {
    /// The whole file, whatever was asked for.
    Whole,
    /// What was asked for, by range.
    Range,
    /// The headers of the whole file and its first bytes; then the connection closes.
    Cut(usize),
    /// This status and no content.
    Status(u16),
}

/// Answers one request after the other; returns the requests' `Range` headers.
fn serve(file: Vec<u8>, answers: Vec<Answer>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/set.tar.gz", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut ranges = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut range = String::new();
            for line in io::BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    range = value.to_owned();
                }
                if line.is_empty() {
                    break;
                }
            }
            let start: usize = match answer {
                Answer::Range => range.trim_end_matches('-').parse().unwrap_or(0),
                _ => 0,
            };
            let body = &file[start..];
            let head = match answer {
                Answer::Status(code) => format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n"),
                _ if start > 0 => format!(
                    "HTTP/1.1 206 P\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\n\r\n",
                    body.len(),
                    file.len() - 1,
                    file.len()
                ),
                _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()),
            };
            stream.write_all(head.as_bytes()).unwrap();
            match answer {
                Answer::Status(_) => {}
                Answer::Cut(n) => stream.write_all(&body[..n]).unwrap(),
                Answer::Whole | Answer::Range => stream.write_all(body).unwrap(),
            }
            ranges.push(range);
        }
        ranges
    });
    (url, server)
}

/// An archive laid out like the published one. `extra` is one more path in it.
fn archive(extra: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("x.wav");
    crate::data::tests::write_wav(&wav, &crate::data::tests::tone(16_000, 8000.0), 16_000, 1);
    let wav = fs::read(wav).unwrap();
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for name in [
        "./LICENSE",
        "./yes/0a7c2a8d_nohash_0.wav",
        "./stop/0a7c2a8d_nohash_1.wav",
        "./_background_noise_/pink_noise.wav",
        extra,
    ] {
        let mut header = tar::Header::new_gnu();
        // Written directly: the library refuses to write a path with "..".
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(wav.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &wav[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

struct Case {
    dir: tempfile::TempDir,
    options: FetchOptions,
}

fn case(url: String, content: &[u8]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let options = FetchOptions {
        url,
        sha256: sha256(content),
        to: dir.path().join("set"),
        archive: None,
    };
    Case { dir, options }
}

impl Case {
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn error(&self) -> anyhow::Error {
        fetch(&self.options, |_, _, _| {}).unwrap_err()
    }
}

fn assert_complete(case: &Case) {
    assert_eq!(case.names(), ["set"]);
    let data = Dataset::open(&case.options.to).unwrap();
    assert_eq!(data.labels(), ["unknown", "yes"]);
    data.check(|_, _| {}).unwrap();
    assert_eq!(data.noise().unwrap().len(), 1);
    assert!(data.directory().join("ATTRIBUTION.txt").exists());
    let splits: Vec<Split> = data.clips().iter().map(|c| c.split).collect();
    assert_eq!(splits[0], splits[1], "one speaker, one split");
}

#[test]
fn fetches_checks_unpacks() {
    let file = archive("./README.md");
    let (url, server) = serve(file.clone(), vec![Answer::Whole]);
    let case = case(url, &file);
    let mut stages = Vec::new();
    let report = fetch(&case.options, |stage, done, total| {
        assert!(done <= total);
        if stages.last() != Some(&stage) {
            stages.push(stage);
        }
    })
    .unwrap();
    assert_eq!(report.clips, 2);
    assert_eq!(stages, [Stage::Fetch, Stage::Check, Stage::Unpack]);
    assert_complete(&case);
    assert_eq!(server.join().unwrap(), [""]);
    // A second time: the target is there, and nothing is asked of the server.
    assert!(case.error().to_string().contains("there already"));
}

#[test]
fn a_cut_transfer_is_resumed() {
    let file = archive("./README.md");
    let (url, server) = serve(file.clone(), vec![Answer::Cut(700), Answer::Range]);
    let case = case(url, &file);
    let error = case.error();
    let Some(FetchError::Truncated { got, expected, .. }) = error.downcast_ref() else {
        panic!("{error:#}");
    };
    assert_eq!((*got, *expected), (700, Some(file.len() as u64)));
    assert!(error.to_string().contains("run the command again"));
    assert_eq!(case.names(), ["set.tar.gz.part"]);
    fetch(&case.options, |_, _, _| {}).unwrap();
    assert_complete(&case);
    assert_eq!(server.join().unwrap(), ["", "700-"]);
}

#[test]
fn a_server_that_cannot_resume_starts_again() {
    let file = archive("./README.md");
    let (url, server) = serve(file.clone(), vec![Answer::Cut(900), Answer::Whole]);
    let case = case(url, &file);
    case.error();
    fetch(&case.options, |_, _, _| {}).unwrap();
    assert_complete(&case);
    server.join().unwrap();
}

#[test]
fn a_complete_part_is_used() {
    let file = archive("./README.md");
    let (url, server) = serve(Vec::new(), vec![Answer::Status(416)]);
    let case = case(url, &file);
    fs::write(case.dir.path().join("set.tar.gz.part"), &file).unwrap();
    fetch(&case.options, |_, _, _| {}).unwrap();
    assert_complete(&case);
    server.join().unwrap();
}

#[test]
fn wrong_content_is_removed() {
    let (url, server) = serve(vec![7; 5000], vec![Answer::Whole]);
    let case = case(url, b"something else");
    let error = case.error();
    assert!(matches!(
        error.downcast_ref(),
        Some(FetchError::WrongHash { .. })
    ));
    assert!(case.names().is_empty());
    server.join().unwrap();
}

#[test]
fn refusals_are_named() {
    let (url, server) = serve(Vec::new(), vec![Answer::Status(404)]);
    let mut case = case(url, b"");
    let error = case.error();
    assert!(matches!(
        error.downcast_ref(),
        Some(FetchError::Status { code: 404, .. })
    ));
    server.join().unwrap();

    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    case.options.url = format!("http://{}/x", free.local_addr().unwrap());
    drop(free);
    let error = case.error();
    assert!(matches!(
        error.downcast_ref(),
        Some(FetchError::Unreachable { .. })
    ));
    assert!(error.to_string().contains("--archive"));

    case.options.url = "https://127.0.0.1/x".into();
    assert!(matches!(
        case.error().downcast_ref(),
        Some(FetchError::Scheme { .. })
    ));
    assert!(case.names().is_empty());
}

#[test]
fn an_archive_fetched_by_other_means_is_used_and_kept() {
    let file = archive("./README.md");
    let mut case = case("http://127.0.0.1:1/never-asked".into(), &file);
    let path = case.dir.path().join("mine.tar.gz");
    fs::write(&path, &file).unwrap();
    case.options.archive = Some(path.clone());
    fetch(&case.options, |_, _, _| {}).unwrap();
    assert_eq!(case.names(), ["mine.tar.gz", "set"]);
    assert!(Dataset::open(&case.options.to).is_ok());

    case.options.to = case.dir.path().join("other");
    fs::write(&path, &file[1..]).unwrap();
    let error = case.error();
    assert!(matches!(
        error.downcast_ref(),
        Some(FetchError::WrongHash { .. })
    ));
    assert_eq!(case.names(), ["mine.tar.gz", "set"]);
}

#[test]
fn bad_archives_leave_nothing() {
    let escaping = archive("../outside.wav");
    let full = archive("./README.md");
    let truncated = full[..full.len() / 2].to_vec();
    for (bytes, expected) in [(escaping, "leaves the directory"), (truncated, "cannot")] {
        let mut case = case("http://127.0.0.1:1/never-asked".into(), &bytes);
        let path = case.dir.path().join("mine.tar.gz");
        fs::write(&path, &bytes).unwrap();
        case.options.archive = Some(path);
        let error = case.error();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
        assert_eq!(case.names(), ["mine.tar.gz"]);
    }
}
