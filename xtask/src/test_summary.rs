//! Adds up the summaries of test harnesses.

use std::fmt;

/// Counts of tests across all harnesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestSummary {
    /// Without those that were skipped.
    pub passed: u64,
    /// At least one makes the command fail.
    pub failed: u64,
    /// Tests marked `#[ignore]`.
    pub skipped: u64,
}

impl TestSummary {
    /// Reads one line of output. Ignores every line that is not a summary.
    ///
    /// A summary is `test result: ok. 19 passed; 0 failed; 1 ignored; 0 measured; …` (libtest, one per executable), or
    /// `Summary [ 1.234s] 20 tests run: 19 passed (1 slow), 1 failed, 1 skipped` (cargo-nextest, one per run).
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
                // "timed out" and "exec failed" are of nextest.
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Whether tests ran and all of them passed.
    pub fn is_success(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl std::ops::AddAssign for TestSummary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for TestSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::TestSummary;

    fn summary(text: &str) -> TestSummary {
        let mut summary = TestSummary::default();
        text.lines().for_each(|line| summary.add_line(line));
        summary
    }

    #[test]
    fn harnesses_add_up() {
        let summary = summary(
            "running 2 tests\n\
             test a ... ok\n\
             test result: ok. 19 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s\n\
             noise, test result: ok. 7 passed; 0 failed\n\
             test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
        );
        assert_eq!(summary.to_string(), "23 passed, 2 failed, 1 skipped");
        assert!(!summary.is_success());
    }

    #[test]
    fn a_summary_of_nextest_counts() {
        let summary = summary(
            "        PASS [   0.010s] xtask test_summary::tests::a_run: 3 passed\n\
             ------------\n\
             \x20    Summary [  12.345s] 24 tests run: 20 passed (2 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 5 skipped\n",
        );
        assert_eq!(summary.to_string(), "20 passed, 4 failed, 5 skipped");
    }

    #[test]
    fn no_tests_are_not_good() {
        assert!(!summary("error: could not compile").is_success());
        assert!(summary("test result: ok. 1 passed; 0 failed; 0 ignored;").is_success());
    }
}
