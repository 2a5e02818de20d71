//! Pages of objects, by the prefixes of their ids.

/// Length of an id without its prefix.
const ULID_LEN: usize = 26;

/// Prefixes of ids and the sections of their pages.
const PAGES: [(&str, &str); 19] = [
    ("vnd_", "vendors"),
    ("pln_", "plans"),
    ("ipm_", "payments"),
    ("sub_", "subscriptions"),
    ("tin_", "transfer-invoices"),
    ("bop_", "transfers"),
    ("inv_", "invoices"),
    ("ins_", "installs"),
    ("job_", "jobs"),
    ("evt_", "events"),
    ("wal_", "wallets"),
    ("pur_", "purchases"),
    ("tr_", "calls"),
    ("wgt_", "widgets"),
    ("aud_", "audit"),
    ("opr_", "operators"),
    ("blk_", "bulk"),
    ("exp_", "exports"),
    ("pcm_", "campaigns"),
];

/// The page that a text names by its form.
pub(super) fn page_of(text: &str) -> Option<String> {
    let (_, section) = PAGES.into_iter().find(|(prefix, _)| {
        text.strip_prefix(prefix)
            .is_some_and(|ulid| ulid.len() == ULID_LEN && ulid.bytes().all(|b| b.is_ascii_alphanumeric()))
    })?;
    Some(format!("/{section}/{text}"))
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn an_id_opens_its_page() {
        let ulid = "01KC0000000000000000000000";
        assert_eq!(page_of(&format!("job_{ulid}")), Some(format!("/jobs/job_{ulid}")));
        assert_eq!(page_of(&format!("tr_{ulid}")), Some(format!("/calls/tr_{ulid}")));
        assert_eq!(page_of(&format!("blk_{ulid}")), Some(format!("/bulk/blk_{ulid}")));
        for other in ["job_1", "31234567", "demo.amocrm.ru", "job_../../../../../../../../../x"] {
            assert_eq!(page_of(other), None, "{other}");
        }
    }
}
