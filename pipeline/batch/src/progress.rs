//! Progress on standard error; silent where nobody looks at a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::borrow::Cow;

/// A bar that counts towards a known end.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    total: u64,
}

/// Progress over files.
pub fn files(what: &'static str, total: usize) -> Progress {
    steps(what, total as u64)
}

/// Progress over steps of any kind.
pub fn steps(what: impl Into<Cow<'static, str>>, total: u64) -> Progress {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
    // The template is a constant; without it the bar only looks plainer.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    Progress { bar, total }
}

impl Progress {
    /// So many are left.
    pub fn set_left(&self, left: usize) {
        self.bar.set_position(self.total.saturating_sub(left as u64));
    }

    /// So many are done, and what to say of it.
    pub fn set(&self, done: u64, message: String) {
        self.bar.set_position(done);
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
