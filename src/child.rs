//! A child process whose lines are handed over as they come, and which ends in time: with all
//! that it started, since each is the head of a process group of its own.

use crate::cancel::Cancel;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::LazyLock,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// How long output may still come when the child itself has ended.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Nothing tells of the end of processes that aren't our own children.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may run.
    pub within: Option<Duration>,
    /// How long one that was told to stop may take for it.
    pub grace: Duration,
}

#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// Why it was told to stop, if it was.
    pub cut: Option<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Cancelled,
    TimedOut,
}

/// Runs it and hands over its lines, of both streams. The wish to cancel is passed on as SIGTERM,
/// the end of its time as well; what then doesn't end is killed, and so is what it leaves behind.
pub async fn run(
    mut command: Command,
    limits: Limits,
    cancel: &Cancel,
    mut line: impl FnMut(String),
) -> anyhow::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child =
        command.spawn().with_context(|| format!("can't start {:?}", command.as_std().get_program()))?;
    let group = Group::of(child.id());
    let (send, mut lines) = mpsc::channel(64);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, send.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, send));
    }
    let end = limits.within.map(|within| Instant::now() + within);
    let mut cut = None;
    let mut deadline = None;
    let mut talks = true;
    let status = loop {
        tokio::select! {
            next = lines.recv(), if talks => match next {
                Some(text) => line(text),
                None => talks = false,
            },
            status = child.wait() => break status.context("can't tell how the command ended")?,
            () = cancel.requested(), if cut.is_none() => {
                group.signal(Signal::TERM);
                (cut, deadline) = (Some(Cut::Cancelled), Some(Instant::now() + limits.grace));
            }
            () = sleep_until(end.unwrap_or_else(Instant::now)), if cut.is_none() && end.is_some() => {
                group.signal(Signal::TERM);
                (cut, deadline) = (Some(Cut::TimedOut), Some(Instant::now() + limits.grace));
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                group.signal(Signal::KILL);
                deadline = None;
            }
        }
    };
    // Those that it started were told to stop as well, and may take their time for it.
    while let Some(deadline) = deadline.filter(|deadline| group.lives() && Instant::now() < *deadline) {
        tokio::select! {
            next = lines.recv(), if talks => match next {
                Some(text) => line(text),
                None => talks = false,
            },
            () = sleep_until(deadline.min(Instant::now() + LOOK)) => {}
        }
    }
    // With what it left behind its output ends, too.
    drop(group);
    while let Ok(Some(text)) = timeout(LAST_LINES, lines.recv()).await {
        line(text);
    }
    Ok(Ended { status, cut })
}

/// Work on a child that is told to stop, and has its time for it, also when nobody waits for it any
/// more: it is never just broken off.
pub async fn unbroken<T, W>(cancel: &Cancel, work: impl FnOnce(Cancel) -> W) -> anyhow::Result<T>
where
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
{
    let (own, switch) = Cancel::on_request();
    let switch = Switch(switch);
    let work = work(own);
    UNDER_WAY.send_modify(|number| *number += 1);
    let mut work = tokio::spawn(async move {
        let _done = Done;
        work.await
    });
    loop {
        tokio::select! {
            done = &mut work => return done.context("work on a child broke off"),
            () = cancel.requested(), if !*switch.0.borrow() => drop(switch.0.send_replace(true)),
        }
    }
}

/// Waits until all that was told to stop has ended.
pub async fn settled() {
    // The sender is never dropped.
    let _ = UNDER_WAY.subscribe().wait_for(|number| *number == 0).await;
}

static UNDER_WAY: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::channel(0).0);

/// Tells the work to stop when nobody waits for it any more.
struct Switch(watch::Sender<bool>);

impl Drop for Switch {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        UNDER_WAY.send_modify(|number| *number -= 1);
    }
}

/// The child's group, killed when nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Group {
        Group(id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// Whether anybody of it is left.
    fn lives(&self) -> bool {
        self.0.is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // One that has ended meanwhile needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Lines as a terminal would show them: a carriage return ends one, too.
async fn forward(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    while stream.read_until(b'\n', &mut bytes).await? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        for line in text.trim_end_matches(['\r', '\n']).split('\r') {
            if lines.send(line.to_owned()).await.is_err() {
                return Ok(());
            }
        }
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const PATIENT: Limits = Limits { within: None, grace: Duration::from_secs(60) };

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    async fn lines_of(script: &str, limits: Limits) -> (Vec<String>, Ended) {
        let mut lines = Vec::new();
        let ended = run(shell(script), limits, &Cancel::never(), |line| lines.push(line)).await.unwrap();
        (lines, ended)
    }

    #[tokio::test]
    async fn lines_of_both_streams_come_as_they_are() {
        let (mut lines, ended) = lines_of(r"printf 'a\rb\n\nc'; printf 'd\n' >&2; exit 3", PATIENT).await;
        lines.sort();
        assert_eq!(lines, ["", "a", "b", "c", "d"]);
        assert_eq!((ended.status.code(), ended.cut), (Some(3), None));
    }

    #[tokio::test]
    async fn the_wish_to_cancel_is_passed_on() {
        let (cancel, ask) = Cancel::on_request();
        let mut lines = Vec::new();
        let script = "trap 'echo stopping; exit 7' TERM; echo started; while :; do sleep 0.05; done";
        let ended = run(shell(script), PATIENT, &cancel, |line| {
            if line == "started" {
                ask.send_replace(true);
            }
            lines.push(line);
        });
        let ended = ended.await.unwrap();
        // The loop's own child is ended by the signal as well, and a shell may tell of it.
        assert!(lines.contains(&"stopping".to_owned()), "{lines:?}");
        assert_eq!((ended.status.code(), ended.cut), (Some(7), Some(Cut::Cancelled)));
    }

    #[tokio::test]
    async fn what_does_not_stop_when_its_time_is_over_is_killed_with_its_children() {
        let limits = Limits { within: Some(Duration::from_millis(300)), grace: Duration::from_millis(300) };
        // Were its child left alive, its output would not end.
        let script = "trap '' TERM; (trap '' TERM; echo child; while :; do sleep 0.05; done) & wait; wait";
        let (lines, ended) = lines_of(script, limits).await;
        assert_eq!(lines, ["child"]);
        assert_eq!((ended.status.signal(), ended.cut), (Some(9), Some(Cut::TimedOut)));
    }

    #[tokio::test]
    async fn those_that_a_shell_started_have_their_time_to_stop() {
        let limits = Limits { within: Some(Duration::from_millis(300)), grace: Duration::from_secs(60) };
        let inner = "trap 'sleep 0.3; echo stopped; exit 0' TERM; echo started; while :; do sleep 0.05; done";
        // The outer shell ends at once.
        let (lines, ended) = lines_of(&format!("sh -c \"{inner}\"; :"), limits).await;
        assert_eq!(ended.cut, Some(Cut::TimedOut));
        assert!(lines.contains(&"stopped".to_owned()), "{lines:?}");
    }

    #[tokio::test]
    async fn whom_nobody_waits_for_is_told_to_stop_and_has_its_time() {
        let folder = tempfile::TempDir::new().unwrap();
        let (started, told) = (folder.path().join("started"), folder.path().join("told"));
        let script = format!(
            "trap 'sleep 0.2; echo said; echo stopping > {}; exit 0' TERM; touch {}; while :; do sleep 0.05; done",
            told.display(),
            started.display()
        );
        let cancel = Cancel::never();
        let work = unbroken(&cancel, |cancel| async move {
            run(shell(&script), PATIENT, &cancel, |_| {}).await.map(|ended| ended.cut)
        });
        let begun = async {
            while !started.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = work => unreachable!(),
            () = begun => {}
        }
        while !told.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_ends_with_it() {
        // Were it left alive, its output would not end.
        let (lines, ended) = lines_of("while :; do echo tick; sleep 0.05; done & sleep 0.2", PATIENT).await;
        assert!(ended.status.success() && lines.iter().all(|line| line == "tick"), "{lines:?}");
    }
}
