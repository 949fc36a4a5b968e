//! A mail on the wire: to a server in this process that speaks as little SMTP as it takes.

use std::time::Duration;

use ductus_accounts::{AccountsError, Email, Mail, Mailer, SmtpMailer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::NOW;

/// Longer than any test takes, in ms.
const TIMEOUT_MS: u64 = 60_000;

fn mail() -> Mail {
    Mail {
        to: Email::parse("ann@example.org").unwrap(),
        subject: "Your code to sign in",
        text: "Your code is 1234 5678.\n.\nRCPT TO:<eve@evil.org>\n".to_owned(),
        at_ms: NOW,
    }
}

/// Answers one client until it goes; gives all that it said. `refused`: the command that is refused.
async fn serve(stream: TcpStream, refused: &str) -> String {
    let mut stream = BufReader::new(stream);
    let (mut said, mut in_data) = (String::new(), false);
    stream.write_all(b"220 test\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        said.push_str(&line);
        let answer: &[u8] = match line.trim_end() {
            "." if in_data => {
                in_data = false;
                b"250 kept\r\n"
            }
            _ if in_data => b"",
            command if command.starts_with(refused) => b"550 ann@example.org is unknown here\r\n",
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 test\r\n",
        };
        if stream.write_all(answer).await.is_err() {
            break;
        }
        line.clear();
    }
    said
}

async fn send(refused: &'static str) -> (Result<(), AccountsError>, String) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", server.local_addr().unwrap());
    let served = tokio::spawn(async move { serve(server.accept().await.unwrap().0, refused).await });
    let mailer = SmtpMailer::new(&url, "Ductus <no-reply@ductus.example>", TIMEOUT_MS).unwrap();
    let sent = mailer.send(mail()).await;
    // The connection is kept for the next mail until the mailer goes.
    drop(mailer);
    let said = tokio::time::timeout(Duration::from_millis(TIMEOUT_MS), served)
        .await
        .unwrap()
        .unwrap();
    (sent, said)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let (sent, said) = send("nothing is refused").await;
    sent.unwrap();
    for line in [
        "MAIL FROM:<no-reply@ductus.example>",
        "RCPT TO:<ann@example.org>",
        "From: Ductus <no-reply@ductus.example>",
        "To: ann@example.org",
        "Subject: Your code to sign in",
        "Date: Fri, 15 Jan 2027 08:00:00 +0000",
        "Your code is 1234 5678.",
        // A line of one dot would end the mail: it has two on the wire.
        "..",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}: {said}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_without_the_address() {
    let (sent, _) = send("RCPT TO").await;
    let error = sent.unwrap_err();
    assert_eq!(error.to_string(), "cannot send a mail: the server refused it");
    assert!(!format!("{error:?}").contains("ann@"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", server.local_addr().unwrap());
    drop(server);
    let mailer = SmtpMailer::new(&url, "no-reply@ductus.example", TIMEOUT_MS).unwrap();
    assert!(matches!(mailer.send(mail()).await, Err(AccountsError::Mail(_))));
}

/// As a gateway does that stops.
#[test]
fn a_mailer_outlives_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mailer = runtime.block_on(async {
        let mailer = SmtpMailer::new("smtp://127.0.0.1:1", "no-reply@ductus.example", TIMEOUT_MS).unwrap();
        assert!(matches!(mailer.send(mail()).await, Err(AccountsError::Mail(_))));
        mailer
    });
    drop(runtime);
    drop(mailer);
}
