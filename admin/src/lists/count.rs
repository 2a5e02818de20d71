//! The number of rows of a list.

use flysk_store::StoreResult;
use flysk_store::admin::listing::{Keyset, number_of_rows};

use super::format;
use crate::http::Pairs;
use crate::request::form::query_string;

/// Rows that every page counts at most. Counting ten times as many took as long as the rest of the page
/// (docs/decisions/0069-count-lists-up-to-1000.md).
const PAGE_COUNT_LIMIT: u32 = 1_000;
/// Rows that are counted at most when a person asks for it.
const REQUESTED_COUNT_LIMIT: u32 = 100_000;

/// Parameter of the address that asks for the larger count.
pub(super) const PARAMETER: &str = "count";
/// Its value.
const MORE: &str = "more";

/// How far a page counts the rows of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountLimit(u32);

impl CountLimit {
    pub(super) fn of(query: &Pairs) -> Self {
        let is_requested = query.get(PARAMETER) == Some(MORE);
        Self(if is_requested { REQUESTED_COUNT_LIMIT } else { PAGE_COUNT_LIMIT })
    }

    /// The selection that counts: one row more than the limit, which tells that there are more.
    pub(super) fn keyset(self) -> Keyset {
        Keyset::counting(self.0 + 1)
    }

    /// The counted rows; `None` if counting took longer than a read may, which is no reason to show no page.
    pub(super) fn counted(selected: StoreResult<Vec<String>>) -> StoreResult<Option<u32>> {
        match selected {
            Err(error) if error.is_statement_timeout() => Ok(None),
            selected => Ok(Some(number_of_rows(&selected?))),
        }
    }

    /// The number, or that there are more than were counted.
    pub(super) fn text(self, counted: Option<u32>) -> String {
        let Some(counted) = counted else {
            return "Сосчитать не удалось: слишком много строк.".to_owned();
        };
        let more = if counted > self.0 { "+" } else { "" };
        format!("Найдено: {}{more}", format::number(i64::from(counted.min(self.0))))
    }

    /// Address of the same page with the larger count, if it would tell more.
    pub(super) fn link_to_more(self, counted: Option<u32>, path: &str, query: &Pairs) -> Option<String> {
        if counted.is_none_or(|counted| counted <= self.0) || self.0 == REQUESTED_COUNT_LIMIT {
            return None;
        }
        let mut pairs = query.without(&[PARAMETER]);
        pairs.push((PARAMETER.to_owned(), MORE.to_owned()));
        Some(format!("{path}{}", query_string(&pairs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_list_is_counted_further_when_asked() {
        let of = |query: &str| {
            let query = Pairs::parse(query.as_bytes());
            let limit = CountLimit::of(&query);
            move |counted| {
                let text = limit.text(counted).replace('\u{a0}', " ");
                (text, limit.link_to_more(counted, "/jobs", &query))
            }
        };
        let found = |number: &str| format!("Найдено: {number}");
        let page = of("state=dead&after=job_1");
        assert_eq!(page(Some(7)), (found("7"), None));
        assert_eq!(page(Some(1_000)), (found("1 000"), None));
        let more = "/jobs?state=dead&after=job_1&count=more".to_owned();
        assert_eq!(page(Some(1_001)), (found("1 000+"), Some(more)));
        let requested = of("count=more");
        assert_eq!(requested(Some(1_001)), (found("1 001"), None));
        assert_eq!(requested(Some(100_001)), (found("100 000+"), None));
        let (text, more) = requested(None);
        assert!(text.contains("не удалось") && more.is_none(), "{text}");
    }
}
