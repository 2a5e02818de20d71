//! Performs `calls.convert_audio`.
//!
//! Harmless when run twice: decoding the same bytes gives the same file.
//!
//! An unfinished recording is fetched again before any paid service is used.

use flysk_audio::{AudioError, Layout};
use flysk_domain::flysense::audio::ChannelLayout;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::flysense::calls::{ConvertAudio, HoldPayment};
use flysk_queue::{JobContext, JobError, JobHandler, JobResult, UnitOfWork};
use flysk_store::flysense::transcriptions;
use flysk_store::flysense::waveforms::{self, Waveform};

use super::stage::{self, enter_stage};
use super::{audio_storage, unfinished_recording};
use crate::App;

impl JobHandler<App> for ConvertAudio {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "convert", Converting);
        let flysense = app.flysense()?;
        let decoded = audio_storage::prepare(flysense, &stage.call).await?;
        if let Some((at, reason)) =
            unfinished_recording::recheck_at(flysense, &stage.call, &decoded, run.now())
        {
            return unfinished_recording::park_and_refetch(&stage, run, flysense, at, reason).await;
        }
        let prepared = match decoded {
            Ok(prepared) => prepared,
            // An error of the disk, or a child process killed from outside.
            Err(error @ AudioError::Io(_)) => return Err(JobError::retry(error.to_string())),
            Err(error) => {
                tracing::info!(error = %error, "recording rejected");
                return stage
                    .fail_because(run, failure_code(&error), unfinished_recording::failure_cause(&error))
                    .await;
            }
        };
        let measured = transcriptions::Prepared {
            duration_ms: prepared.duration_ms,
            channels: prepared.channels,
            layout: channel_layout(prepared.layout),
            container: audio_storage::audio_container(prepared.container),
            partial: unfinished_recording::is_partial(&stage.call, &prepared),
        };
        let waveform = Waveform { duration_ms: prepared.duration_ms, peaks: prepared.peaks.clone() };
        if !prepared.has_speech() {
            let mut unit = stage.end_without_speech(run).await?;
            transcriptions::set_prepared(&mut unit, self.transcription_id, measured).await?;
            waveforms::upsert(&mut unit, self.transcription_id, &waveform, run.now()).await?;
            return run.done(unit).await;
        }
        let mut unit = stage.leave(run, StateEvent::Converted).await?;
        transcriptions::set_prepared(&mut unit, self.transcription_id, measured).await?;
        waveforms::upsert(&mut unit, self.transcription_id, &waveform, run.now()).await?;
        if prepared.passthrough {
            // The recording itself is used for recognition and is already in storage.
            transcriptions::set_object_key(
                &mut unit,
                self.transcription_id,
                &audio_storage::source_key(&stage.call),
            )
            .await?;
        }
        unit.enqueue(&HoldPayment { transcription_id: self.transcription_id, account_id: self.account_id })
            .await?;
        run.done(unit).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_on_dead(unit, self.account_id, self.transcription_id, FailureCode::Internal, now).await
    }
}

/// A failed decoding as users read it.
pub(super) fn failure_code(error: &AudioError) -> FailureCode {
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

const fn channel_layout(layout: Layout) -> ChannelLayout {
    match layout {
        Layout::Mono => ChannelLayout::Mono,
        Layout::Stereo => ChannelLayout::Stereo,
        Layout::DoubledMono => ChannelLayout::DoubledMono,
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
