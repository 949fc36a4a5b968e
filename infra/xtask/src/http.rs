//! The one HTTP request that set-up needs: is that server well?

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than any health answer has.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The body of a successful `GET` from a server on this machine.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1)?.starts_with('2').then(|| body.to_owned())
}

/// Whether an Elasticsearch or OpenSearch node answers that it can work.
pub(crate) fn search_node_is_well(port: u16) -> bool {
    get(port, "/_cluster/health")
        .is_some_and(|body| body.contains("\"status\":\"green\"") || body.contains("\"status\":\"yellow\""))
}
