//! Rules of migrations that make rollbacks of releases possible.

/// Words of statements that may break the previous release, because it still uses what they remove.
const CONTRACTING_WORDS: [&str; 5] = ["DROP", "RENAME", "MODIFY", "CHANGE", "TRUNCATE"];

/// Whether a migration's statements remove or redefine something.
fn contracts(sql: &str) -> bool {
    let statements = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let mut words = statements.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.any(|word| CONTRACTING_WORDS.iter().any(|contracting| word.eq_ignore_ascii_case(contracting)))
}

/// The comment at the beginning of a file.
fn first_comment(sql: &str) -> String {
    sql.lines().map_while(|line| line.strip_prefix("--")).collect::<Vec<_>>().join("")
}

#[test]
fn every_migration_says_what_it_is_for_and_a_contracting_one_states_the_way_back() {
    for migration in flysk_migrations::MIGRATOR.iter() {
        let (description, sql) = (&migration.description, migration.sql.as_str());
        let comment = first_comment(sql);
        assert!(!comment.trim().is_empty(), "`{description}` has no first comment with its purpose");
        assert!(
            !contracts(sql) || comment.contains("Way back:"),
            "`{description}` removes something: its first comment must state `Way back:` and the oldest release that still \
             runs on the schema"
        );
    }
}

#[test]
fn what_takes_something_away_is_told_from_what_adds() {
    for sql in [
        "ALTER TABLE jobs DROP COLUMN tenant;",
        "ALTER TABLE jobs\n    modify tenant TEXT NULL;",
        "RENAME TABLE jobs TO work;",
    ] {
        assert!(contracts(sql), "{sql}");
    }
    for sql in [
        "-- DROP nothing.\nALTER TABLE jobs ADD COLUMN changed_at DATETIME(6) NULL;",
        "CREATE TABLE drops (id INT);",
    ] {
        assert!(!contracts(sql), "{sql}");
    }
}
