//! The wish to end the run early: a signal's, told to every stage, and the time that is left from
//! there on.

use crate::{
    outcome::{Stop, Word},
    secret::PrivateFolder,
};
use std::{
    process::exit,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// What a cancelled run does in the time that the runner gives it: 7.5 seconds lie between its
/// first signal and its second. Each span counts from the first.
pub mod grace {
    use std::time::Duration;

    /// An answer that is awaited to something that was begun.
    pub const ANSWER: Duration = Duration::from_millis(1500);
    /// A look for what came of it when there was none.
    pub const LOOK: Duration = Duration::from_millis(2500);
    /// Asking CodeDeploy to stop.
    pub const STOP: Duration = Duration::from_millis(4700);
    /// Reading production.
    pub const READ: Duration = Duration::from_millis(5300);
    /// Telling GitHub.
    pub const TELL: Duration = Duration::from_millis(6600);
    /// The end, whatever is left.
    pub const END: Duration = Duration::from_secs(7);
}

#[derive(Clone)]
pub struct Cancel {
    wish: watch::Receiver<bool>,
    since: Arc<OnceLock<Instant>>,
}

impl Cancel {
    /// Listens for SIGINT and SIGTERM; the second of them leaves at once. The first process of a
    /// container gets no signal that it has no handler for.
    pub fn on_signals() -> std::io::Result<Cancel> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (tell, wish) = watch::channel(false);
        let cancel = Cancel { wish, since: Arc::default() };
        let since = cancel.since.clone();
        tokio::spawn(async move {
            for _ in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                since.get_or_init(Instant::now);
                if tell.send_replace(true) {
                    leave();
                }
            }
        });
        Ok(cancel)
    }

    /// For what can't be cancelled.
    #[cfg(test)]
    pub fn never() -> Cancel {
        Cancel::on_request().0
    }

    /// Cancelled by hand.
    pub fn on_request() -> (Cancel, watch::Sender<bool>) {
        let (tell, wish) = watch::channel(false);
        (Cancel { wish, since: Arc::default() }, tell)
    }

    pub fn is_requested(&self) -> bool {
        *self.wish.borrow()
    }

    /// Ends when the run is to be cancelled, which may be never.
    pub async fn requested(&self) {
        let mut wish = self.wish.clone();
        if wish.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What is left of a span of `grace`.
    pub fn left(&self, span: Duration) -> Duration {
        span.saturating_sub(self.since.get_or_init(Instant::now).elapsed())
    }

    /// What leaves nothing behind when it is broken off.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.requested() => Err(Stop { word: Word::Cancelled, findings: Vec::new() }),
            done = work => Ok(done),
        }
    }

    /// What should not be broken off in the middle: once the run is to be cancelled, it has what is
    /// left of a span of `grace`.
    pub async fn within<T>(&self, span: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return Some(done),
            () = self.requested() => {}
        }
        timeout(self.left(span), work).await.ok()
    }

    /// Ends the process once its time is over.
    pub async fn enforce(self) {
        self.requested().await;
        tokio::time::sleep(self.left(grace::END)).await;
        leave();
    }
}

fn leave() -> ! {
    PrivateFolder::delete_all();
    exit(i32::from(Word::Cancelled.code()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_was_begun_has_the_rest_of_its_span() {
        let (cancel, ask) = Cancel::on_request();
        let never = std::future::pending::<()>;
        assert!(cancel.within(Duration::ZERO, async {}).await.is_some());
        ask.send_replace(true);
        assert!(cancel.within(Duration::from_secs(60), async {}).await.is_some());
        assert!(cancel.within(Duration::ZERO, never()).await.is_none());
        assert_eq!(cancel.left(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_leaves_nothing_behind_is_broken_off() {
        let (cancel, ask) = Cancel::on_request();
        assert_eq!(cancel.unless(async { 1 }).await.unwrap(), 1);
        ask.send_replace(true);
        assert_eq!(cancel.unless(async { 1 }).await.unwrap_err().word, Word::Cancelled);
    }
}
