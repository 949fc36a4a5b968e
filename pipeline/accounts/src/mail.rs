//! Mail: over SMTP in production, into a bounded mailbox in the demo.
//!
//! Invariants: an address that passed [`Email`] cannot break out of a header, as the library's types do the writing; nothing
//! from outside stands in a subject; a mail's text is never logged, as it may carry a code.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox as Sender, Mailboxes, Message};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::runtime::Handle;

use crate::error::{AccountsError, Result};

/// Longest address, in bytes (RFC 5321 §4.5.3.1.3 less its brackets).
const EMAIL_LEN_MAX: usize = 254;

/// A mail address in the one form in which it is kept: ASCII, lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Address);

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// Where it is none, or too long.
    pub fn parse(text: &str) -> Result<Self> {
        const NO_ADDRESS: AccountsError = AccountsError::Invalid("that is no e-mail address we can send to");
        let text = text.trim().to_ascii_lowercase();
        if text.len() > EMAIL_LEN_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NO_ADDRESS);
        }
        let address: Address = text.parse().map_err(|_| NO_ADDRESS)?;
        // A mail goes to whom its header names: an address that is read there as another, or as none, is not one to send to.
        let named: Mailboxes = text.parse().map_err(|_| NO_ADDRESS)?;
        if !named.iter().map(|mailbox| &mailbox.email).eq([&address]) {
            return Err(NO_ADDRESS);
        }
        Ok(Self(address))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// One mail, in plain text.
#[derive(Clone)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What about; never holds anything from outside.
    pub subject: &'static str,
    /// What it says; may hold a code or a link.
    pub text: String,
    /// When it was written, in ms.
    pub at_ms: i64,
}

impl Mail {
    /// To whom, as text: for a page that shows the demo's mailbox.
    #[must_use]
    pub fn recipient(&self) -> &str {
        self.to.as_str()
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// What hands a mail over.
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Hands it over; done when the next one answers for it.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<()>>;
}

/// Hands mails to an SMTP server.
#[derive(Debug)]
pub struct SmtpMailer {
    /// None only once it is dropped.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
    sender: Sender,
    runtime: Handle,
}

impl Drop for SmtpMailer {
    fn drop(&mut self) {
        // The transport ends its connections in a task, and panics where nothing could run it: a gateway that stops lets go of
        // its mailer after its runtime, which then just drops the task.
        let _entered = self.runtime.enter();
        self.transport = None;
    }
}

impl SmtpMailer {
    /// `url`: `smtps://user:password@host` (TLS), `smtp://user:password@host?tls=required` (STARTTLS), `smtp://host:25` (plain);
    /// `sender`: `Ductus <no-reply@example.org>`; how long one mail may take, in ms. To be called within a tokio runtime, in which the
    /// connections are kept.
    ///
    /// # Errors
    /// Where the URL or the sender cannot be read (neither is repeated, as the URL may hold a password), or there is no runtime.
    pub fn new(url: &str, sender: &str, timeout_ms: u64) -> Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| AccountsError::Setting("the SMTP server must be smtp://… or smtps://…".to_owned()))?
            .timeout(Some(Duration::from_millis(timeout_ms)))
            .build();
        let sender = sender.parse().map_err(|_| {
            AccountsError::Setting("the sender of mails must be like Ductus <no-reply@example.org>".to_owned())
        })?;
        let runtime = Handle::try_current().map_err(|_| AccountsError::Internal("mails need a tokio runtime"))?;
        Ok(Self {
            transport: Some(transport),
            sender,
            runtime,
        })
    }
}

fn message(sender: &Sender, mail: Mail) -> Result<Message> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(mail.at_ms).unwrap_or_default());
    Message::builder()
        .from(sender.clone())
        .to(Sender::new(None, mail.to.0))
        .subject(mail.subject)
        .date(at)
        .header(ContentType::TEXT_PLAIN)
        .body(mail.text)
        .map_err(|_| AccountsError::Internal("a mail could not be put together"))
}

impl Mailer for SmtpMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<()>> {
        async move {
            let message = message(&self.sender, mail)?;
            // What the server said may repeat the address.
            let failed = |error: lettre::transport::smtp::Error| {
                let kind = if error.is_timeout() {
                    "the server did not answer in time"
                } else if error.is_permanent() || error.is_transient() {
                    "the server refused it"
                } else {
                    "the server cannot be reached"
                };
                AccountsError::Mail(kind.to_owned())
            };
            let Some(transport) = &self.transport else {
                return Err(AccountsError::Internal("the mailer has ended"));
            };
            transport.send(message).await.map(drop).map_err(failed)
        }
        .boxed()
    }
}

/// The demo's mailbox: the last mails, in memory, for a page of the demo to show.
#[derive(Debug)]
pub struct Mailbox {
    mails: Mutex<VecDeque<Mail>>,
    mails_max: usize,
}

impl Mailbox {
    /// Keeps so many; older ones go.
    #[must_use]
    pub fn new(mails_max: usize) -> Self {
        Self {
            mails: Mutex::default(),
            mails_max: mails_max.max(1),
        }
    }

    /// What is in it, the newest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().rev().cloned().collect()
    }
}

impl Mailer for Mailbox {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<()>> {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() >= self.mails_max {
            mails.pop_front();
        }
        mails.push_back(mail);
        std::future::ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read() {
        for (text, kept) in [
            (" Ann@Example.ORG ", Some("ann@example.org")),
            ("ann+tag@example.org", Some("ann+tag@example.org")),
            ("ann", None),
            ("ann@", None),
            ("@example.org", None),
            ("ann@example.org\r\nBcc: eve@evil.org", None),
            ("ann@example.org, eve@evil.org", None),
            ("ann@exämple.org", None),
            ("Ann <ann@example.org>", None),
            ("ann@::1", None),
            (&format!("{}@example.org", "a".repeat(250)), None),
        ] {
            let email = Email::parse(text).ok();
            assert_eq!(email.as_ref().map(Email::as_str), kept, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_address_adds_a_header(text in "[ -~\r\n]{1,40}@[a-z\r\n:.]{1,20}") {
            if let Ok(to) = Email::parse(&text) {
                let sender = "Ductus <no-reply@example.org>".parse().unwrap();
                let mail = Mail { to, subject: "Your code", text: "1".to_owned(), at_ms: 0 };
                let to = mail.to.clone();
                let message = message(&sender, mail).unwrap();
                prop_assert_eq!(message.envelope().to(), [to.0]);
                let message = String::from_utf8(message.formatted()).unwrap();
                let head = message.split("\r\n\r\n").next().unwrap();
                let names: Vec<&str> = head
                    .split("\r\n")
                    .filter(|line| !line.starts_with([' ', '\t']))
                    .filter_map(|line| line.split(':').next())
                    .collect();
                prop_assert!(names.iter().all(|name| [
                    "From", "To", "Subject", "Date", "Content-Type", "MIME-Version", "Content-Transfer-Encoding"
                ].contains(name)), "{:?}", names);
            }
        }
    }

    #[test]
    fn a_mailbox_keeps_the_last() {
        let mailbox = Mailbox::new(2);
        for text in ["1", "2", "3"] {
            let mail = Mail {
                to: Email::parse("a@b.org").unwrap(),
                subject: "Your code",
                text: text.to_owned(),
                at_ms: 0,
            };
            mailbox.send(mail).now_or_never().unwrap().unwrap();
        }
        let texts: Vec<String> = mailbox.mails().into_iter().map(|mail| mail.text).collect();
        assert_eq!(texts, ["3", "2"]);
        assert!(!format!("{mailbox:?}").contains("a@b.org"));
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        let error = SmtpMailer::new("gopher://u:hunter2@h", "a@b.org", 1).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
