//! Which addresses webhooks may have, and one attempt to reach one.
//!
//! Whoever may add a webhook could otherwise have the gateway ask what only the gateway can reach. Invariants: a connection is
//! made only to an address that was looked at after its name was resolved, at every connection anew; without
//! `webhooks.private_networks` it is a public one, by https; redirects are not followed, no proxy is asked; an answer is read to
//! a small bound, and nothing of it is kept but its status and when to come again.

use crate::config;
use anyhow::Context as _;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

/// Most bytes of an answer that are read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 4_096;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// What no webhook may have unless the configuration names it: the special networks of IANA's registries.
const SPECIAL: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    // Tunnels and documentation within what is routed of IPv6.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    // All that is not routed of it, `::/3` with loopback, mapped and translated addresses among it.
    "::/3",
    "4000::/2",
    "8000::/2",
    "c000::/2",
];

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long to wait before the next attempt, where the receiver said so.
    pub(super) retry_after: Option<Duration>,
}

/// Makes attempts.
pub(super) struct Reach {
    /// For https.
    strict: Client,
    /// For http: inside the networks of the configuration only.
    inside: Client,
    rules: [Rule; 2],
}

impl Reach {
    pub(super) fn open(settings: &config::Webhooks) -> anyhow::Result<Self> {
        let private: Arc<[IpNet]> = settings.private_networks.as_slice().into();
        let timeout = Duration::from_millis(settings.timeout_ms);
        let certificate = match &settings.ca_certificate {
            None => None,
            Some(path) => {
                let pem = std::fs::read(path).context("webhooks.ca_certificate cannot be read")?;
                Some(reqwest::Certificate::from_pem(&pem).context("webhooks.ca_certificate")?)
            }
        };
        let rules = [true, false].map(|public| Rule {
            private: Arc::clone(&private),
            public,
        });
        let client = |rule: &Rule| {
            let mut client = Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .user_agent(concat!("ductus/", env!("CARGO_PKG_VERSION")))
                .timeout(timeout)
                .pool_max_idle_per_host(1)
                .pool_idle_timeout(IDLE)
                .dns_resolver(Arc::new(rule.clone()));
            if let Some(certificate) = &certificate {
                client = client.add_root_certificate(certificate.clone());
            }
            client.build().context("the client for webhooks cannot be made")
        };
        Ok(Self {
            strict: client(&rules[0])?,
            inside: client(&rules[1])?,
            rules,
        })
    }

    /// Whether this can be the address of a webhook, as far as its text tells.
    pub(super) fn check(&self, url: &str) -> Result<(), &'static str> {
        let url = Url::parse(url).map_err(|_| "url is no address")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("url has a name, a password or a fragment in it: a webhook's has none");
        }
        let rule = match url.scheme() {
            "https" => &self.rules[0],
            "http" if !self.rules[1].private.is_empty() => &self.rules[1],
            _ => return Err("url must begin with https://"),
        };
        match literal(&url) {
            Some(address) if !rule.admits(address) => {
                Err("url names an address that webhooks may not have, see webhooks.private_networks")
            }
            _ => Ok(()),
        }
    }

    /// One attempt; the error is a code.
    pub(super) async fn post(&self, url: &str, headers: HeaderMap, body: String) -> Result<Answer, &'static str> {
        // Also of the text: what stands in the database may be older than the configuration, and no name is resolved for it.
        self.check(url).map_err(|_| "address_refused")?;
        let client = match url.starts_with("https:") {
            true => &self.strict,
            false => &self.inside,
        };
        let sent = client.post(url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| code(&error))?;
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
        };
        let mut read = 0;
        // Whatever comes after the status changes nothing.
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(answer)
    }
}

/// Which addresses are admitted.
#[derive(Clone)]
struct Rule {
    private: Arc<[IpNet]>,
    /// Public ones as well.
    public: bool,
}

impl Rule {
    fn admits(&self, address: IpAddr) -> bool {
        // ::ffff:10.0.0.1 is 10.0.0.1.
        let address = address.to_canonical();
        self.private.iter().any(|network| network.contains(&address)) || (self.public && is_public(address))
    }
}

impl Resolve for Rule {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> = found.filter(|found| rule.admits(found.ip())).collect();
            match admitted.is_empty() {
                true => Err(AddressRefused.into()),
                false => Ok(Box::new(admitted.into_iter()) as Addrs),
            }
        })
    }
}

/// A name leads only to where webhooks may not go.
#[derive(Debug, thiserror::Error)]
#[error("the address is not admitted")]
struct AddressRefused;

fn is_public(address: IpAddr) -> bool {
    static NETWORKS: LazyLock<Vec<IpNet>> =
        LazyLock::new(|| SPECIAL.iter().filter_map(|network| network.parse().ok()).collect());
    !NETWORKS.iter().any(|network| network.contains(&address))
}

/// The address that a URL names without a name, which no resolver sees. The parser has brought all its spellings to one.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn code(error: &reqwest::Error) -> &'static str {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if causes.into_iter().any(|cause| cause.is::<AddressRefused>()) {
        "address_refused"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "broken_off"
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(networks: &[&str], public: bool) -> Rule {
        Rule {
            private: networks
                .iter()
                .map(|network| network.parse().expect("a network"))
                .collect(),
            public,
        }
    }

    #[test]
    fn every_special_network_is_one() {
        assert!(SPECIAL.iter().all(|network| network.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn public_addresses_are_told_from_all_others() {
        let cases = [
            ("8.8.8.8", true),
            ("192.0.1.1", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("2a00:1450::1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.100.1.1", false),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.168.1.1", false),
            ("198.19.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("fc00::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ];
        for (address, public) in cases {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(rule(&[], true).admits(address), public, "{address}");
            assert!(!rule(&[], false).admits(address), "{address}");
        }
        let inside = rule(&["10.0.0.0/8", "::1/128"], false);
        for (address, admitted) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("::1", true),
            ("11.0.0.1", false),
        ] {
            assert_eq!(
                inside.admits(address.parse().expect("an address")),
                admitted,
                "{address}"
            );
        }
    }

    #[test]
    fn urls_are_looked_at() {
        let reach = |networks: &[&str]| Reach {
            strict: Client::new(),
            inside: Client::new(),
            rules: [rule(networks, true), rule(networks, false)],
        };
        let (closed, open) = (reach(&[]), reach(&["127.0.0.0/8"]));
        for (url, outside, inside) in [
            ("https://hooks.example/a?b=c", true, true),
            ("https://hooks.example:8443/", true, true),
            ("https://8.8.8.8/", true, true),
            ("https://127.0.0.1/", false, true),
            ("https://2130706433/", false, true),
            ("https://0x7f.1/", false, true),
            ("https://[::1]/", false, false),
            ("https://[::ffff:127.0.0.1]/", false, true),
            ("https://169.254.169.254/latest", false, false),
            ("http://hooks.example/", false, true),
            ("http://127.0.0.1:9000/", false, true),
            ("http://8.8.8.8/", false, false),
            ("https://user@hooks.example/", false, false),
            ("https://user:password@hooks.example/", false, false),
            ("https://hooks.example/#a", false, false),
            ("ftp://hooks.example/", false, false),
            ("file:///etc/passwd", false, false),
            ("hooks.example", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                (closed.check(url).is_ok(), open.check(url).is_ok()),
                (outside, inside),
                "{url}"
            );
        }
    }

    #[test]
    fn when_to_come_again_is_read_both_ways() {
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header"))]);
            retry_after(&headers)
        };
        assert_eq!(wait(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(wait("Fri, 21 Nov 2025 08:36:11 GMT"), Some(Duration::ZERO));
        assert!(wait("Mon, 21 Nov 2185 08:36:11 GMT") > Some(Duration::from_secs(1_000_000)));
        assert_eq!((wait("-1"), wait("soon"), wait("")), (None, None, None));
    }
}
