//! Aliases must not be reserved words on any supported server, whichever server the tests run on.

use std::collections::BTreeSet;
use std::path::Path;

use crate::SOURCES;
use crate::source::texts_below;

/// Words that `MySQL` 9.7 reserves (`information_schema.keywords`).
const RESERVED_BY_MYSQL: &str = "
    accessible add all alter analyze and as asc asensitive before between bigint binary blob both by call cascade
    case change char character check collate column condition constraint continue convert create cross cube
    cume_dist current_date current_time current_timestamp current_user cursor database databases day_hour
    day_microsecond day_minute day_second dec decimal declare default delayed delete dense_rank desc describe
    deterministic distinct distinctrow div double drop dual each else elseif empty enclosed escaped except exists
    exit explain external false fetch first_value float float4 float8 for force foreign from fulltext function
    generated get grant group grouping groups having high_priority hour_microsecond hour_minute hour_second if
    ignore in index infile inner inout insensitive insert int int1 int2 int3 int4 int8 integer intersect interval
    into io_after_gtids io_before_gtids is iterate join json_table key keys kill lag last_value lateral lead
    leading leave left library like limit linear lines load localtime localtimestamp lock long longblob longtext
    loop low_priority match maxvalue mediumblob mediumint mediumtext middleint minute_microsecond minute_second mod
    modifies natural no_write_to_binlog not nth_value ntile null numeric of on optimize optimizer_costs option
    optionally or order out outer outfile over partition percent_rank precision primary procedure purge qualify
    range rank read read_write reads real recursive references regexp release rename repeat replace require
    resignal restrict return revoke right rlike row row_number rows schema schemas second_microsecond select
    sensitive separator set show signal smallint spatial specific sql sql_big_result sql_calc_found_rows
    sql_small_result sqlexception sqlstate sqlwarning ssl starting stored straight_join system table tablesample
    terminated then tinyblob tinyint tinytext to trailing trigger true undo union unique unlock unsigned update
    usage use using utc_date utc_time utc_timestamp values varbinary varchar varcharacter varying virtual when
    where while window with write xor year_month zerofill";

/// Words that `MariaDB` 11.8 refuses as a name and `MySQL` accepts; found by selecting a column named after each word in its
/// `information_schema.keywords`.
const RESERVED_BY_MARIADB: &str = "
    current_role delete_domain_id do_domain_ids ignore_domain_ids master_demote_to_replica
    master_demote_to_slave offset page_checksum parse_vcol_expr portion ref_system_id returning sql_after_gtids
    sql_before_gtids stats_auto_recalc stats_persistent stats_sample_pages vector";

#[test]
fn no_alias_is_a_reserved_word() {
    let reserved: BTreeSet<&str> =
        RESERVED_BY_MYSQL.split_whitespace().chain(RESERVED_BY_MARIADB.split_whitespace()).collect();
    let mut aliases = 0;
    for (file, text) in texts_below(Path::new(SOURCES)) {
        for alias in aliases_in(&text) {
            aliases += 1;
            assert!(!reserved.contains(alias.to_lowercase().as_str()), "{file}: AS {alias}");
        }
    }
    assert!(aliases > 30, "only {aliases} aliases found: the search is outdated");
}

/// The names after an upper-case `AS`, except the types of a `CAST`.
fn aliases_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(" AS ").filter_map(move |(at, found)| {
        let rest = &text[at + found.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let name = &rest[..end];
        let is_type = matches!(name, "SIGNED" | "UNSIGNED" | "CHAR" | "JSON" | "DECIMAL" | "DATETIME");
        (!name.is_empty() && !is_type).then_some(name)
    })
}
