//! Performs `transfers.read_statement`.
//!
//! Harmless when run twice: an operation is stored once by its fingerprint, and matched once, in a transaction that compares its
//! version. A reading that stops halfway leaves its cursor, and the next one begins days before it again.
//!
//! The whole period is stored before anything is matched, so the order of pages does not matter.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use flysk_clients::tbank::t_api::{Credit, StatementPeriod, TApi, TApiError};
use flysk_domain::id::{BankOperationId, VendorId};
use flysk_domain::platform::transfers::{DailyOccurrences, believes_repetition, reading_begins};
use flysk_jobs::platform::transfers::ReadStatement;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::transfers::{
    ReadOperation, TransferContext, TransferError, match_operation, store_operation,
};
use flysk_store::platform::transfers::{self, TApiAccess};
use flysk_store::repeat_contended;

use crate::App;
use crate::app::t_api::TApiMethod;
use crate::job_error::IntoJobError as _;

/// Pages of a reading; more mean that the bank repeats a page for ever.
const MAX_PAGES: u32 = 2_000;
/// Operations whose ids are read at once for matching.
const MATCH_BATCH: u32 = 500;

impl JobHandler<App> for ReadStatement {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let Some((bank, access)) = app.t_api_of(self.vendor_id).await? else {
            return Ok(JobOutcome::skip("the vendor has no access to the T-API"));
        };
        let began = run.now();
        let mut conn = run.pool().acquire().await?;
        let cursor = transfers::find_cursor(&mut conn, self.vendor_id, &access.account).await?;
        drop(conn);
        let from = reading_begins(cursor.map_or(began, |cursor| cursor.read_until));
        let reading = Reading { run, app, bank: &bank, access: &access, began, from };
        let read = reading.store_pages().await;
        if let Err(ReadingError::Bank(error)) = &read {
            reading.record_failure(error).await?;
        }
        read.map_err(ReadingError::into_job_error)?;
        let failed = reading.match_new().await?;
        let mut unit = run.begin().await?;
        transfers::record_reading(&mut unit, self.vendor_id, &access.account, began, run.now()).await?;
        metrics::counter!("flysk_statement_readings_total", "outcome" => "complete").increment(1);
        if failed > 0 {
            unit.commit().await?;
            return Err(JobError::retry(format!("{failed} operations could not be matched")));
        }
        run.done(unit).await
    }
}

/// One reading of an account.
struct Reading<'a> {
    run: &'a JobContext,
    app: &'a App,
    bank: &'a TApi,
    access: &'a TApiAccess,
    began: DateTime<Utc>,
    from: DateTime<Utc>,
}

/// Why a reading stopped.
enum ReadingError {
    Bank(TApiError),
    Job(JobError),
}

impl From<JobError> for ReadingError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl ReadingError {
    fn into_job_error(self) -> JobError {
        match self {
            Self::Bank(error) => error.into_job_error(),
            Self::Job(error) => error,
        }
    }
}

impl Reading<'_> {
    fn vendor(&self) -> VendorId {
        self.access.vendor_id
    }

    /// Reads all pages, and stores the listed operations.
    async fn store_pages(&self) -> Result<(), ReadingError> {
        let period = StatementPeriod { account: &self.access.account, from: self.from, until: self.began };
        let who = self.run.job_id().to_string();
        let mut occurrences = DailyOccurrences::default();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            self.app.wait_for_t_api_permit(TApiMethod::Statement, self.vendor(), &who).await;
            let page = self.bank.statement(&period, cursor.as_deref()).await.map_err(ReadingError::Bank)?;
            let numbered: Vec<(ReadOperation, u32)> =
                page.credits.into_iter().filter_map(|credit| self.number(&mut occurrences, credit)).collect();
            self.store(&numbered).await?;
            match page.next_cursor {
                Some(next) if cursor.as_deref() != Some(next.as_str()) => cursor = Some(next),
                Some(_) => break,
                None => return Ok(()),
            }
        }
        Err(JobError::retry("the bank's statement does not end").into())
    }

    /// The operation with its number among equal ones of its day; `None` if it was listed before, or is not believed yet.
    fn number(&self, occurrences: &mut DailyOccurrences, credit: Credit) -> Option<(ReadOperation, u32)> {
        let operation = ReadOperation {
            account: self.access.account.clone(),
            bank_id: credit.operation_id,
            booked_on: credit.booked_on,
            booked_at: credit.booked_at,
            amount: credit.amount,
            payer_name: credit.payer_name,
            payer_inn: credit.payer_inn,
            payer_account: credit.payer_account,
            document_number: credit.document_number,
            purpose: credit.purpose,
        };
        let number = occurrences.number(operation.fingerprint(), &operation.bank_id)?;
        let believed = number == 0 || believes_repetition(operation.booked_on, self.began);
        believed.then_some((operation, number))
    }

    /// Stores a page in one transaction.
    async fn store(&self, operations: &[(ReadOperation, u32)]) -> Result<(), JobError> {
        let store = || async {
            let mut unit = self.run.begin().await?;
            let clock = self.app.clock();
            let times = (self.began, clock.now());
            transfers::lock_reading(&mut unit, self.vendor(), &self.access.account, times).await?;
            for (operation, occurrence) in operations {
                store_operation(&mut unit, clock, self.vendor(), operation, *occurrence).await?;
            }
            unit.commit().await?;
            Ok::<_, JobError>(())
        };
        repeat_contended(store).await
    }

    /// Matches what was not matched yet, in the order of booking. Returns how many operations failed; the others go on.
    async fn match_new(&self) -> Result<usize, JobError> {
        let mut failed: HashSet<BankOperationId> = HashSet::new();
        loop {
            let mut conn = self.run.pool().acquire().await?;
            let limit = MATCH_BATCH + u32::try_from(failed.len()).unwrap_or(u32::MAX - MATCH_BATCH);
            let found = transfers::list_new_operations(&mut conn, self.vendor(), limit).await?;
            drop(conn);
            let batch: Vec<_> = found.into_iter().filter(|id| !failed.contains(id)).collect();
            if batch.is_empty() {
                return Ok(failed.len());
            }
            for id in batch {
                if let Err(error) = self.match_one(id).await {
                    tracing::error!(bank_operation.id = %id, %error, "an operation could not be matched");
                    failed.insert(id);
                }
            }
        }
    }

    async fn match_one(&self, id: BankOperationId) -> Result<(), TransferError> {
        let context = TransferContext { keyring: &self.app.keyring, clock: self.app.clock() };
        let matched = || async {
            let mut unit = self.app.outbox.begin(self.run.trace().clone()).await?;
            match_operation(&mut unit, context, id).await?;
            unit.commit().await?;
            Result::<(), TransferError>::Ok(())
        };
        repeat_contended(matched).await
    }

    /// Records what the bank answered, for operators.
    async fn record_failure(&self, error: &TApiError) -> Result<(), JobError> {
        let mut conn = self.run.pool().acquire().await?;
        let code = error.code();
        let failure = (self.began, code.as_str());
        let account = &self.access.account;
        transfers::record_failed_reading(&mut conn, self.vendor(), account, failure, self.run.now()).await?;
        metrics::counter!("flysk_statement_readings_total", "outcome" => "refused").increment(1);
        Ok(())
    }
}
