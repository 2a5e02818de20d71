//! Performs `panel.write_export`. Harmless when run twice: the file is written anew and replaces the object; the export becomes
//! ready in the transaction that ends the job. The export of an operator who may not export any more fails.

use std::io;
use std::path::Path;

use chrono::Duration;
use flysk_admin::{FrozenList, freeze};
use flysk_domain::admin::OperatorRight;
use flysk_jobs::platform::panel::WriteExport;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::exports::{ExportFile, Value};
use flysk_services::withdrawal::{Withdrawal, find_withdrawal, record_withdrawal};
use flysk_store::admin::exports::{self, ExportState, ListExport, WrittenFile};

use crate::App;
use crate::job_error::IntoJobError;

/// Rows read at once.
const BATCH_SIZE: u32 = 1_000;
/// Maximum number of rows of an export; a sheet of a workbook has 1,048,576.
const MAX_ROWS: u64 = 1_000_000;
/// Batches between two writes of the progress.
const BATCHES_PER_PROGRESS: u64 = 5;
/// Retention of a file, documented for operators in `docs/admin.md`.
const FILE_RETENTION: Duration = Duration::days(1);

impl JobHandler<App> for WriteExport {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let export = exports::find(&mut *run.pool().acquire().await?, self.export_id).await?;
        let Some(export) = export.filter(|export| export.state == ExportState::Writing) else {
            return Ok(JobOutcome::skip("the export has ended"));
        };
        write(run, app, &export).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        exports::fail(unit, self.export_id, app.clock().now()).await?;
        Ok(())
    }
}

async fn write(run: &JobContext, app: &App, export: &ListExport) -> JobResult {
    let storage = app.storage()?;
    let list = freeze(&export.list, &export.query, export.requested_at)
        .map_err(|error| JobError::give_up(error.to_string()))?;
    let scratch = &app.config().worker.scratch_dir;
    tokio::fs::create_dir_all(scratch).await.map_err(scratch_error)?;
    // Deleted when it is dropped. With FlySense, what a killed process leaves is swept with its files in the same directory.
    let path = tempfile::NamedTempFile::new_in(scratch).map_err(scratch_error)?.into_temp_path();
    let file = match fill(run, export, list.as_ref(), &path).await? {
        Ok(file) => file,
        Err(withdrawal) => return stop(run, app, run.begin().await?, export, withdrawal).await,
    };
    storage
        .put_file(&export.object_key(), &path, export.file_format.media_type())
        .await
        .map_err(IntoJobError::into_job_error)?;
    let mut unit = run.begin().await?;
    if let Some(withdrawal) = find_withdrawal(&mut unit, export.operator_id, OperatorRight::Export).await? {
        return stop(run, app, unit, export, withdrawal).await;
    }
    let now = run.now();
    exports::make_ready(&mut unit, export.id, file, now + FILE_RETENTION, now).await?;
    run.done(unit).await
}

/// Ends the export in `unit`, together with its job. A file that is stored already expires at once.
async fn stop(
    run: &JobContext,
    app: &App,
    mut unit: UnitOfWork,
    export: &ListExport,
    withdrawal: Withdrawal,
) -> JobResult {
    if exports::fail(&mut unit, export.id, run.now()).await? {
        let id = export.id.to_string();
        record_withdrawal(&mut unit, app.clock(), "export.stop", ("export", &id), withdrawal).await?;
    }
    run.done(unit).await
}

/// Writes the rows to a file, while the operator may export.
async fn fill(
    run: &JobContext,
    export: &ListExport,
    list: &dyn FrozenList,
    path: &Path,
) -> Result<Result<WrittenFile, Withdrawal>, JobError> {
    let mut file = ExportFile::create(path, export.file_format, &list.head()).map_err(scratch_error)?;
    let (mut after, mut written, mut batches) = (None, 0, 0);
    let is_cut = loop {
        let mut conn = run.pool().acquire().await?;
        let withdrawal = find_withdrawal(&mut conn, export.operator_id, OperatorRight::Export).await?;
        if let Some(withdrawal) = withdrawal {
            return Ok(Err(withdrawal));
        }
        let ids = list.ids(&mut conn, after.as_deref(), BATCH_SIZE).await?;
        let Some(next) = ids.last().cloned() else { break false };
        if written >= MAX_ROWS {
            break true;
        }
        let batch = list.rows(&mut conn, &ids).await?;
        drop(conn);
        written += batch.len() as u64;
        file = append(file, batch).await?;
        after = Some(next);
        batches += 1;
        if batches % BATCHES_PER_PROGRESS == 0 {
            let mut unit = run.begin().await?;
            exports::write_progress(&mut unit, export.id, written, run.now()).await?;
            unit.commit().await?;
        }
    };
    let bytes = on_blocking_thread(move || file.finish()).await?;
    Ok(Ok(WrittenFile { written, is_cut, bytes }))
}

/// Writes a batch. Compressing it takes the CPU.
async fn append(mut file: ExportFile, batch: Vec<Vec<Value>>) -> Result<ExportFile, JobError> {
    on_blocking_thread(move || {
        for row in &batch {
            file.write_row(row)?;
        }
        Ok(file)
    })
    .await
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, JobError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| JobError::retry(format!("writing failed: {error}")))?.map_err(scratch_error)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn scratch_error(error: io::Error) -> JobError {
    JobError::retry(format!("scratch directory: {error}"))
}
