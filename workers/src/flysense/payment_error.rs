//! Job errors of failed requests to the platform.

use flysk_clients::flysk_api::FlyskApiError;
use flysk_domain::failure_action::FailureAction;
use flysk_queue::JobError;

use crate::job_error::job_error;

/// Job error for a failed request about payments: it is repeated under its key.
///
/// Rejected credentials are retried, because they are a fault of the deployment, not of the call.
pub(super) fn payment_job_error(error: &FlyskApiError) -> JobError {
    match error {
        FlyskApiError::Refused(problem, after) if matches!(problem.status, 401 | 403) => {
            job_error(FailureAction::Retry { after: *after }, error)
        }
        _ => job_error(error.outcome(), error),
    }
}
