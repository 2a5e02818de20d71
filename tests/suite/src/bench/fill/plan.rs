//! Statements that make rows: which install a row belongs to, its time, its id.

use chrono::{DateTime, TimeDelta, Utc};

use super::{BATCH_ROWS, BUSY_INSTALLS, Volume};

/// Time over which rows are spread, until now.
const SPREAD: TimeDelta = TimeDelta::days(365);
/// The base-32 digits of `CONV` that are others in a ULID, each followed by that of the ULID. In this order no replacement
/// changes the result of another.
const ULID_DIGITS: [(char, char); 14] = [
    ('V', 'Z'),
    ('U', 'Y'),
    ('T', 'X'),
    ('S', 'W'),
    ('R', 'V'),
    ('Q', 'T'),
    ('P', 'S'),
    ('O', 'R'),
    ('N', 'Q'),
    ('M', 'P'),
    ('L', 'N'),
    ('K', 'M'),
    ('J', 'K'),
    ('I', 'J'),
];
/// Number of the first account.
const FIRST_ACCOUNT: i64 = 40_000_000;
/// Columns of the scratch table of installs: `ms` is the time of the install in milliseconds since 1970, `ulid` the id without
/// prefix that the install shares with its wallet and its subscription, `charges` the number of its charges.
pub(super) const INSTALL_COLUMNS: &str = "n, ms, ulid, account_id, charges";

/// What a row is made from, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Numbers alone: `r.n` and `r.ms`.
    Numbers(i64),
    /// This many installs, each once: `o`.
    Installs(i64),
    /// Numbers, each with the install that it belongs to: `r.n`, `r.ms` and `o`.
    Spread(i64),
}

impl Source {
    /// Number of rows, before they are multiplied by [`Part::join`].
    pub(super) fn count(self) -> i64 {
        let (Self::Numbers(count) | Self::Installs(count) | Self::Spread(count)) = self;
        count
    }
}

/// Rows of one source.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What they are made from.
    pub(super) source: Source,
    /// Expressions, in the order of the columns. `:n` is the number of the row, `:at` its time, `:ulid` the id without prefix.
    pub(super) values: String,
    /// Further tables to join.
    pub(super) join: &'static str,
}

/// Rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Filling {
    /// Name of the table.
    pub(super) table: &'static str,
    pub(super) columns: &'static str,
    /// Its rows, in this order.
    pub(super) parts: Vec<Part>,
}

impl Filling {
    /// Rows of one source.
    pub(super) fn of(
        table: &'static str,
        columns: &'static str,
        source: Source,
        values: impl Into<String>,
    ) -> Self {
        Self { table, columns, parts: Vec::new() }.and(source, values, "")
    }

    /// Adds rows of another source.
    pub(super) fn and(mut self, source: Source, values: impl Into<String>, join: &'static str) -> Self {
        self.parts.push(Part { source, values: values.into(), join });
        self
    }
}

/// Statements that create the numbers of a batch, and the scratch table of installs.
pub(super) fn scratch_tables() -> Vec<String> {
    let digits = (0..10).map(|digit| format!("SELECT {digit} AS d")).collect::<Vec<_>>().join(" UNION ALL ");
    vec![
        "CREATE TABLE bench_numbers (n INT NOT NULL PRIMARY KEY) ENGINE = InnoDB".to_owned(),
        format!(
            "INSERT INTO bench_numbers (n)
             SELECT thousands.d * 1000 + hundreds.d * 100 + tens.d * 10 + ones.d
             FROM ({digits}) thousands JOIN ({digits}) hundreds JOIN ({digits}) tens JOIN ({digits}) ones
             WHERE thousands.d * 1000 + hundreds.d * 100 + tens.d * 10 + ones.d < {BATCH_ROWS}"
        ),
        "CREATE TABLE bench_installs (
             n BIGINT NOT NULL PRIMARY KEY, ms BIGINT NOT NULL, ulid CHAR(26) NOT NULL,
             account_id BIGINT UNSIGNED NOT NULL, charges BIGINT NOT NULL
         ) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin"
            .to_owned(),
    ]
}

/// Size and times of the rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Size of the database.
    pub(super) volume: Volume,
    /// Time of the first row, ms since 1970. Installs are older.
    first_ms: i64,
}

impl Plan {
    /// Rows of the year until now.
    pub(super) fn new(volume: Volume, now: DateTime<Utc>) -> Self {
        Self { volume, first_ms: (now - SPREAD).timestamp_millis() }
    }

    /// The values of an install, in the order of [`INSTALL_COLUMNS`].
    pub(super) fn install(&self) -> String {
        let installs = self.volume.installs;
        let charges = self.volume.charges();
        let of_busy = (charges + 4) / 5;
        let of_all = charges - of_busy;
        // The number of rows that `owner` gives to the install.
        let own = format!(
            "IF(:n < {BUSY_INSTALLS}, {of_busy} DIV {BUSY_INSTALLS} + (:n < {of_busy} % {BUSY_INSTALLS}), 0)
             + {of_all} DIV {installs} + (:n < {of_all} % {installs})"
        );
        let earlier = SPREAD.num_milliseconds();
        let ms = format!("(r.ms - {earlier})");
        format!(":n, {ms}, {}, {FIRST_ACCOUNT} + :n, {own}", ulid(&ms, ":n"))
    }

    /// The statement that inserts a batch; its parameters are the first number and the number of rows.
    pub(super) fn statement(&self, filling: &Filling, part: &Part) -> String {
        let Filling { table, columns, .. } = filling;
        let (tokens, from) = match part.source {
            Source::Numbers(count) => (row_tokens(), self.numbers(count)),
            Source::Installs(_) => (
                [(":ulid", "o.ulid".to_owned()), (":at", "FROM_UNIXTIME(o.ms / 1000)".to_owned()), (":n", "o.n".to_owned())],
                "(SELECT ? + n AS n FROM bench_numbers WHERE n < ?) b STRAIGHT_JOIN bench_installs o ON o.n = b.n"
                    .to_owned(),
            ),
            Source::Spread(count) => (
                row_tokens(),
                format!("{} STRAIGHT_JOIN bench_installs o ON o.n = r.owner", self.numbers(count)),
            ),
        };
        let values =
            tokens.iter().fold(part.values.clone(), |text, (token, expr)| text.replace(*token, expr));
        format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {from} {}", part.join)
    }

    /// Numbers of a batch with their times and owners.
    fn numbers(&self, count: i64) -> String {
        let (first_ms, span, installs) = (self.first_ms, SPREAD.num_milliseconds(), self.volume.installs);
        format!(
            "(SELECT b.n AS n, {first_ms} + b.n * {span} DIV {count} AS ms,
                     IF(b.n % 5 = 0, (b.n DIV 5) % {BUSY_INSTALLS}, (b.n - b.n DIV 5 - 1) % {installs}) AS owner
              FROM (SELECT ? + n AS n FROM bench_numbers WHERE n < ?) b) r"
        )
    }
}

/// Expressions of a numbered row.
fn row_tokens() -> [(&'static str, String); 3] {
    let at = "FROM_UNIXTIME(r.ms / 1000)".to_owned();
    [(":ulid", ulid("r.ms", "r.n")), (":at", at), (":n", "r.n".to_owned())]
}

/// Expression for a ULID of a time in ms, whose random part is a number.
fn ulid(ms: &str, number: &str) -> String {
    let time = ULID_DIGITS.iter().fold(format!("LPAD(CONV({ms}, 10, 32), 10, '0')"), |text, (digit, own)| {
        format!("REPLACE({text}, '{digit}', '{own}')")
    });
    format!("CONCAT({time}, LPAD({number}, 16, '0'))")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_the_server_become_those_of_a_ulid() {
        let all: String = ('0'..='9').chain('A'..='V').collect();
        let changed =
            ULID_DIGITS.iter().fold(all, |text, (digit, own)| text.replace(*digit, &own.to_string()));
        assert_eq!(changed, "0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    }

    #[test]
    fn a_statement_takes_the_first_number_and_the_number_of_rows() {
        let plan = Plan::new(Volume::of(1_000), DateTime::from_timestamp(1_796_000_000, 0).unwrap());
        let filling = Filling::of("t", "id, at", Source::Spread(10), "CONCAT('x_', :ulid), :at").and(
            Source::Installs(10),
            ":ulid, :at",
            "CROSS JOIN l",
        );
        for part in &filling.parts {
            let statement = plan.statement(&filling, part);
            assert_eq!(statement.matches('?').count(), 2, "{statement}");
            assert!(!statement.contains(':'), "{statement}");
        }
        assert!(plan.statement(&filling, &filling.parts[1]).ends_with("CROSS JOIN l"));
    }
}
