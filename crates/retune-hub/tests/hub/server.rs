//! A small Hub on the loopback interface that answers as the real one does: the description of a revision, `resolve`
//! with `x-repo-commit`, an etag and a range, a relative redirect for small files and one to a content server for large
//! ones.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The model that the server has.
pub const NAME: &str = "org/tiny-bert";
/// What its branch `main` stands for.
pub const COMMIT: &str = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41";

/// How the server wrongs one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Half of what was asked for, then the connection closes; its length was announced in full.
    Cut,
    /// The same, with no length announced.
    CutSilently,
    /// Half, then silence on an open connection.
    Hang,
    /// Everything, with one byte changed.
    Changed,
    /// Everything, though only the end was asked for.
    IgnoresRange,
}

/// What the server holds and how it behaves.
pub struct Model {
    pub files: BTreeMap<String, Vec<u8>>,
    pub revisions: BTreeMap<String, String>,
    /// Required of every request.
    pub token: Option<String>,
    /// The status and `x-error-code` of every answer, where the server has nothing else to say.
    pub refusal: Option<(u16, &'static str)>,
    /// Required for files alone: the model is gated.
    pub gated: bool,
    pub wrong: Option<(String, Wrong)>,
    /// Data sets by their names.
    pub datasets: BTreeMap<String, Dataset>,
}

/// The head and the body of an answer, and whether to hang after them.
type Answer = (String, Vec<u8>, bool);

/// A data set that the server has.
#[derive(Clone, Default)]
pub struct Dataset {
    /// What each revision stands for.
    pub revisions: BTreeMap<String, String>,
    /// The files of each commit.
    pub commits: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// The head of its `README.md`, as JSON.
    pub card: Option<String>,
    /// The token that its files need; its description needs none.
    pub gated: Option<String>,
}

impl Dataset {
    /// The same with a commit that a revision stands for from now on.
    pub fn with(mut self, revision: &str, commit: &str, files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        self.commits.insert(commit.to_owned(), files);
        for revision in [revision, commit] {
            self.revisions.insert(revision.to_owned(), commit.to_owned());
        }
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// The running server; it stops when dropped.
pub struct FakeHub {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    model: Mutex<Model>,
    seen: Mutex<Vec<Seen>>,
    stopped: AtomicBool,
}

impl FakeHub {
    /// Serves `files` as [`NAME`] at `main`.
    pub fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.clone())).collect();
        let revisions = [("main", COMMIT), (COMMIT, COMMIT)].map(|(from, to)| (from.to_owned(), to.to_owned()));
        let model = Model {
            files,
            revisions: revisions.into(),
            token: None,
            refusal: None,
            gated: false,
            wrong: None,
            datasets: BTreeMap::new(),
        };
        let shared =
            Arc::new(Shared { model: Mutex::new(model), seen: Mutex::default(), stopped: AtomicBool::new(false) });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    // A client that goes away in the middle is part of the tests.
                    thread::spawn(move || stream.and_then(|stream| shared.serve(stream)).ok());
                }
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.shared.model.lock().unwrap()
    }

    /// The requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let seen = Seen { path, headers };
        self.seen.lock().unwrap().push(seen.clone());
        let (head, body, hang) = answer(&mut self.model.lock().unwrap(), &seen);
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        stream.flush()?;
        if hang {
            thread::sleep(Duration::from_secs(20));
        }
        Ok(())
    }
}

/// The head and the body of an answer, and whether to hang after them.
fn answer(model: &mut Model, seen: &Seen) -> Answer {
    let refuse = |status: u16, code: &str| {
        (
            format!("HTTP/1.1 {status} No\r\nx-error-code: {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            vec![],
            false,
        )
    };
    if let Some((status, code)) = model.refusal {
        return refuse(status, code);
    }
    if let Some(token) = &model.token
        && seen.headers.get("authorization") != Some(&format!("Bearer {token}"))
    {
        return refuse(401, "");
    }
    if let Some(revision) = seen.path.strip_prefix(&format!("/api/models/{NAME}/revision/")) {
        let Some(commit) = model.revisions.get(&revision.replace("%2F", "/")) else {
            return refuse(404, "RevisionNotFound");
        };
        let siblings: Vec<String> = model.files.keys().map(|name| format!(r#"{{"rfilename": "{name}"}}"#)).collect();
        let body = format!(r#"{{"id": "{NAME}", "sha": "{commit}", "siblings": [{}]}}"#, siblings.join(","));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        return (head, body.into_bytes(), false);
    }
    if let Some(answer) = of_dataset(model, seen, &refuse) {
        return answer;
    }
    if let Some(name) = seen.path.strip_prefix("/content/") {
        let whole = model.files[name].clone();
        return content(model, name, whole, seen, "");
    }
    if let Some(name) = seen.path.strip_prefix(&format!("/api/resolve-cache/models/{NAME}/{COMMIT}/")) {
        let head = format!("x-repo-commit: {COMMIT}\r\nETag: \"{:.40}\"\r\n", etag(&model.files[name]));
        let whole = model.files[name].clone();
        return content(model, name, whole, seen, &head);
    }
    let Some(name) = seen.path.strip_prefix(&format!("/{NAME}/resolve/{COMMIT}/")) else {
        return refuse(404, "RepoNotFound");
    };
    if model.gated && !seen.headers.contains_key("authorization") {
        return refuse(401, "GatedRepo");
    }
    let Some(body) = model.files.get(name) else { return refuse(404, "EntryNotFound") };
    // Weights lie on a content server and are named by their SHA-256; small files lie on the Hub, named by git's hash.
    let redirect = if name.ends_with(".safetensors") {
        let host = &seen.headers["host"];
        format!("HTTP/1.1 302 Found\r\nLocation: http://{host}/content/{name}\r\nx-linked-etag: \"{}\"\r\n", etag(body))
    } else {
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: /api/resolve-cache/models/{NAME}/{COMMIT}/{name}\r\n")
    };
    (format!("{redirect}x-repo-commit: {COMMIT}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), vec![], false)
}

/// What concerns data sets: their files all lie on a content server.
fn of_dataset(model: &mut Model, seen: &Seen, refuse: &dyn Fn(u16, &str) -> Answer) -> Option<Answer> {
    if let Some(path) = seen.path.strip_prefix("/api/datasets/") {
        let Some((name, revision)) = path.split_once("/revision/") else { return Some(refuse(404, "")) };
        let Some(dataset) = model.datasets.get(name) else { return Some(refuse(404, "RepoNotFound")) };
        let Some(commit) = dataset.revisions.get(&revision.replace("%2F", "/")) else {
            return Some(refuse(404, "RevisionNotFound"));
        };
        let files: Vec<String> =
            dataset.commits[commit].keys().map(|file| format!(r#"{{"rfilename": "{file}"}}"#)).collect();
        let card = dataset.card.as_deref().map(|card| format!(r#""cardData": {card}, "#)).unwrap_or_default();
        let body = format!(r#"{{"id": "{name}", "sha": "{commit}", {card}"siblings": [{}]}}"#, files.join(","));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        return Some((head, body.into_bytes(), false));
    }
    let (path, is_content) = match seen.path.strip_prefix("/content/datasets/") {
        Some(path) => (path, true),
        None => (seen.path.strip_prefix("/datasets/")?, false),
    };
    let (name, path) = path.split_once("/resolve/").unwrap_or_default();
    let (commit, file) = path.split_once('/').unwrap_or_default();
    let Some(dataset) = model.datasets.get(name) else { return Some(refuse(404, "RepoNotFound")) };
    if let Some(token) = &dataset.gated
        && seen.headers.get("authorization") != Some(&format!("Bearer {token}"))
    {
        return Some(refuse(if seen.headers.contains_key("authorization") { 403 } else { 401 }, "GatedRepo"));
    }
    let Some(body) = dataset.commits.get(commit).and_then(|files| files.get(file)).cloned() else {
        return Some(refuse(404, "EntryNotFound"));
    };
    if is_content {
        return Some(content(model, file, body, seen, ""));
    }
    let (host, etag) = (&seen.headers["host"], etag(&body));
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{host}/content{}\r\nx-linked-etag: \"{etag}\"\r\nx-repo-commit: {commit}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        seen.path
    );
    Some((head, vec![], false))
}

/// The asked range of a file, wronged once if the test wants it so.
fn content(model: &mut Model, name: &str, whole: Vec<u8>, seen: &Seen, extra: &str) -> Answer {
    let range = seen.headers.get("range").and_then(|range| range.strip_prefix("bytes=")).unwrap_or("0-");
    let (start, end) = range.split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let end = end.parse::<usize>().map_or(whole.len(), |last| last + 1);
    if start >= whole.len() {
        return (
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
            vec![],
            false,
        );
    }
    let mut body = whole[start..end].to_vec();
    let announced = body.len();
    let mut length = format!("Content-Length: {announced}\r\n");
    let mut hang = false;
    // The first byte alone is how a client asks for the size.
    let asks_for_size = end == 1;
    if let Some((_, wrong)) = model.wrong.take_if(|(wronged, _)| wronged == name && !asks_for_size) {
        match wrong {
            Wrong::Cut => body.truncate(announced / 2),
            Wrong::CutSilently => {
                body.truncate(announced / 2);
                length.clear();
            }
            Wrong::Hang => {
                body.truncate(announced / 2);
                hang = true;
            }
            Wrong::Changed => body[announced / 2] ^= 1,
            Wrong::IgnoresRange => {
                body = whole.clone();
                length = format!("Content-Length: {}\r\n", body.len());
            }
        }
    }
    let total = whole.len();
    let last = end - 1;
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{total}\r\n{extra}{length}Connection: close\r\n\r\n"
    );
    (head, body, hang)
}

fn etag(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}
