//! Secondary keys of a table, dropped before many rows are written and built afterwards.

use std::collections::BTreeMap;

use flysk_store::Pool;

use super::execute;

/// Drops all secondary keys; returns the statement that builds them again, if there are any.
pub(super) async fn drop_secondary(pool: &Pool, table: &str) -> anyhow::Result<Option<String>> {
    let columns: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT CAST(index_name AS CHAR), CAST(non_unique AS SIGNED), CAST(column_name AS CHAR)
         FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND table_name = ? AND index_name <> 'PRIMARY' ORDER BY index_name, seq_in_index",
    )
    .bind(table)
    .fetch_all(pool)
    .await?;
    let Some((drop, build)) = statements(table, columns) else { return Ok(None) };
    execute(pool, drop).await?;
    Ok(Some(build))
}

/// The statements that drop and build keys, given the columns of all keys in their order.
fn statements(table: &str, columns: Vec<(String, i64, String)>) -> Option<(String, String)> {
    let mut keys: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
    for (key, non_unique, column) in columns {
        keys.entry((key, non_unique)).or_default().push(column);
    }
    let drops: Vec<String> = keys.keys().map(|(key, _)| format!("DROP KEY {key}")).collect();
    let builds: Vec<String> = keys
        .iter()
        .map(|((key, non_unique), columns)| {
            let unique = if *non_unique == 0 { "UNIQUE " } else { "" };
            format!("ADD {unique}KEY {key} ({})", columns.join(", "))
        })
        .collect();
    let alter = |changes: &[String]| format!("ALTER TABLE {table} {}", changes.join(", "));
    (!keys.is_empty()).then(|| (alter(&drops), alter(&builds)))
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn keys_are_built_as_they_were() {
        let column = |key: &str, non_unique, name: &str| (key.to_owned(), non_unique, name.to_owned());
        let columns = vec![column("t_a", 1, "a"), column("t_a", 1, "id"), column("t_once", 0, "b")];
        let (drop, build) = statements("t", columns).unwrap();
        assert_eq!(drop, "ALTER TABLE t DROP KEY t_a, DROP KEY t_once");
        assert_eq!(build, "ALTER TABLE t ADD KEY t_a (a, id), ADD UNIQUE KEY t_once (b)");
        assert!(statements("t", Vec::new()).is_none());
    }
}
