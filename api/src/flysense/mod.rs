//! FlySense's API, called by its widget inside the amoCRM card.

mod activation;
mod activation_views;
mod attended_stream;
mod audio;
mod audio_answer;
mod call_statistics;
mod caller;
mod cancel;
mod edit;
mod export;
mod found_call;
mod label_view;
mod payment_view;
mod playback;
mod preferences;
mod records;
mod tags;
mod transcriptions;
mod view;
mod waveform;

pub(crate) use activation::ActivationApi;
pub(crate) use audio::AudioApi;
pub(crate) use call_statistics::CallStatisticsApi;
pub(crate) use cancel::CancelApi;
pub(crate) use export::ExportApi;
pub(crate) use playback::{AudioLinkApi, AudioStreamApi};
pub(crate) use preferences::PreferencesApi;
pub(crate) use records::RecordsApi;
pub(crate) use tags::TagsApi;
pub(crate) use transcriptions::TranscriptionsApi;
pub(crate) use waveform::WaveformApi;
