//! `AsyncRecognizer.GetRecognition` and `DeleteRecognition`.

use flysk_domain::flysense::stream;
use url::Url;

use super::{MAX_MESSAGE_BYTES, Recognition, SpeechKit, SpeechKitError};

impl SpeechKit {
    /// Fetches the whole result. An empty result is a call without speech, not an error.
    pub async fn recognition(&self, operation_id: &str) -> Result<Recognition, SpeechKitError> {
        let url = self.result_url("/stt/v3/getRecognition", operation_id);
        let sent = self.send(self.client.get(url), self.max_result_bytes).await;
        let raw = sent.map_err(SpeechKitError::of_question)?;
        let events = stream::parse(&raw).map_err(SpeechKitError::of_stream)?;
        Ok(Recognition { raw, events })
    }

    /// Deletes the result at the service; a missing one is not an error.
    pub async fn delete_recognition(&self, operation_id: &str) -> Result<(), SpeechKitError> {
        let url = self.result_url("/stt/v3/deleteRecognition", operation_id);
        match self.send(self.client.delete(url), MAX_MESSAGE_BYTES).await.map_err(SpeechKitError::of_question)
        {
            Ok(_) | Err(SpeechKitError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn result_url(&self, path: &str, operation_id: &str) -> Url {
        let mut url = self.stt_url.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair("operation_id", operation_id);
        url
    }
}
