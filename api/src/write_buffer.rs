//! Rows that a process collects in memory and writes some seconds later, so that a request only adds to a map.
//!
//! The first row after a flush starts a task that, some seconds later, writes all rows that were added meanwhile, in few statements. A
//! process that dies loses the rows of those seconds: they answer questions, they account for nothing.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flysk_store::{Conn, Pool, StoreResult, answered, repeat_contended};

const ROWS_PER_TRANSACTION: usize = 256;

/// Rows of one table that wait to be written.
pub(crate) trait WaitingRows: Debug + Default + Send + 'static {
    /// A row, or what is added to one.
    type Row: Send + Sync;
    /// The table, for the log of the process.
    const TABLE: &'static str;
    /// Time after the first row until all are written.
    const FLUSH_DELAY: Duration;

    /// Adds a row, or adds it up with the one that has its key. Too many rows are dropped.
    fn add(&mut self, row: Self::Row);

    /// All rows, in the order of the primary key if they update rows, so that processes do not deadlock.
    fn into_rows(self) -> Vec<Self::Row>;

    /// Writes some of the rows.
    fn write(conn: &mut Conn, rows: &[Self::Row]) -> impl Future<Output = StoreResult<()>> + Send;
}

/// The rows of a process. Clones share them.
#[derive(Debug)]
pub(crate) struct WriteBuffer<R> {
    waiting: Arc<Mutex<Waiting<R>>>,
    pool: Pool,
}

#[derive(Debug, Default)]
struct Waiting<R> {
    rows: R,
    /// Whether a task will write them.
    is_scheduled: bool,
}

impl<R> Clone for WriteBuffer<R> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting), pool: self.pool.clone() }
    }
}

impl<R: WaitingRows> WriteBuffer<R> {
    /// An empty buffer that is written through `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { waiting: Arc::default(), pool }
    }

    /// Adds a row. Needs a Tokio runtime.
    pub(crate) fn add(&self, row: R::Row) {
        let must_schedule = {
            let mut waiting = self.waiting();
            waiting.rows.add(row);
            !std::mem::replace(&mut waiting.is_scheduled, true)
        };
        if must_schedule {
            let buffer = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(R::FLUSH_DELAY).await;
                buffer.flush().await;
            });
        }
    }

    /// Writes the rows. What the database refuses waits for the next flush, and so does the rest: it would wait as long.
    pub(crate) async fn flush(&self) {
        let rows = self.take();
        for (index, part) in rows.chunks(ROWS_PER_TRANSACTION).enumerate() {
            let written = repeat_contended(|| answered(self.write(part))).await;
            if let Err(error) = written {
                tracing::warn!(table = R::TABLE, error = %error, "rows were not written");
                let mut waiting = self.waiting();
                for row in rows.into_iter().skip(index * ROWS_PER_TRANSACTION) {
                    waiting.rows.add(row);
                }
                return;
            }
        }
    }

    pub(crate) fn take(&self) -> Vec<R::Row> {
        let taken = std::mem::take(&mut *self.waiting());
        taken.rows.into_rows()
    }

    async fn write(&self, part: &[R::Row]) -> StoreResult<()> {
        let mut tx = flysk_store::begin(&self.pool).await?;
        R::write(&mut tx, part).await?;
        Ok(tx.commit().await?)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<R>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sqlx::mysql::MySqlPoolOptions;
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Debug, Default)]
    struct Numbers(Vec<usize>);

    impl WaitingRows for Numbers {
        type Row = usize;
        const TABLE: &'static str = "numbers";
        const FLUSH_DELAY: Duration = Duration::from_mins(1);

        fn add(&mut self, row: usize) {
            self.0.push(row);
        }

        fn into_rows(self) -> Vec<usize> {
            self.0
        }

        async fn write(_: &mut Conn, _: &[usize]) -> StoreResult<()> {
            panic!("the database takes no connection")
        }
    }

    /// Otherwise each part would wait for the database, and the flushes after it as well.
    #[tokio::test]
    async fn one_part_that_cannot_be_written_keeps_the_others_for_the_next_flush() {
        let database = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("mysql://flysk@{}/flysk", database.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Closes each connection.
        tokio::spawn(async move {
            while database.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let buffer: WriteBuffer<Numbers> =
            WriteBuffer::new(MySqlPoolOptions::new().connect_lazy(&url).expect("a pool"));
        let rows: Vec<usize> = (0..3 * ROWS_PER_TRANSACTION).collect();
        for row in &rows {
            buffer.add(*row);
        }
        buffer.flush().await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "parts that were tried");
        assert_eq!(buffer.waiting().rows.0, rows, "all of them wait");
    }
}
