//! A broker of a test's own, to be killed.

use crate::process::PATIENCE;
use crate::world::required;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The spare broker that `cargo xtask test` prepared. Only one test may use it.
pub struct SpareBroker {
    /// Where it is.
    pub address: String,
    child: Child,
    /// How long its log was before it was started.
    log_from: usize,
}

impl SpareBroker {
    /// Starts it and waits until it takes connections.
    pub async fn start() -> Self {
        let address = required("DUCTUS_TEST_SPARE_KAFKA");
        let mut broker = Self {
            log_from: Self::whole_log().len(),
            child: Self::spawn(),
            address,
        };
        broker.until_up().await;
        broker
    }

    /// `kill -9`, and after a while the same broker again, on what it had written.
    pub async fn crash(&mut self, away: Duration) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        tokio::time::sleep(away).await;
        self.child = Self::spawn();
        self.until_up().await;
    }

    fn spawn() -> Child {
        Command::new(required("DUCTUS_TEST_SPARE_KAFKA_START"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn until_up(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the spare broker ended with {status}");
            }
            assert!(start.elapsed() < PATIENCE, "the spare broker does not come up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for SpareBroker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.show_what_matters();
        }
    }
}

impl SpareBroker {
    /// What it said of transactions and of trouble: a broker can lose the markers of a transaction when it is killed, see
    /// `docs/delivery.md`.
    fn show_what_matters(&self) {
        let matters = |line: &&str| {
            let topics = ["TransactionMarkerChannelManager", "ERROR", "Sending txn markers"];
            topics.iter().any(|topic| line.contains(topic))
        };
        for line in Self::whole_log()[self.log_from..].lines().filter(matters) {
            eprintln!("broker: {line}");
        }
    }

    /// Whether it took topics that had no leader for deleted, and noted a transaction over them as complete without a marker:
    /// what Kafka 4.3.1 does when it is killed amid a commit and started again before its own session has ended.
    pub fn lost_markers(&self) -> bool {
        Self::whole_log()[self.log_from..].contains("Couldn't find leader endpoint for partitions")
    }

    fn whole_log() -> String {
        let script = PathBuf::from(required("DUCTUS_TEST_SPARE_KAFKA_START"));
        std::fs::read_to_string(script.with_file_name("broker.log")).unwrap_or_default()
    }
}
