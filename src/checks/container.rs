//! A container that the engine runs to its end, asked through its socket: for where Docker's command
//! line isn't, as in the action's own image.

use crate::{
    cancel::Cancel,
    child::{Cut, Ended, Limits},
    image::{self, Reference},
    surroundings::Variables,
};
use anyhow::Context as _;
use bollard::{
    Docker,
    auth::DockerCredentials,
    container::LogOutput,
    errors::Error,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, StopContainerOptionsBuilder, WaitContainerOptions,
    },
};
use futures_util::StreamExt as _;
use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// How long output may still come when the container has ended.
const LAST_LINES: Duration = Duration::from_secs(1);
/// For its removal.
const REMOVAL: Duration = Duration::from_secs(2);
/// What a shell says of a command that was killed.
const KILLED: i64 = 137;

/// What is run, and under which name.
pub(super) struct Container {
    pub name: String,
    pub image: String,
    /// For its `sh`; the image's own entry point is run when there is none.
    pub script: Option<String>,
    pub environment: Vec<String>,
}

/// The engine that Docker's variables name, or this machine's.
pub fn engine() -> anyhow::Result<Docker> {
    Docker::connect_with_defaults().context("no Docker engine is known here")
}

impl Container {
    /// Runs it and hands over its lines as they come. Whatever becomes of it, it is removed.
    pub(super) async fn run(
        self,
        limits: Limits,
        cancel: &Cancel,
        variables: &Variables,
        line: impl FnMut(String),
    ) -> anyhow::Result<Ended> {
        let api = engine()?;
        let ended = self.to_the_end(&api, limits, cancel, variables, line).await;
        let removed = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        // The end stands, whether or not there is still something to remove.
        let _ = timeout(REMOVAL, api.remove_container(&self.name, Some(removed))).await;
        ended
    }

    async fn to_the_end(
        &self,
        api: &Docker,
        limits: Limits,
        cancel: &Cancel,
        variables: &Variables,
        mut line: impl FnMut(String),
    ) -> anyhow::Result<Ended> {
        let end = limits.within.map(|within| Instant::now() + within);
        let told_to_stop = async {
            tokio::select! {
                () = cancel.requested() => Cut::Cancelled,
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => Cut::TimedOut,
            }
        };
        let mut told_to_stop = std::pin::pin!(told_to_stop);
        tokio::select! {
            started = self.start(api, variables) => started?,
            cut = &mut told_to_stop => return Ok(ended(KILLED, Some(cut))),
        }
        let follow = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
        let mut output = std::pin::pin!(api.logs(&self.name, Some(follow)));
        let mut exit = std::pin::pin!(api.wait_container(&self.name, None::<WaitContainerOptions>));
        let mut lines = Lines::default();
        let (mut cut, mut talks) = (None, true);
        let code = loop {
            tokio::select! {
                piece = output.next(), if talks => match piece {
                    Some(Ok(piece)) => lines.take(&piece, &mut line),
                    _ => talks = false,
                },
                code = exit.next() => break match code {
                    Some(Ok(end)) => end.status_code,
                    Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
                    Some(Err(error)) => return Err(error).context("can't tell how the container ended"),
                    None => anyhow::bail!("can't tell how the container ended"),
                },
                why = &mut told_to_stop, if cut.is_none() => {
                    cut = Some(why);
                    let (api, name, grace) = (api.clone(), self.name.clone(), limits.grace);
                    let grace = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
                    tokio::spawn(async move {
                        let options = StopContainerOptionsBuilder::default().t(grace).build();
                        api.stop_container(&name, Some(options)).await
                    });
                }
            }
        };
        while let Ok(Some(Ok(piece))) = timeout(LAST_LINES, output.next()).await {
            lines.take(&piece, &mut line);
        }
        lines.rest(&mut line);
        Ok(ended(code, cut))
    }

    async fn start(&self, api: &Docker, variables: &Variables) -> anyhow::Result<()> {
        let created = match self.create(api).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                self.pull(api, variables).await.with_context(|| format!("can't pull {}", self.image))?;
                self.create(api).await
            }
            created => created,
        };
        created.with_context(|| format!("can't make a container of {}", self.image))?;
        api.start_container(&self.name, None).await.with_context(|| format!("can't start {}", self.image))
    }

    /// In the network of the machine, as a command that runs here.
    async fn create(&self, api: &Docker) -> Result<(), Error> {
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: self.script.as_ref().map(|_| vec!["sh".to_owned()]),
            cmd: self.script.as_ref().map(|script| vec!["-e".to_owned(), "-c".to_owned(), script.clone()]),
            env: Some(self.environment.clone()),
            host_config: Some(HostConfig {
                network_mode: Some("host".to_owned()),
                init: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        api.create_container(Some(options), body).await.map(drop)
    }

    async fn pull(&self, api: &Docker, variables: &Variables) -> anyhow::Result<()> {
        let reference = Reference::parse(&self.image).context("it isn't an image's name")?;
        let login = image::login(variables, reference.host.as_deref().unwrap_or(image::DOCKER_HUB));
        let login = login.map(|(user, password)| DockerCredentials {
            username: Some(user),
            password: Some(password.expose().to_owned()),
            serveraddress: reference.host.clone(),
            ..DockerCredentials::default()
        });
        let mut options = CreateImageOptionsBuilder::default().from_image(&self.image);
        if reference.tag.is_none() && reference.digest.is_none() {
            options = options.tag("latest");
        }
        let mut steps = api.create_image(Some(options.build()), None, login);
        while let Some(step) = steps.next().await {
            step?;
        }
        Ok(())
    }
}

fn ended(code: i64, cut: Option<Cut>) -> Ended {
    // As a wait tells it: a code stands in the second byte.
    let code = i32::try_from(code).unwrap_or(i32::MAX) & 0xff;
    Ended { status: ExitStatus::from_raw(code << 8), cut }
}

/// Two streams, whose lines may come in pieces.
#[derive(Default)]
struct Lines([Vec<u8>; 2]);

impl Lines {
    fn take(&mut self, piece: &LogOutput, line: &mut impl FnMut(String)) {
        let pending = &mut self.0[usize::from(matches!(piece, LogOutput::StdErr { .. }))];
        pending.extend_from_slice(piece.as_ref());
        while let Some(at) = pending.iter().position(|byte| *byte == b'\n') {
            let rest = pending.split_off(at + 1);
            tell(&std::mem::replace(pending, rest), line);
        }
    }

    fn rest(&mut self, line: &mut impl FnMut(String)) {
        for pending in &mut self.0 {
            if !pending.is_empty() {
                tell(&std::mem::take(pending), line);
            }
        }
    }
}

/// As a terminal would show it: a carriage return ends a line, too.
fn tell(bytes: &[u8], line: &mut impl FnMut(String)) {
    let text = String::from_utf8_lossy(bytes);
    for text in text.trim_end_matches(['\r', '\n']).split('\r') {
        line(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_in_pieces_are_whole() {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        let out = |text: &'static str| LogOutput::StdOut { message: text.into() };
        let err = |text: &'static str| LogOutput::StdErr { message: text.into() };
        for piece in [out("one\ntw"), err("oh"), out("o\r\nthr"), err(" no\n"), out("ee\rfour")] {
            lines.take(&piece, &mut |line| told.push(line));
        }
        lines.rest(&mut |line| told.push(line));
        assert_eq!(told, ["one", "two", "oh no", "three", "four"]);
    }

    #[test]
    fn a_code_is_told_as_a_command_s() {
        assert_eq!(ended(3, None).status.code(), Some(3));
        assert!(ended(0, None).status.success());
    }
}
