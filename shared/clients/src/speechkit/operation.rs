//! `OperationService.Get`.

use super::responses::OperationBody;
use super::{LONGEST_MESSAGE, Operation, SpeechKit, SpeechKitError};
use crate::http::read_json;

impl SpeechKit {
    /// How far an operation is. At most 5 questions a second over all operations.
    pub async fn operation(&self, id: &str) -> Result<Operation, SpeechKitError> {
        let mut url = self.operation_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["operations", id]);
        }
        let sent = self.send(self.client.get(url), LONGEST_MESSAGE).await;
        let operation: OperationBody = read_json(&sent.map_err(SpeechKitError::of_question)?)?;
        Ok(operation.into())
    }
}
