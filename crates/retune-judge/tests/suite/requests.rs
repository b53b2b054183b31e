//! What the server answers, and what it refuses, asked by a plain client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use retune_judge::{JudgeError, Mode, Sampling, Server, ServerSettings, Study};

use crate::made::{Made, study};

/// A server that runs until it is dropped.
pub struct Running {
    pub url: String,
    pub host: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Study, JudgeError>>>,
}

impl Running {
    pub fn new(study: Study, address: Ipv4Addr) -> Self {
        let hosts = vec!["lab.example".to_owned()];
        let server = Server::bind(study, &ServerSettings { address: IpAddr::V4(address), port: 0, hosts }).unwrap();
        let (url, stop) = (server.url(), Arc::new(AtomicBool::new(false)));
        let host = url.split('/').nth(2).unwrap().to_owned();
        let until = Arc::clone(&stop);
        Self { url, host, stop, thread: Some(std::thread::spawn(move || server.run(until))) }
    }

    pub fn stop(mut self) -> Study {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap().unwrap()
    }

    /// Sends these bytes, and gives the status and all of what comes back.
    fn send(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), text)
    }

    /// A request with these headers beside those that any has; a header of the same name takes its place.
    fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> (u16, String) {
        let length = body.len().to_string();
        let origin = format!("http://{}", self.host);
        let mut headers = vec![("Host", self.host.as_str()), ("Connection", "close"), ("Content-Length", &length)];
        if method == "POST" {
            headers.extend([("Origin", origin.as_str()), ("Content-Type", "application/json")]);
        }
        headers.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
        headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send(format!("{method} {path} HTTP/1.1\r\n{lines}\r\n{body}").as_bytes())
    }

    fn status(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> u16 {
        self.ask(method, path, more, body).0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

const ADA: &str = r#"{"judge":"Ada"}"#;
const ANSWER: &str = r#"{"judge":"Ada","position":0,"answer":{"kind":"label","class":1}}"#;

fn running() -> (Running, tempfile::TempDir) {
    let Made { study, folder, .. } = study(Mode::Label, Sampling::Chance, 10);
    (Running::new(study, Ipv4Addr::LOCALHOST), folder)
}

#[test]
fn a_judge_enters_answers_and_takes_back() {
    let (server, _folder) = running();
    let (status, page) = server.ask("GET", "/", &[], "");
    assert_eq!(status, 200);
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'nonce-"), "{page:.900}");
    assert!(!page.contains("NONCE") && page.contains("x-frame-options: DENY") && page.ends_with("</html>\n"));
    assert_eq!(server.status("POST", "/api/next", &[], ADA), 404);
    let (status, entered) = server.ask("POST", "/api/enter", &[], ADA);
    assert!(status == 200 && entered.ends_with(r#"{"judge":"Ada","done":0,"rows":10}"#), "{entered}");
    let (_, next) = server.ask("POST", "/api/next", &[], ADA);
    assert!(next.contains(r#""position":0"#) && !next.contains("refund") && !next.contains("says"), "{next}");
    assert_eq!(server.status("POST", "/api/answer", &[], ANSWER), 200);
    // Sent again because the answer was lost on the way: once is enough.
    assert_eq!(server.status("POST", "/api/answer", &[], ANSWER), 200);
    assert_eq!(server.status("POST", "/api/answer", &[], &ANSWER.replace("1}", "2}")), 409);
    assert_eq!(server.status("POST", "/api/answer", &[], &ANSWER.replace("1}", "3}")), 422);
    assert_eq!(server.status("POST", "/api/answer", &[], &ANSWER.replace("label", "prefer")), 400);
    assert_eq!(server.status("POST", "/api/answer", &[], &ANSWER.replace("0,", "10,")), 404);
    assert_eq!(
        server.status("POST", "/api/answer", &[], r#"{"judge":"Ada","position":1,"answer":{"kind":"agree"}}"#),
        422
    );
    let (_, study) = server.ask("GET", "/api/study", &[], "");
    assert!(study.contains(r#""judges":[{"judge":"Ada","done":1,"rows":10}]"#) && !study.contains("runs/a"), "{study}");
    assert_eq!(server.status("POST", "/api/undo", &[], ADA), 200);
    assert_eq!(server.status("POST", "/api/undo", &[], ADA), 409);
    assert_eq!(server.status("POST", "/api/enter", &[], r#"{"judge":" "}"#), 422);
    assert_eq!(server.stop().answers().unwrap(), []);
}

#[test]
fn requests_from_elsewhere_are_refused() {
    let (server, _folder) = running();
    server.status("POST", "/api/enter", &[], ADA);
    let post = |more: &[(&str, &str)]| server.status("POST", "/api/answer", more, ANSWER);
    for host in ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80"] {
        assert_ne!(post(&[("Host", host), ("Origin", &format!("http://{host}"))]), 200, "{host}");
    }
    assert_eq!(server.status("GET", "/", &[("Host", "evil.example")], ""), 421);
    assert_eq!(server.status("GET", "/api/study", &[("Host", "evil.example:80")], ""), 421);
    for origin in ["http://evil.example", "null", "", "http://127.0.0.1", "http://localhost:1", "ftp://lab.example"] {
        assert_eq!(post(&[("Origin", origin)]), 403, "{origin}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        assert_eq!(post(&[("Content-Type", kind)]), 415, "{kind}");
    }
    assert_eq!(post(&[("Host", "lab.example"), ("Origin", "https://lab.example")]), 200);
    assert_eq!(server.stop().answers().unwrap().len(), 1);
}

#[test]
fn large_bodies_other_methods_and_nonsense_are_refused() {
    let (server, _folder) = running();
    let large = format!(r#"{{"judge":"{}"}}"#, "x".repeat(20_000));
    assert_eq!(server.status("POST", "/api/enter", &[], &large), 413);
    assert_eq!(server.status("POST", "/api/enter", &[("Content-Length", "99999999999")], ADA), 413);
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = [("Content-Length", ""), ("Transfer-Encoding", "chunked")];
    assert_eq!(server.status("POST", "/api/enter", &chunked, &chunks), 413);
    for (method, path) in [("GET", "/api/answer"), ("DELETE", "/api/study"), ("PUT", "/api/answer"), ("POST", "/")] {
        assert_eq!(server.status(method, path, &[], ""), 405, "{method} {path}");
    }
    for path in ["/x", "/api", "/api/report", "/../study.sqlite", "/study.sqlite"] {
        assert_eq!(server.status("GET", path, &[], ""), 404, "{path}");
    }
    for body in ["", "{", "[]", r#"{"judge":3}"#, r#"{"judge":"a","more":1}"#, "\u{fffd}"] {
        assert_eq!(server.status("POST", "/api/enter", &[], body), 400, "{body}");
    }
    assert_eq!(server.send(b"nonsense\r\n\r\n").0, 400);
    assert!(server.stop().judges().unwrap().is_empty());
}

#[test]
fn elsewhere_a_token_is_needed() {
    let Made { study, folder: _folder, .. } = study(Mode::Label, Sampling::Chance, 10);
    let server = Running::new(study, Ipv4Addr::UNSPECIFIED);
    let token = server.url.split_once("?token=").unwrap().1.to_owned();
    assert_eq!(token.len(), 64);
    let wrong = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    assert_eq!(server.status("GET", &format!("/?token={token}"), &[], ""), 200);
    for path in ["/".to_owned(), format!("/?token={wrong}"), "/?token=".to_owned()] {
        assert_eq!(server.status("GET", &path, &[], ""), 401, "{path}");
    }
    for given in [format!("Bearer {wrong}"), "Bearer ".to_owned(), token.clone(), String::new()] {
        assert_eq!(server.status("POST", "/api/enter", &[("Authorization", &given)], ADA), 401, "{given}");
        assert_eq!(server.status("GET", &format!("/api/study?token={token}"), &[("Authorization", &given)], ""), 401);
    }
    let right = format!("Bearer {token}");
    assert_eq!(server.status("POST", "/api/enter", &[("Authorization", &right)], ADA), 200);
    // A token does not open the door to other origins.
    let foreign = [("Authorization", right.as_str()), ("Origin", "http://evil.example")];
    assert_eq!(server.status("POST", "/api/enter", &foreign, ADA), 403);
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (server, _folder) = running();
    let port = server.host.rsplit_once(':').unwrap().1.parse().unwrap();
    let made = study(Mode::Label, Sampling::Chance, 5);
    let settings = ServerSettings { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port, hosts: Vec::new() };
    let error = Server::bind(made.study, &settings).unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on 127.0.0.1:{port}; name another port, or 0 for any"));
}

/// A request that never ends does not keep the server.
#[test]
fn it_stops_when_it_is_told() {
    let (server, _folder) = running();
    let mut slow = TcpStream::connect(&server.host).unwrap();
    write!(slow, "POST /api/enter HTTP/1.1\r\nHost: {}\r\nContent-Length: 50\r\n\r\n{{", server.host).unwrap();
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}
