//! Why an operation could not be carried out. A refusal (a wrong password, an expired key) is an answer, not an error.

use thiserror::Error;

/// What went wrong; variants by what the caller does next.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The database did not answer, or not in time: try again later (503).
    #[error("the accounts database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database cannot be brought to this program's tables: an operator must look.
    #[error("cannot migrate the accounts database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A setting cannot be used; says which and why.
    #[error("{0}")]
    Setting(String),
    /// A value from outside has no place in the tables (400); says which and why, and never repeats it.
    #[error("{0}")]
    Invalid(&'static str),
    /// More of something than the policy allows (409 or 429); says of what.
    #[error("{0}")]
    Limit(&'static str),
    /// Too many passwords wait to be hashed: try again in a moment (503).
    #[error("too many sign-ins at once")]
    Busy,
    /// The operating system gave no randomness: nothing secret can be made.
    #[error("the operating system gave no random bytes")]
    Randomness,
    /// A mail could not be handed over (503).
    #[error("cannot send a mail: {0}")]
    Mail(String),
    /// Something stored or computed is not as this program wrote it.
    #[error("{0}")]
    Internal(&'static str),
}

/// Short for what every operation gives.
pub type Result<T> = std::result::Result<T, AccountsError>;
