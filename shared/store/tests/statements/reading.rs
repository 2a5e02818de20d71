//! Tests of the reader: statements and faults in sample sources.

use std::collections::BTreeSet;

use crate::reader::read_statements;
use crate::source::{SourceFile, Sources};

/// The statements of a function with this body, as text and number of binds, and the faults.
fn read(body: &str) -> (BTreeSet<(String, usize)>, BTreeSet<String>) {
    let text = format!("const COLUMNS: &str = \"id, kind\"; async fn example(conn: &mut Conn) {{ {body} }}");
    let (statements, faults) = read_statements(&Sources(vec![SourceFile::parse("example.rs", &text)]));
    (statements.into_iter().map(|statement| (statement.text, statement.binds)).collect(), faults)
}

#[test]
fn a_statement_is_read_with_its_bound_values() {
    for (body, wanted) in [
        (r#"sqlx::query("A").execute(conn).await?;"#, vec![("A", 0)]),
        (
            r#"Ok(sqlx::query_as::<_, Row>("A ? ?").bind(x(sqlx::query("B").bind(1))).bind(2).fetch_all(conn).await?)"#,
            vec![("A ? ?", 2), ("B", 1)],
        ),
        (
            r#"sqlx::query_scalar(sql!("A ", COLUMNS, " ?")).bind(1).fetch_one(conn)"#,
            vec![("A id, kind ?", 1)],
        ),
        (r#"const OTHER: &str = "B"; sqlx::query(OTHER);"#, vec![("B", 0)]),
        (
            r#"const RULES: [(&str, &str); 2] = [("a", "A"), ("b", "B")]; for (name, rule) in RULES { sqlx::query(rule); }"#,
            vec![("A", 0), ("B", 0)],
        ),
        (
            r#"let put = |word: bool| sqlx::query("A ?").bind(word); put(true).execute(conn).await?;"#,
            vec![("A ?", 1)],
        ),
    ] {
        let (found, faults) = read(body);
        let wanted = wanted.into_iter().map(|(text, binds)| (text.to_owned(), binds)).collect();
        assert_eq!((found, faults), (wanted, BTreeSet::new()), "{body}");
    }
}

#[test]
fn a_builder_is_read_in_every_branch() {
    let (found, faults) = read(
        r#"let mut query = sqlx::QueryBuilder::new("A ");
           query.push_bind(1).push(" B");
           if all { query.push(" C"); } else { push_in(&mut query, ids.iter().map(ToString::to_string)); }
           query.build().execute(conn).await?;
           if more {
               let mut query = QueryBuilder::new("D ");
               query.push_values(rows, |mut row, (one, two)| { row.push_bind(one).push_bind(two); });
               query.build().execute(conn).await?;
           }
           query.push(" E").build_query_as().fetch_all(conn).await"#,
    );
    let wanted = [
        ("A ? B C", 1),
        ("A ? B IN (?)", 2),
        ("D VALUES (?, ?)", 2),
        ("A ? B C E", 1),
        ("A ? B IN (?) E", 2),
    ];
    assert_eq!(found, wanted.map(|(text, binds)| (text.to_owned(), binds)).into());
    assert_eq!(faults, BTreeSet::new());
}

#[test]
fn a_builder_is_followed_into_functions_of_the_crate() {
    let caller = r#"async fn list(conn: &mut Conn) {
        let mut query = QueryBuilder::new("A ");
        finish(&mut query, limit(sqlx::query("B")));
        query.push(" E").build().fetch_all(conn).await
    }"#;
    let finish = r#"const PART: &str = "C ";
    fn finish(end: &mut QueryBuilder<MySql>, limit: u32) {
        if limit > 1 { end.push(PART).push_bind(limit); } else { end.push("D"); }
    }"#;
    let read = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| SourceFile::parse(path, text)).collect();
        read_statements(&Sources(files))
    };
    let (found, faults) = read(&[("list.rs", caller), ("page.rs", finish)]);
    let found: BTreeSet<_> = found.into_iter().map(|statement| (statement.text, statement.binds)).collect();
    let wanted = [("A C ? E", 1), ("A D E", 0), ("B", 0)];
    assert_eq!(found, wanted.map(|(text, binds)| (text.to_owned(), binds)).into());
    assert_eq!(faults, BTreeSet::new());
    // It is not known which of two functions is called.
    let (_, faults) = read(&[("list.rs", caller), ("page.rs", finish), ("other.rs", finish)]);
    assert!(!faults.is_empty());
}

#[test]
fn a_constant_of_a_trait_is_read_in_every_implementation() {
    let rows = r#"trait Table { const FIND: &'static str; const ADD: &'static str = "ADD "; }
                  trait Other { const FIND: &'static str; }
                  impl Table for One { const FIND: &'static str = sql!("A ", "?"); }
                  impl Table for Two { const FIND: &'static str = "B ?"; const ADD: &'static str = "PUT "; }
                  impl Other for Two { const FIND: &'static str = "C"; }"#;
    let (found, faults) = read(&format!(
        r"{rows} sqlx::query(<T as Table>::FIND).bind(1).execute(conn).await?;
           let mut query = sqlx::QueryBuilder::new(<T as Table>::ADD);
           query.push_bind(1);
           query.build().execute(conn).await?;"
    ));
    let wanted = [("A ?", 1), ("B ?", 1), ("ADD ?", 1), ("PUT ?", 1)];
    assert_eq!(found, wanted.map(|(text, binds)| (text.to_owned(), binds)).into());
    assert_eq!(faults, BTreeSet::new());
}

#[test]
fn unreadable_code_is_an_error() {
    for body in [
        "sqlx::query(text).execute(conn).await?;",
        "sqlx::query(AssertSqlSafe(format!(\"SELECT {x}\"))).execute(conn).await?;",
        "sqlx::query(MISSING).execute(conn).await?;",
        "sqlx::query(<T as Table>::MISSING).execute(conn).await?;",
        "sqlx::query(T::FIND).execute(conn).await?;",
        "let run = sqlx::query_as; run(\"SELECT 1\");",
        "use sqlx::query; query(\"SELECT 1\");",
        "use sqlx::Executor; conn.execute(\"SELECT 1\").await?;",
        "join!(sqlx::query(\"SELECT 1\").execute(conn));",
        "sqlx::query!(\"SELECT 1\").execute(conn).await?;",
        "pool.begin_with(\"BEGIN\").await?;",
        "let mut query = QueryBuilder::new(text);",
        "let mut query = QueryBuilder::new(\"A\"); query.push(text);",
        "let mut query = QueryBuilder::new(\"A\"); finish(&mut query);",
        "let mut query = QueryBuilder::new(\"A\"); if more { example(&mut query); }",
        "QueryBuilder::new(\"A\").build().execute(conn).await?;",
        "let mut query = QueryBuilder::new(\"A\"); query.push_values(rows, |mut row, x| { row.push(\"NOW()\"); });",
    ] {
        let (_, faults) = read(body);
        assert!(!faults.is_empty(), "{body}");
    }
}
