//! Logging as JSON or as human-readable text; panics are logged too.

use std::backtrace::Backtrace;
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::{LogFormat, Telemetry};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not a valid `EnvFilter`.
    #[error("invalid log filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A global subscriber is installed already.
    #[error("logging is already set up")]
    Installed(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Logs to standard error and installs a panic hook that logs panics. Call once per process.
pub fn install(config: &Telemetry) -> Result<(), TelemetryError> {
    tracing::subscriber::set_global_default(subscriber(config, std::io::stderr)?)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs text to standard error, in colours if it is a terminal: for tools of vendors and developers, which have no [`Telemetry`].
/// `RUST_LOG` replaces the filter `usual`. Call once per process.
pub fn install_for_tool(usual: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(usual))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // In a file, escape sequences are in the way of whoever reads it. `NO_COLOR` leaves them out of a terminal, too.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    Ok(tracing::subscriber::set_global_default(builder.finish())?)
}

/// The subscriber of [`install`] with another writer.
pub fn subscriber<W>(
    config: &Telemetry,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(&config.filter)?).with_writer(writer);
    Ok(match config.format {
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_span_list(false).finish()),
        LogFormat::Human => Box::new(builder.with_ansi(false).finish()),
    })
}

/// Panic hook that logs the panic at level error, with location, thread and backtrace.
pub fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current();
    tracing::error!(
        panic.location = location,
        panic.thread = thread.name().unwrap_or_default(),
        panic.backtrace = %Backtrace::capture(),
        "panicked: {message}"
    );
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let config = Telemetry { format, filter: filter.to_owned(), metrics_listen: None };
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        lines.text()
    }

    #[test]
    fn a_json_line_carries_its_fields_and_its_spans() {
        let text = logged(LogFormat::Json, "info", || {
            let _span = tracing::info_span!("job", correlation_id = "c-1").entered();
            tracing::info!(job.kind = "calls.convert_audio", took_ms = 12, "done");
            tracing::debug!("left out");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "done");
        assert_eq!(line["job.kind"], "calls.convert_audio");
        assert_eq!(line["took_ms"], 12);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["correlation_id"], "c-1");
    }

    #[test]
    fn a_human_line_is_one_line() {
        let text = logged(LogFormat::Human, "info", || tracing::warn!(account.id = 7, "slow"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("WARN") && text.contains("slow") && text.contains("account.id=7"), "{text}");
    }

    #[test]
    fn a_panic_is_a_log_line_that_says_where() {
        let text = logged(LogFormat::Json, "info", || {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(log_panic));
            let outcome = std::panic::catch_unwind(|| panic!("the {} broke", "decoder"));
            std::panic::set_hook(before);
            assert!(outcome.is_err());
        });
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["message"], "panicked: the decoder broke");
        assert!(line["panic.location"].as_str().unwrap().contains("telemetry.rs"), "{line}");
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let config =
            Telemetry { format: LogFormat::Json, filter: "flysk=loud".to_owned(), metrics_listen: None };
        assert!(matches!(subscriber(&config, std::io::sink), Err(TelemetryError::Filter(_))));
    }
}
