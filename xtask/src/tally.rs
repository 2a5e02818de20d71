//! Adds up what the test harnesses report.

use std::fmt;

/// Tests counted over many harnesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that held.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
    /// Tests marked `#[ignore]`.
    pub skipped: u64,
}

impl Tally {
    /// Takes one line of output; anything but a run's last line counts for nothing.
    ///
    /// The line is `test result: ok. 19 passed; 0 failed; 1 ignored; 0 measured; …` (libtest), one an executable, or
    /// `Summary [ 1.234s] 20 tests run: 19 passed (1 slow), 1 failed, 1 skipped` (cargo-nextest), one a run.
    pub fn add_line(&mut self, line: &str) {
        let libtest = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
        if let Some((_, counts)) = libtest {
            return self.add_counts(counts.split(';'));
        }
        let nextest = line.trim_start().strip_prefix("Summary [").and_then(|rest| rest.split_once(" run: "));
        if let Some((_, counts)) = nextest {
            self.add_counts(counts.split(','));
        }
    }

    fn add_counts<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            let words: Vec<&str> = count.split_whitespace().collect();
            let [number, what, ..] = words[..] else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                // "timed out" and "exec failed" are nextest's.
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Whether tests ran and all of them held.
    pub fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.add_line(line));
        tally
    }

    #[test]
    fn harnesses_add_up() {
        let tally = tally(
            "running 2 tests\n\
             test a ... ok\n\
             test result: ok. 19 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s\n\
             noise, test result: ok. 7 passed; 0 failed\n\
             test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
        );
        assert_eq!(tally.to_string(), "23 passed, 2 failed, 1 skipped");
        assert!(!tally.is_good());
    }

    #[test]
    fn a_summary_of_nextest_counts() {
        let tally = tally(
            "        PASS [   0.010s] xtask tally::tests::a_run: 3 passed\n\
             ------------\n\
             \x20    Summary [  12.345s] 24 tests run: 20 passed (2 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 5 skipped\n",
        );
        assert_eq!(tally.to_string(), "20 passed, 4 failed, 5 skipped");
    }

    #[test]
    fn no_tests_are_not_good() {
        assert!(!tally("error: could not compile").is_good());
        assert!(tally("test result: ok. 1 passed; 0 failed; 0 ignored;").is_good());
    }
}
