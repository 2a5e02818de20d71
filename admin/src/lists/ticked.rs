//! Rows of a list that an operator has ticked.
//!
//! Their ids stand in the address in place of the filter, so that page, count, export and bulk act select the same rows. Only lists
//! with bulk acts have them.

use std::collections::BTreeSet;

use flysk_store::admin::listing::Keyset;
use flysk_store::{Conn, StoreResult};

use super::List;
use crate::http::{Fault, Pairs};

/// Parameter with the ids of the ticked rows, separated by dots.
const TICKED_PARAMETER: &str = "rows";
/// Name of the check boxes of a list; the value is the id of the row.
const BOX_NAME: &str = "row";
/// Most rows that can be ticked: bulk acts and exports store a query string of 1,000 bytes.
const MAX_TICKED_ROWS: usize = 30;

/// Ids of the ticked rows in their order; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticked(BTreeSet<String>);

impl Ticked {
    /// The ticked rows that the address of a list names; `None` if its filter counts.
    ///
    /// # Errors
    ///
    /// A refusal if there are too many, or none.
    pub(crate) fn of<L: List>(query: &Pairs) -> Result<Option<Self>, Fault> {
        let named = query.get(TICKED_PARAMETER).filter(|_| !L::BULK.is_empty());
        named.map(|text| Self::checked(text.split('.'))).transpose()
    }

    /// The rows whose check boxes are set.
    ///
    /// # Errors
    ///
    /// A refusal if there are too many, or none.
    pub(crate) fn of_boxes(form: &Pairs) -> Result<Self, Fault> {
        Self::checked(form.all(BOX_NAME))
    }

    /// Texts that are no ids are ignored.
    fn checked<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, Fault> {
        let is_id = |text: &&str| {
            (1..=40).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let ids: BTreeSet<String> = texts.filter(is_id).map(str::to_owned).collect();
        match ids.len() {
            0 => Err(Fault::refused("Отметьте хотя бы одну строку.")),
            1..=MAX_TICKED_ROWS => Ok(Self(ids)),
            _ => Err(Fault::refused(format!(
                "Отмечено больше {MAX_TICKED_ROWS} строк. Отметьте меньше или сузьте фильтр и выберите все найденные."
            ))),
        }
    }

    /// Query string of the list with these rows, without `?`.
    pub(crate) fn query(&self) -> String {
        let ids: Vec<&str> = self.0.iter().map(String::as_str).collect();
        format!("{TICKED_PARAMETER}={}", ids.join("."))
    }

    /// Their number.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What [`List::ids`] returns for a list of these rows.
    fn page(&self, keyset: &Keyset) -> Vec<String> {
        if keyset.counts {
            return vec![self.0.len().to_string()];
        }
        let limit = usize::try_from(keyset.limit).unwrap_or(usize::MAX);
        let mut ids: Vec<String> = if keyset.descending {
            self.0.iter().rev().filter(|id| **id < keyset.from).take(limit).cloned().collect()
        } else {
            self.0.iter().filter(|id| **id > keyset.from).take(limit).cloned().collect()
        };
        if keyset.reversed {
            ids.reverse();
        }
        ids
    }
}

/// Ids of the rows of a list, one page of them: the ticked ones, or those that the filter selects. Page, count, export and bulk act
/// call it.
pub(super) async fn ids<L: List>(
    conn: &mut Conn,
    ticked: Option<&Ticked>,
    filter: &L::Filter,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    match ticked {
        Some(ticked) => Ok(ticked.page(keyset)),
        None => L::ids(conn, filter, keyset).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(query: &str) -> Result<Ticked, Fault> {
        Ticked::of_boxes(&Pairs::parse(query.as_bytes()))
    }

    #[test]
    fn ticked_rows_are_paged_as_filtered_ones() {
        let ticked = boxes("row=job_2&row=job_1&row=job_2&row=job_3&row=%27&state=dead").unwrap();
        assert_eq!(ticked.query(), "rows=job_1.job_2.job_3");
        assert_eq!(ticked.page(&Keyset::newest(2)), ["job_3", "job_2"]);
        assert_eq!(ticked.page(&Keyset::oldest(9)), ["job_1", "job_2", "job_3"]);
        assert_eq!(ticked.page(&Keyset::counting(1_000)), ["3"]);
        let after = Keyset { from: "job_2".to_owned(), ..Keyset::newest(9) };
        assert_eq!(ticked.page(&after), ["job_1"]);
        let before = Keyset { from: "job_1".to_owned(), reversed: true, ..Keyset::oldest(9) };
        assert_eq!(ticked.page(&before), ["job_3", "job_2"]);
    }

    #[test]
    fn none_and_too_many_are_refused() {
        let many = |count: usize| {
            let ids: Vec<String> = (0..count).map(|number| format!("row=job_{number:026}")).collect();
            boxes(&ids.join("&"))
        };
        assert!(boxes("state=dead").is_err() && many(MAX_TICKED_ROWS + 1).is_err());
        let most = many(MAX_TICKED_ROWS).unwrap().query();
        assert!(most.len() < 1_000, "{} bytes are stored", most.len());
    }
}
