//! The programs `ductus` and `ductus-batch`, driven from outside against real Kafka, Elasticsearch and OpenSearch.
//!
//! `cargo xtask test` starts the services and says where they are (`DUCTUS_TEST_*`). A test that cannot run fails; only
//! missing recordings are reported as skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod faults;
mod system;
