//! A mail server that takes every mail and shows it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Mails that came, as they were sent.
#[derive(Clone)]
pub struct Mailbox {
    /// Where it listens.
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Mailbox {
    /// Listens until the test ends.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mailbox = Self {
            address: listener.local_addr().unwrap(),
            mails: Arc::default(),
        };
        let mails = Arc::clone(&mailbox.mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&mails)));
            }
        });
        mailbox
    }

    /// What the newest mail to somebody says after `begin`, up to the end of its line.
    pub fn said(&self, to: &str, begin: &str) -> String {
        let mails = self.mails.lock().unwrap();
        let mut theirs = mails.iter().rev().filter(|mail| mail.contains(to));
        let line = theirs.find_map(|mail| mail.lines().find_map(|line| line.strip_prefix(begin)));
        line.unwrap_or_else(|| panic!("no mail to {to} says {begin}"))
            .to_owned()
    }
}

/// Speaks as much SMTP as it takes (RFC 5321), until the sender goes.
async fn take(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut mail: Option<String> = None;
    let mut answer: &[u8] = b"220 test\r\n";
    loop {
        if stream.write_all(answer).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        answer = match (&mut mail, line.trim_end()) {
            (Some(text), ".") => {
                mails.lock().unwrap().push(std::mem::take(text));
                mail = None;
                b"250 kept\r\n"
            }
            (Some(text), _) => {
                text.push_str(&line);
                b""
            }
            (None, "DATA") => {
                mail = Some(String::new());
                b"354 go on\r\n"
            }
            (None, "QUIT") => b"221 bye\r\n",
            (None, _) => b"250 test\r\n",
        };
    }
}
