//! One wish for the whole process: stop taking in, finish what was taken, end.
//!
//! Invariants: once requested it stays requested; threads and tasks wait on the same thing.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Handed to every role; clones are the same wish.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For tasks.
    requested: watch::Sender<bool>,
    /// For threads.
    lock: Mutex<bool>,
    wake: Condvar,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that nobody has requested yet.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            requested: watch::Sender::new(false),
            lock: Mutex::new(false),
            wake: Condvar::new(),
        }))
    }

    /// Asks everyone to stop.
    pub fn request(&self) {
        *self.0.lock.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.wake.notify_all();
        self.0.requested.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.requested.borrow()
    }

    /// For tasks: ends when it is asked for.
    pub async fn requested(&self) {
        let mut receiver = self.0.requested.subscribe();
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// For threads: sleeps for at most `timeout`, less when it is asked for; returns whether it was.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let lock = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (requested, _) = self
            .0
            .wake
            .wait_timeout_while(lock, timeout, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *requested
    }

    /// For threads: sleeps until it is asked for.
    pub fn wait(&self) {
        let lock = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.0
                .wake
                .wait_while(lock, |requested| !*requested)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Requests it on SIGTERM and SIGINT; a second signal ends the process at once.
    ///
    /// # Errors
    /// The system refuses a thread or a signal handler.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let shutdown = self.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                for round in 0..2 {
                    let name = tokio::select! {
                        _ = terminate.recv() => "SIGTERM",
                        _ = interrupt.recv() => "SIGINT",
                    };
                    if round == 1 {
                        tracing::warn!(signal = name, "second signal, ending without draining");
                        std::process::exit(130);
                    }
                    tracing::info!(signal = name, "draining");
                    shutdown.request();
                }
            });
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_threads_and_tasks() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_requested());
        assert!(!shutdown.wait_timeout(Duration::ZERO));
        let thread = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || shutdown.wait()
        });
        shutdown.request();
        thread.join().expect("the thread ends");
        assert!(shutdown.is_requested());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(shutdown.requested());
    }
}
