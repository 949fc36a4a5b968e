//! Every test runs twice: on SQLite in a folder of its own, and on a real PostgreSQL in a schema of its own.
//!
//! `DUCTUS_TEST_POSTGRES` says where the server is; without it the tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod codes;
mod keys;
mod passkeys;
mod people;
mod sign_ins;
mod smtp;
mod step_up;
mod store;
mod tenants;
mod throttle;
mod tokens;
mod users;
mod webhooks;
mod world;
