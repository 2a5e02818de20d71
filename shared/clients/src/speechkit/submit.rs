//! `AsyncRecognizer.RecognizeFile`.

use super::error::LostSubmit;
use super::responses::OperationBody;
use super::{LONGEST_MESSAGE, Operation, RecognizeFile, SpeechKit, SpeechKitError};
use crate::http::read_json;

impl SpeechKit {
    /// Hands a file over for recognition, which costs money from here on.
    ///
    /// There is no idempotency key: store the intent before the call and the operation's id after it.
    pub async fn submit(&self, file: &RecognizeFile) -> Result<Operation, SpeechKitError> {
        let mut url = self.stt_url.clone();
        url.set_path("/stt/v3/recognizeFileAsync");
        let sent = self.send(self.client.post(url).json(file), LONGEST_MESSAGE).await;
        let body = sent.map_err(SpeechKitError::of_submit)?;
        let operation: OperationBody =
            read_json(&body).map_err(|error| SpeechKitError::SubmitLost(LostSubmit::Unreadable(error)))?;
        Ok(operation.into())
    }
}
