//! `AsyncRecognizer.RecognizeFile`.

use super::error::LostSubmit;
use super::responses::OperationBody;
use super::{MAX_MESSAGE_BYTES, Operation, RecognizeFile, SpeechKit, SpeechKitError};
use crate::http::read_json;

impl SpeechKit {
    /// Submits a file for recognition. Every submit costs money.
    ///
    /// There is no idempotency key: store the intent before the request and the operation's id after it.
    pub async fn submit(&self, file: &RecognizeFile) -> Result<Operation, SpeechKitError> {
        let mut url = self.stt_url.clone();
        url.set_path("/stt/v3/recognizeFileAsync");
        let sent = self.send(self.client.post(url).json(file), MAX_MESSAGE_BYTES).await;
        let body = sent.map_err(SpeechKitError::of_submit)?;
        let operation: OperationBody =
            read_json(&body).map_err(|error| SpeechKitError::SubmitLost(LostSubmit::Unreadable(error)))?;
        Ok(operation.into())
    }
}
