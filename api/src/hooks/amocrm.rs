//! `POST /hooks/amocrm/{install}/{signature}`: amoCRM tells of new notes.
//!
//! amoCRM signs nothing, so the address carries the proof; it waits two seconds and retries on anything
//! but a success. Source: amoCRM docs, crm_platform/webhooks-format.

use flysk_domain::id::{HookId, InstallId};
use flysk_domain::trace::Trace;
use flysk_jobs::calls::IngestNote;
use flysk_runtime::hook_address;
use flysk_store::flysense::{accounts, hooks};
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, handler};

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Hooks are a few kilobytes; the column holds 16 MB.
const LONGEST: usize = 1 << 20;

/// Keeps the delivery and enqueues its reading.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    Path((install, signature)): Path<(String, String)>,
    body: Body,
) -> poem::Result<StatusCode> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such hook");
    let install: InstallId = install.parse().map_err(|_| unknown())?;
    if !hook_address::is_ours(&deps.keyring, install, &signature) {
        return Err(unknown().into());
    }
    let body = body
        .into_bytes_limit(LONGEST)
        .await
        .map_err(|_| Problem::new(ProblemCode::TooLarge, "longer than 1 MB"))?;
    repeat_contended(|| keep(&deps, &trace, install, &body)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One whose install is gone is not kept: a refusal would only bring amoCRM's retries.
async fn keep(deps: &Deps, trace: &Trace, install: InstallId, body: &[u8]) -> Result<(), Problem> {
    let mut unit = deps.begin(trace).await?;
    let Some(account) = accounts::find_by_install(&mut unit, install).await? else { return Ok(()) };
    let id = HookId::generate(deps.clock());
    hooks::insert(&mut unit, id, account.account_id, body, deps.clock().now()).await?;
    unit.enqueue(&IngestNote { hook_id: id, account_id: account.account_id }).await?;
    Ok(unit.commit().await?)
}
