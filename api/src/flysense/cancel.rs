//! `POST /v1/flysense/transcriptions/{id}/cancel`.

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_jobs::calls::cancel::{Cancelled, cancel};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::caller::admit;
use super::transcriptions::{Tag, find};
use super::view::TranscriptionView;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

answers! {
    /// Answers of `cancelTranscription`.
    Stopped {
        /// It is cancelled. `seconds_billed` says what is paid for: nothing, unless its recognition was ordered before.
        200 => Ok(Json<TranscriptionView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// There is none of this id in the account.
        404 => NotFound,
        /// It has ended, or its transcript is there and being settled.
        409 => WrongState,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Stopping calls that are under way.
pub(crate) struct CancelApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl CancelApi {
    /// Stop a call that is under way.
    ///
    /// It costs nothing, and can be asked for again. Once its recognition is ordered, which cannot be taken back, the
    /// recognition is paid for all the same: see `payment` of the transcription.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancelTranscription")]
    async fn stop(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
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
    let user = admit(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let row = repeat_contended(|| write(deps, user.account_id(), &call)).await?;
    tracing::info!(
        transcription.id = %call.id, call.correlation.id = %call.correlation_id, asked.by = %trace.correlation_id,
        "a call was cancelled"
    );
    Ok(TranscriptionView::from(&row))
}

/// What happens to the call from here on belongs to the call's own thread.
async fn write(deps: &Deps, account: AccountId, call: &Transcription) -> Result<Transcription, Problem> {
    let mut unit = deps.begin(&call.trace()).await?;
    let unknown = || Problem::new(ProblemCode::NotFound, "no such transcription in this account");
    match cancel(&mut unit, account, call.id, deps.clock()).await? {
        Cancelled::Now => {}
        Cancelled::TooLate(state) => {
            let why = format!("it is `{state}` by now and cannot be stopped");
            return Err(Problem::new(ProblemCode::WrongState, why));
        }
        Cancelled::Unknown => return Err(unknown()),
    }
    let row = transcriptions::find(&mut unit, account, call.id).await?.ok_or_else(unknown)?;
    unit.commit().await?;
    Ok(row)
}
