//! The whole line without faults, and with bad input: what goes in comes out, once, and is seen in a browser.

mod bad_input;
mod contract;
mod doctor;
mod end_to_end;
mod gateway;
mod interruptions;
mod recordings;
mod retraining;
mod story;
