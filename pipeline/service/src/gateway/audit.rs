//! Where what must be audited goes.

use ductus_accounts::AccountEvent;

/// Takes events for the audit.
pub(super) struct Audit;

impl Audit {
    /// What happened to a key, a token or an account.
    pub(super) fn accounts(&self, events: Vec<AccountEvent>) {
        drop(events);
    }
}
