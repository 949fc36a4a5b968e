//! A TCP proxy whose connections can be cut, frozen and refused.
//!
//! Invariant: what it passes on it passes on unchanged and in order; a fault concerns every connection that is open.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much is passed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Open,
    /// Passes nothing on; connections stay.
    Frozen,
    /// Nobody listens; no connection stays.
    Away,
}

/// A proxy, until it is dropped.
pub struct TcpProxy {
    mode: watch::Sender<Mode>,
    /// Counts up to cut the connections that are open.
    cuts: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// Listens at `from` and passes on to `to`, both `host:port`.
    pub async fn start(from: &str, to: &str) -> Self {
        let (mode, modes) = watch::channel(Mode::Open);
        let (cuts, cut) = watch::channel(0);
        let listener = TcpListener::bind(from).await.unwrap();
        let task = tokio::spawn(serve(listener, from.to_owned(), to.to_owned(), modes, cut));
        Self { mode, cuts, task }
    }

    /// Resets every connection; new ones are taken at once.
    pub fn reset(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The server is gone for a while: connections are reset, new ones refused.
    pub async fn away(&self, time: Duration) {
        self.mode.send_replace(Mode::Away);
        self.reset();
        tokio::time::sleep(time).await;
        self.mode.send_replace(Mode::Open);
    }

    /// Nothing arrives for a while, and nobody is told.
    pub async fn freeze(&self, time: Duration) {
        self.mode.send_replace(Mode::Frozen);
        tokio::time::sleep(time).await;
        self.mode.send_replace(Mode::Open);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
        self.reset();
    }
}

async fn serve(
    listener: TcpListener,
    from: String,
    to: String,
    mut mode: watch::Receiver<Mode>,
    cut: watch::Receiver<u64>,
) {
    let mut listener = Some(listener);
    loop {
        let for_connection = mode.clone();
        let Some(open) = &listener else {
            let _ = mode.wait_for(|mode| *mode != Mode::Away).await;
            listener = Some(TcpListener::bind(&from).await.unwrap());
            continue;
        };
        tokio::select! {
            _ = mode.wait_for(|mode| *mode == Mode::Away) => listener = None,
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, to.clone(), for_connection, cut.clone()));
                }
            }
        }
    }
}

async fn connection(client: TcpStream, to: String, mode: watch::Receiver<Mode>, mut cut: watch::Receiver<u64>) {
    cut.mark_unchanged();
    let Ok(server) = TcpStream::connect(&to).await else {
        return;
    };
    // What is closed is reset: whoever holds the other end is told at once, and loses what is under way.
    for socket in [&client, &server] {
        let _ = socket.set_zero_linger();
        let _ = socket.set_nodelay(true);
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pass_on(from_client, to_server, mode.clone()) => {}
        () = pass_on(from_server, to_client, mode) => {}
        _ = cut.changed() => {}
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if mode.wait_for(|mode| *mode != Mode::Frozen).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
