//! Whole-system tests of Ductus. They live in `system/`: one binary that drives the real programs against real services, as
//! `cargo xtask test` starts them. This library is empty; a workspace member needs a target of its own.
