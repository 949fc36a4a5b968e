//! The network address of a client.
//!
//! Invariant: a client is where its connection comes from, unless that is one of `gateway.trusted_proxies`; then it is the
//! last that such a proxy did not trust itself. What stands to the left of that anybody may have written.

use crate::config::{self, ForwardedHeader};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most proxies on the way that are looked at.
const HOPS_MAX: usize = 32;

/// Finds out who asks.
pub(super) struct Clients {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Clients {
    pub(super) fn new(config: &config::Gateway) -> Self {
        Self {
            trusted: config.trusted_proxies.clone(),
            header: config.forwarded_header,
        }
    }

    /// The client of a request.
    pub(super) fn of(&self, parts: &Parts) -> IpAddr {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Every connection has one; without it nobody is trusted, and everybody is one.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        self.address(peer, &parts.headers)
    }

    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => header::FORWARDED.as_str(),
        };
        let lines: Vec<&str> = headers
            .get_all(name)
            .iter()
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for hop in hops.take(HOPS_MAX) {
            if !self.trusts(client) {
                break;
            }
            let named = match self.header {
                ForwardedHeader::XForwardedFor => Some(hop.trim()),
                ForwardedHeader::Forwarded => named_for(hop),
            };
            match named.and_then(read) {
                Some(address) => client = address,
                // Unknown, or hidden: nobody before it can be told either.
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The client in an element of `Forwarded` (RFC 7239 §4): `for=192.0.2.60;proto=http`.
fn named_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

/// An address, which may have a port behind it or brackets around it.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        use ForwardedHeader::{Forwarded, XForwardedFor};
        let cases: [(ForwardedHeader, &str, &[&str], &str); 14] = [
            (XForwardedFor, "192.0.2.1", &["198.51.100.9"], "192.0.2.1"),
            (XForwardedFor, "10.0.0.1", &[], "10.0.0.1"),
            (XForwardedFor, "10.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            (XForwardedFor, "::ffff:10.0.0.1", &["198.51.100.9"], "198.51.100.9"),
            // What the client itself wrote stands to the left.
            (
                XForwardedFor,
                "10.0.0.1",
                &["127.0.0.1, 198.51.100.9, 10.0.0.2"],
                "198.51.100.9",
            ),
            (
                XForwardedFor,
                "10.0.0.1",
                &["127.0.0.1", "198.51.100.9"],
                "198.51.100.9",
            ),
            (XForwardedFor, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (
                XForwardedFor,
                "10.0.0.1",
                &["198.51.100.9, unknown, 10.0.0.2"],
                "10.0.0.2",
            ),
            (XForwardedFor, "10.0.0.1", &["198.51.100.9:4711"], "198.51.100.9"),
            (XForwardedFor, "10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            (Forwarded, "10.0.0.1", &["for=198.51.100.9;proto=https"], "198.51.100.9"),
            (
                Forwarded,
                "10.0.0.1",
                &["for=127.0.0.1, proto=https; For=\"[2001:db8::7]:4711\""],
                "2001:db8::7",
            ),
            (Forwarded, "10.0.0.1", &["for=198.51.100.9, for=_hidden"], "10.0.0.1"),
            (Forwarded, "192.0.2.1", &["for=198.51.100.9"], "192.0.2.1"),
        ];
        for (header, peer, lines, expected) in cases {
            let clients = Clients {
                trusted: vec!["10.0.0.0/8".parse().expect("a network")],
                header,
            };
            let mut headers = HeaderMap::new();
            for line in lines {
                // The other header is never looked at: nobody in front keeps clients from writing it.
                let (ours, other) = match header {
                    XForwardedFor => ("x-forwarded-for", "forwarded"),
                    Forwarded => ("forwarded", "x-forwarded-for"),
                };
                headers.append(ours, HeaderValue::from_static(line));
                headers.append(other, HeaderValue::from_static("203.0.113.66"));
            }
            let found = clients.address(peer.parse().expect("an address"), &headers);
            assert_eq!(found.to_string(), expected, "{header:?} {peer} {lines:?}");
        }
    }
}
