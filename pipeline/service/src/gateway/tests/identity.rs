//! People who sign in, from their browsers' side.

mod account;
mod analysts;
mod page;
mod sessions;

use super::*;
use ductus_accounts::Mailbox;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use std::fmt::Write;

pub(super) const ANN: &str = "ann@example.org";
pub(super) const PASSWORD: &str = "correct horse battery";
/// Where people are when they are not at home.
pub(super) const AWAY: &str = "198.51.100.7";

/// The demo's mailbox without the demo.
struct Mailed(Arc<Mailbox>);

impl Extra for Mailed {
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.0))
    }
}

/// A gateway that people sign in at, and their mailbox.
pub(super) struct House {
    pub(super) stand: Stand,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) client: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn reason(&self) -> (u16, &str) {
        (self.status, self.body["reason"].as_str().unwrap_or_default())
    }

    pub(super) fn field(&self, name: &str) -> String {
        let field = self.body[name].as_str();
        field.unwrap_or_else(|| panic!("no {name}: {}", self.text)).to_owned()
    }

    /// The cookie that it sets, as a browser would send it back.
    pub(super) fn cookie(&self) -> Option<String> {
        let set = self.headers.get("set-cookie")?.to_str().expect("text");
        Some(set.split(';').next().expect("a pair").to_owned())
    }
}

/// Somebody in their browser.
pub(super) struct Browser {
    pub(super) user: String,
    pub(super) token: String,
    pub(super) cookie: String,
}

impl Browser {
    pub(super) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        Self {
            user: answer.field("user"),
            token: answer.field("access_token"),
            cookie: answer.cookie().expect("a cookie"),
        }
    }
}

impl House {
    pub(super) fn new(sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mailbox = Arc::new(Mailbox::new(100));
        let database = format!("access.database=sqlite:{}/accounts.sqlite", folder.path().display());
        let own = [
            database.as_str(),
            "identity.enabled=true",
            "identity.tenant=t",
            "identity.public_url=https://ductus.example",
            "identity.smtp_url=smtp://127.0.0.1:1",
            "identity.smtp_from=Ductus <no-reply@ductus.example>",
            "gateway.trusted_proxies=127.0.0.1",
        ];
        let sets: Vec<&str> = own.iter().chain(sets).copied().collect();
        let client = reqwest::Client::builder().timeout(WAIT).redirect(Policy::none());
        Self {
            stand: Stand::with(&sets, Box::new(Mailed(Arc::clone(&mailbox)))),
            mailbox,
            client: client.build().expect("a client"),
            _folder: folder,
        }
    }

    /// One that asks for keys where nobody signs in.
    pub(super) fn guarded() -> Self {
        Self::new(&["access.mode=keys"])
    }

    pub(super) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, self.stand.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
        }
        let (status, headers, text) = self.stand.answer(request);
        assert!(!headers.contains_key("location"), "nobody is sent elsewhere");
        Answer {
            status: status.as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            headers,
            text,
        }
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], Some(&body))
    }

    /// As a browser elsewhere.
    pub(super) fn post_away(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[("x-forwarded-for", AWAY)], Some(&body))
    }

    pub(super) fn with_token(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        let shown = format!("Bearer {token}");
        self.ask(method, path, &[("authorization", &shown)], body.as_ref())
    }

    pub(super) fn with_cookie(&self, path: &str, cookie: &str) -> Answer {
        let headers = [("cookie", cookie), ("content-type", "application/json")];
        self.ask("POST", path, &headers, None)
    }

    /// The newest text in the mails to somebody that begins after this and ends before a space or a line.
    pub(super) fn mailed(&self, to: &str, begin: &str) -> String {
        let mails = self.mailbox.mails();
        let mut texts = mails
            .iter()
            .filter(|mail| mail.recipient() == to)
            .map(|mail| &mail.text);
        let found = texts.find_map(|text| text.split_once(begin));
        let (_, rest) = found.unwrap_or_else(|| panic!("no mail says {begin}"));
        rest.to_owned()
    }

    pub(super) fn code(&self, to: &str) -> String {
        self.mailed(to, "Your code is ")[..9].to_owned()
    }

    /// An account that was opened at home.
    pub(super) fn register(&self, email: &str) -> Browser {
        let asked = self.post("/v1/auth/register", credentials(email, PASSWORD));
        assert_eq!(asked.status, 202, "{}", asked.text);
        Browser::of(&self.confirm(&asked, email))
    }

    pub(super) fn confirm(&self, asked: &Answer, email: &str) -> Answer {
        let code = json!({ "challenge": asked.field("challenge"), "code": self.code(email) });
        self.post("/v1/auth/confirm", code)
    }

    pub(super) fn log_in(&self) -> Answer {
        self.post("/v1/auth/login", credentials(ANN, PASSWORD))
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.stand.running.as_ref().expect("it runs").gateway
    }
}

pub(super) fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

/// Everything of an answer that a client sees, but for ids and times, of which only the length is left.
fn shape(answer: &Answer) -> String {
    let mut shape = format!("{}\n", answer.status);
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "date").collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        writeln!(shape, "{name}: {}", value.to_str().expect("text")).expect("written");
    }
    let mut text = answer.text.clone();
    for field in ["challenge", "expires_at_ms"] {
        if let Some(value) = answer.body.get(field) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text = text.replace(&value, &"#".repeat(value.len()));
        }
    }
    shape + &text
}
