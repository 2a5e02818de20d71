//! FlySense's API, called by its widget inside the amoCRM card.

mod audio;
mod caller;
mod cancel;
mod payment_view;
mod preferences;
mod recordings;
mod sound_type;
mod transcriptions;
mod view;

pub(crate) use audio::AudioApi;
pub(crate) use cancel::CancelApi;
pub(crate) use preferences::PreferencesApi;
pub(crate) use recordings::Recordings;
pub(crate) use transcriptions::TranscriptionsApi;
