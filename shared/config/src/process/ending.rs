//! How a process ends: the status of success, or the reason of a failure.

use std::error::Error;
use std::io::Write as _;
use std::process::{ExitCode, Termination};

use flysk_domain::error_text::with_causes;

/// Status of a process whose work has ended. The reason of a failure goes to standard error: the error with each of its causes once.
///
/// A `main` that returns an `anyhow::Error` prints causes that repeat each other, and with `RUST_BACKTRACE` a backtrace, also of
/// a misspelt variable.
pub fn exit_code<T, E>(ended: Result<T, E>) -> ExitCode
where
    T: Termination,
    E: AsRef<dyn Error + 'static>,
{
    match ended {
        Ok(status) => status.report(),
        Err(error) => {
            // Whoever has closed standard error does not want to know.
            let _unread = writeln!(std::io::stderr().lock(), "Error: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
