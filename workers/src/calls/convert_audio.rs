//! Performs `calls.convert_audio`.
//!
//! Harmless when run twice: decoding the same bytes gives the same file. A recording that its telephony has not finished is
//! fetched again, before anything of it costs.

use flysk_audio::{AudioError, Layout};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::calls::{ConvertAudio, HoldPayment};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit};
use flysk_store::flysense::transcriptions;

use super::stage::{self, enter_stage};
use super::{files, unfinished};
use crate::App;

impl Handle<App> for ConvertAudio {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "convert", Converting);
        let flysense = app.flysense()?;
        let decoded = files::prepare(flysense, &stage.call).await?;
        if let Some((at, reason)) = unfinished::look_again(flysense, &stage.call, &decoded, run.now()) {
            return unfinished::set_aside(&stage, run, flysense, at, reason).await;
        }
        let prepared = match decoded {
            Ok(prepared) => prepared,
            // Of the disk, or of a child process that somebody else ended.
            Err(error @ AudioError::Io(_)) => return Err(JobError::retry(error.to_string())),
            Err(error) => {
                tracing::info!(error = %error, "the recording cannot be used");
                return stage.fail_because(run, failure_code(&error), unfinished::cause_of(&error)).await;
            }
        };
        let speech_ms: u64 = prepared.speech.iter().map(|channel| channel.speech_ms).sum();
        let measured = transcriptions::Prepared {
            duration_ms: prepared.duration_ms,
            channels: prepared.channels,
            layout: layout_name(prepared.layout),
            container: files::container_name(prepared.container),
            partial: unfinished::is_partial(&stage.call, &prepared),
        };
        if !prepared.has_speech() || speech_ms < flysense.min_speech_ms {
            let mut unit = stage.end_without_speech(run).await?;
            transcriptions::set_prepared(&mut unit, self.transcription_id, measured).await?;
            return run.done(unit).await;
        }
        let mut unit = stage.leave(run, StateEvent::Converted).await?;
        transcriptions::set_prepared(&mut unit, self.transcription_id, measured).await?;
        if prepared.passthrough {
            // What recognition takes lies in storage already: it is the recording itself.
            transcriptions::set_object(&mut unit, self.transcription_id, &files::source_key(&stage.call))
                .await?;
        }
        unit.enqueue(&HoldPayment { transcription_id: self.transcription_id, account_id: self.account_id })
            .await?;
        run.done(unit).await
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_buried(unit, self.account_id, self.transcription_id, FailureCode::Internal, now).await
    }
}

fn failure_code(error: &AudioError) -> FailureCode {
    match error {
        AudioError::Empty => FailureCode::Empty,
        AudioError::NotAudio { .. } => FailureCode::NotAudio,
        AudioError::UnsupportedCodec { .. } => FailureCode::UnsupportedCodec,
        AudioError::TooLong { .. } => FailureCode::TooLong,
        AudioError::TooLarge { .. } => FailureCode::TooLarge,
        AudioError::Damaged { .. } => FailureCode::Damaged,
        AudioError::TimedOut { .. } => FailureCode::DecodeTimeout,
        AudioError::OutOfMemory { .. } => FailureCode::DecodeMemory,
        AudioError::Io(_) => FailureCode::Internal,
    }
}

fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::Mono => "mono",
        Layout::Stereo => "stereo",
        Layout::DoubledMono => "doubled_mono",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_audio_is_told_by_the_code_it_has() {
        let errors = [
            AudioError::Empty,
            AudioError::NotAudio { found: "an HTML page".into() },
            AudioError::UnsupportedCodec { what: String::new() },
            AudioError::TooLong { limit_ms: 1 },
            AudioError::TooLarge { bytes: 2, limit: 1 },
            AudioError::Damaged { what: String::new() },
            AudioError::TimedOut { limit_ms: 1 },
            AudioError::OutOfMemory { limit_bytes: 1 },
        ];
        for error in errors {
            assert_eq!(failure_code(&error).code(), error.code());
        }
    }
}
