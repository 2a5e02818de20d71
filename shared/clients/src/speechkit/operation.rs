//! `OperationService.Get`.

use super::responses::OperationBody;
use super::{MAX_MESSAGE_BYTES, Operation, SpeechKit, SpeechKitError};
use crate::http::read_json;

impl SpeechKit {
    /// Reads the state of an operation. SpeechKit's quota is 5/s for all operations together.
    pub async fn operation(&self, id: &str) -> Result<Operation, SpeechKitError> {
        let mut url = self.operation_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["operations", id]);
        }
        let sent = self.send(self.client.get(url), MAX_MESSAGE_BYTES).await;
        let operation: OperationBody = read_json(&sent.map_err(SpeechKitError::of_question)?)?;
        Ok(operation.into())
    }
}
