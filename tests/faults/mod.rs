//! The whole line with faults, against the oracle: nothing lost, nothing twice, nothing different.

mod archive;
mod broker;
mod gateway;
mod index;
mod input;
mod models;
mod score;
mod webhooks;
