//! A process that a test started: its output, its end, and a limit for both.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader},
    process::{self, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A simulator has containers to remove.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What became of a process.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// All that it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

pub struct Child {
    id: Pid,
    what: String,
    stdout: Mutex<Receiver<String>>,
    stderr: Mutex<Receiver<String>>,
    end: Mutex<End>,
}

/// Where its end is told, and the end once it was.
struct End {
    told: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Child {
    pub fn start(mut command: Command) -> Child {
        let what = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child: process::Child = command.spawn().expect("the binary starts");
        let id = Pid::from_child(&child);
        let stdout = Mutex::new(lines(child.stdout.take().unwrap()));
        let stderr = Mutex::new(lines(child.stderr.take().unwrap()));
        let (tell, told) = channel();
        thread::spawn(move || {
            let _ = tell.send(child.wait().unwrap());
        });
        Child { id, what, stdout, stderr, end: Mutex::new(End { told, status: None }) }
    }

    /// The lines of its standard output up to one that is waited for.
    pub fn lines_until(&self, last: &str, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        let lines = self.stdout.lock().unwrap();
        let mut seen = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line == last => return seen,
                Ok(line) => seen.push(line),
                Err(why) => {
                    self.end(Signal::KILL, ENDS_WITHIN);
                    let said: Vec<String> = self.stderr.lock().unwrap().iter().collect();
                    panic!("{why} before `{last}`: {}\n{}\n{}", self.what, seen.join("\n"), said.join("\n"));
                }
            }
        }
    }

    /// Waits for a line of its standard output that has this in it.
    pub fn line_with(&self, part: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        let lines = self.stdout.lock().unwrap();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(why) => panic!("{why} before a line with `{part}`: {}", self.what),
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended(Duration::ZERO).is_none() {
            let _ = kill_process(self.id, signal);
        }
    }

    pub fn ends_within(&self, limit: Duration) -> bool {
        self.ended(limit).is_some()
    }

    /// Waits for its end; one that hangs is killed and fails the test with what it said.
    pub fn wait(self, limit: Duration) -> Ended {
        let status = self.ended(limit);
        if status.is_none() {
            self.end(Signal::KILL, ENDS_WITHIN);
        }
        let all = |lines: &Mutex<Receiver<String>>| {
            lines.lock().unwrap().iter().map(|line| line + "\n").collect::<String>()
        };
        let (stdout, stderr) = (all(&self.stdout), all(&self.stderr));
        let Some(status) = status else {
            panic!("no end after {limit:?}: {}\n{stdout}\n{stderr}", self.what);
        };
        Ended { code: status.code(), stdout, stderr }
    }

    pub fn has_ended(&self) -> bool {
        self.ended(Duration::ZERO).is_some()
    }

    fn ended(&self, limit: Duration) -> Option<ExitStatus> {
        let mut end = self.end.lock().unwrap();
        if end.status.is_none() {
            end.status = end.told.recv_timeout(limit).ok();
        }
        end.status
    }

    fn end(&self, signal: Signal, limit: Duration) -> bool {
        self.signal(signal);
        self.ended(limit).is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.end(Signal::INT, ENDS_WITHIN) {
            self.end(Signal::KILL, ENDS_WITHIN);
        }
    }
}

/// Reads on its own thread, so that a full pipe stops nobody.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    told
}
