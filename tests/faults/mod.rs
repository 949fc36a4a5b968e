//! The whole line with faults, against the oracle: nothing lost, nothing twice, nothing different.

mod broker;
mod index;
mod score;
