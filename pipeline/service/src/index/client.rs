//! The search node: Elasticsearch or OpenSearch, through the official client's transport and nothing more of it.
//!
//! Invariants: bodies are handed over as the bytes they are; no product check, no node discovery, no `GET /` (a stripped
//! Elasticsearch has none of them); an answer of any status is an answer, only no answer is an error.

use crate::config;
use anyhow::Context;
use axum::body::Bytes;
use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{Method, Url};
use std::time::Duration;

/// A connection to the search node; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    transport: Transport,
    timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new(config: &config::Elasticsearch) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !config.url.is_empty(),
            "elasticsearch.url is empty; set it to the address of Elasticsearch or OpenSearch"
        );
        let url =
            Url::parse(&config.url).with_context(|| format!("elasticsearch.url {:?} is not a URL", config.url))?;
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url)).enable_meta_header(false);
        if !config.api_key.is_empty() {
            builder = builder.auth(Credentials::EncodedApiKey(config.api_key.reveal().to_owned()));
        } else if !config.username.is_empty() {
            let password = config.password.reveal().to_owned();
            builder = builder.auth(Credentials::Basic(config.username.clone(), password));
        }
        if let Some(path) = &config.ca_certificate {
            let pem = std::fs::read(path)
                .with_context(|| format!("elasticsearch.ca_certificate {} cannot be read", path.display()))?;
            let certificate = Certificate::from_pem(&pem)
                .with_context(|| format!("elasticsearch.ca_certificate {} holds no certificate", path.display()))?;
            builder = builder.cert_validation(CertificateValidation::Full(certificate));
        }
        Ok(Self {
            transport: builder.build().context("the client of Elasticsearch cannot be made")?,
            timeout: Duration::from_millis(config.request_timeout_ms),
        })
    }

    /// Sends a bulk request.
    pub(super) async fn bulk(&self, body: &[u8]) -> Result<Reply, elasticsearch::Error> {
        self.send(Method::Post, "/_bulk", "application/x-ndjson", body).await
    }

    /// Stores a template.
    pub(super) async fn put(&self, path: &str, body: &[u8]) -> Result<Reply, elasticsearch::Error> {
        self.send(Method::Put, path, "application/json", body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: &[u8],
    ) -> Result<Reply, elasticsearch::Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self
            .transport
            .send(
                method,
                path,
                headers,
                None::<&()>,
                Some(Bytes::copy_from_slice(body)),
                Some(self.timeout),
            )
            .await?;
        let status = response.status_code().as_u16();
        let body = response.bytes().await?;
        Ok(Reply { status, body })
    }
}
