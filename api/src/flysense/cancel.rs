//! `POST /v1/flysense/transcriptions/{id}/cancel`: cancels a transcription.

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_services::calls::{CancelOutcome, cancel};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::caller::authorize_caller;
use super::found_call::find;
use super::transcriptions::Tag;
use super::view::TranscriptionView;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

answers! {
    /// Responses of `cancelTranscription`.
    Stopped {
        /// The transcription is cancelled. `seconds_billed` is 0, unless the recording was already submitted for recognition.
        200 => Ok(Json<TranscriptionView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The account has no such transcription.
        404 => NotFound,
        /// The transcription has ended, its transcript is ready and being settled, or another request changes it.
        409 => WrongState [WrongState, VersionConflict],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to cancel transcriptions.
pub(crate) struct CancelApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl CancelApi {
    /// Cancel a transcription in progress.
    ///
    /// A cancelled transcription is free and can be requested again. If the recording was already submitted for recognition, the
    /// recognition is charged, because it cannot be stopped: see `payment` of the transcription.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancelTranscription")]
    async fn stop(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
        _body: NoBody,
    ) -> Stopped {
        match stop(&deps, &trace, &caller, &id.0).await {
            Ok(view) => Stopped::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn stop(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    id: &str,
) -> Result<TranscriptionView, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let row = repeat_contended(|| write(deps, user.account_id(), &call)).await?;
    tracing::info!(
        transcription.id = %call.id, call.correlation.id = %call.correlation_id, asked.by = %trace.correlation_id,
        "transcription cancelled"
    );
    Ok(TranscriptionView::new(&row, &user.account.host))
}

/// Writes the cancellation under the call's own correlation id instead of the request's.
async fn write(deps: &Deps, account: AccountId, call: &Transcription) -> Result<Transcription, Problem> {
    let mut unit = deps.begin(&call.trace()).await?;
    let unknown = || Problem::new(ProblemCode::NotFound, "no such transcription in this account");
    match cancel(&mut unit, account, call.id, deps.clock()).await? {
        CancelOutcome::Cancelled => {}
        CancelOutcome::TooLate(state) => {
            let why = format!("the transcription is `{state}` and cannot be cancelled");
            return Err(Problem::new(ProblemCode::WrongState, why));
        }
        CancelOutcome::NotFound => return Err(unknown()),
    }
    let row = transcriptions::find(&mut unit, account, call.id).await?.ok_or_else(unknown)?;
    unit.commit().await?;
    Ok(row)
}
