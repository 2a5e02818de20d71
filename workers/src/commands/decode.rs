//! `flysk-worker audio:decode`: the sandboxed child process that decodes a recording.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Arguments from the parent worker; see `flysk_audio::serve_isolated`.
#[derive(Debug, Args)]
pub(super) struct Decode {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    order: Vec<OsString>,
}

impl Decode {
    /// Decodes the recording. No async runtime is started yet, because the process sets its resource limits first.
    pub(super) fn run(self) -> ExitCode {
        flysk_audio::serve_isolated(self.order)
    }
}
