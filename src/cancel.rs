//! The wish to end the run early: a signal's, told to every stage.

use tokio::sync::watch;

#[derive(Clone)]
pub struct Cancel(watch::Receiver<bool>);

impl Cancel {
    /// Listens for SIGINT and SIGTERM; the second of them leaves at once. The first process of a
    /// container gets no signal that it has no handler for.
    pub fn on_signals() -> std::io::Result<Cancel> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (tell, cancel) = watch::channel(false);
        tokio::spawn(async move {
            for _ in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if tell.send_replace(true) {
                    crate::secret::PrivateFolder::delete_all();
                    std::process::exit(i32::from(crate::outcome::Word::Cancelled.code()));
                }
            }
        });
        Ok(Cancel(cancel))
    }

    /// For what can't be cancelled.
    #[cfg(test)]
    pub fn never() -> Cancel {
        Cancel::on_request().0
    }

    /// Cancelled by hand.
    pub fn on_request() -> (Cancel, watch::Sender<bool>) {
        let (tell, cancel) = watch::channel(false);
        (Cancel(cancel), tell)
    }

    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the run is to be cancelled, which may be never.
    pub async fn requested(&self) {
        let mut cancel = self.0.clone();
        if cancel.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
