//! Every test runs twice: on SQLite in a folder of its own, and on a real PostgreSQL in a schema of its own.
//!
//! `DUCTUS_TEST_POSTGRES` says where the server is; without it the tests fail and say so.

mod keys;
mod store;
mod tenants;
mod tokens;
mod world;
