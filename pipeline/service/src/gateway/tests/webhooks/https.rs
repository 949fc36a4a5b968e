//! Receivers by https: whoever shows a certificate that is trusted is told, and nobody else.

use super::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// TLS over what it accepts.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.expect("a connection");
            // Whoever does not trust us ends here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A certificate for this machine's loopback address that it signed itself, in PEM, and a server's settings with it.
fn certificate() -> (String, ServerConfig) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    (made.cert.pem(), config.expect("a server's settings"))
}

#[test]
fn whoever_shows_a_certificate_that_is_trusted_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    let (pem, known) = certificate();
    std::fs::write(&path, pem).expect("a file");
    let (_, unknown) = certificate();
    let hooked = Hooked::new(&[
        &format!("webhooks.ca_certificate={}", path.display()),
        "webhooks.attempts_max=2",
    ]);
    let receiver = |config: ServerConfig| {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Receiver::behind(&hooked.guarded.stand.runtime, [], |listener| Tls { listener, acceptor })
    };
    let (trusted, stranger) = (receiver(known), receiver(unknown));
    let add = |receiver: &Receiver| {
        let url = receiver.url().replace("http://", "https://");
        hooked.add(&url, "standard", &["step_up"])
    };
    let ((told, secret), (untold, _)) = (add(&trusted), add(&stranger));
    hooked.ask("s1", 0, "step_up");
    hooked.await_state(&told, "done");
    assert!(trusted.had()[0].is_signed(secret.as_str().expect("a secret")));
    let dead = hooked.await_state(&untold, "dead");
    assert_eq!(
        (&dead["attempts"], &dead["last_status"]),
        (&json!(2), &Value::Null),
        "{dead}"
    );
    assert!(stranger.had().is_empty());
}
