//! The loop closes: history that `archive` fills → `train` → `promote` → the new model is live without a restart → `query`
//! → `--roll-back`.
