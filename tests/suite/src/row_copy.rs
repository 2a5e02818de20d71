//! Copies of rows, for crowds of subscriptions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use flysk_store::Conn;
use sqlx::AssertSqlSafe;

/// Copies rows of a test's database. It reads the columns of a table once.
#[derive(Debug, Default)]
pub struct RowCopier {
    columns: HashMap<&'static str, Vec<String>>,
}

impl RowCopier {
    /// Inserts a copy of the row `id` of a table with other values in some columns.
    pub async fn copy(
        &mut self,
        conn: &mut Conn,
        table: &'static str,
        id: &str,
        own: &[(&str, String)],
    ) -> anyhow::Result<()> {
        let columns = match self.columns.entry(table) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(read_columns(conn, table).await?),
        };
        let mut values = Vec::new();
        let selected: Vec<&str> = columns
            .iter()
            .map(|column| match own.iter().find(|(name, _)| name == column) {
                Some((_, value)) => {
                    values.push(value);
                    "?"
                }
                None => column.as_str(),
            })
            .collect();
        let (into, from) = (columns.join(", "), selected.join(", "));
        let statement = format!("INSERT INTO {table} ({into}) SELECT {from} FROM {table} WHERE id = ?");
        let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(statement)), sqlx::query::Query::bind);
        let copied = query.bind(id).execute(conn).await?.rows_affected();
        anyhow::ensure!(copied == 1, "{copied} rows of {table} were copied");
        Ok(())
    }
}

/// The columns that an insert may write: not the generated ones.
async fn read_columns(conn: &mut Conn, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT CAST(column_name AS CHAR) AS name FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = ? AND COALESCE(generation_expression, '') = ''
         ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(conn)
    .await
}
