//! The transcription that a path names.

use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::utterance::Utterance;
use flysk_domain::id::TranscriptionId;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::flysense::{stages, transcripts};

use super::caller::FlysenseUser;
use super::view::TranscriptionDetails;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// The account's transcription. Transcriptions of other accounts are not found.
pub(super) async fn find(deps: &Deps, user: &FlysenseUser, id: &str) -> Result<Transcription, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such transcription in this account");
    let id: TranscriptionId = id.parse().map_err(|_| unknown())?;
    let mut conn = deps.conn().await?;
    transcriptions::find(&mut conn, user.account_id(), id).await?.ok_or_else(unknown)
}

/// The transcription with its transcript, its payment and its stages.
pub(super) async fn load_details(
    deps: &Deps,
    user: &FlysenseUser,
    call: &Transcription,
) -> Result<TranscriptionDetails, Problem> {
    let mut conn = deps.conn().await?;
    let found = transcripts::find::<Utterance, Analysis>(&mut conn, call.id).await?;
    let payment = payments::find(&mut conn, RunOf { id: call.id, run: call.run }).await?;
    let stages = stages::list(&mut conn, call.id, call.run).await?;
    Ok(TranscriptionDetails::new(call, &user.account.host, found, payment.as_ref(), &stages))
}
