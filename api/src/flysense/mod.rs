//! FlySense's API, called by its widget inside the amoCRM card.

mod caller;
mod preferences;
mod transcriptions;
mod view;

pub(crate) use preferences::PreferencesApi;
pub(crate) use transcriptions::TranscriptionsApi;
