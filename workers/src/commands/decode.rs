//! `flysk-worker audio:decode`: the child process in which a recording is decoded.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// What its parent tells it; see `flysk_audio::serve_confined`.
#[derive(Debug, Args)]
pub(super) struct Decode {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    order: Vec<OsString>,
}

impl Decode {
    /// Carries out the order. No runtime runs yet: bounds of the process are set first.
    pub(super) fn run(self) -> ExitCode {
        flysk_audio::serve_confined(self.order)
    }
}
