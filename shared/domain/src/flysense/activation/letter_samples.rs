//! FlySense's letters with sample facts: what operators see before a person does.

use super::letters::compose;
use super::message::Outgoing;
use super::notices::{NoticeKind, WeekOfCalls, access_lost, balance_low, calls_wait, digest};
use crate::letter::SampleLetter;

const HOST: &str = "demo.amocrm.ru";
/// Target of the link in samples: a page that does not exist.
const SWITCH_OFF: &str = "https://example.com/mail";

/// When a letter of the kind is sent, in Russian, and a sample of what it says; `None` for kinds that do not go by mail.
fn sample(kind: NoticeKind) -> Option<(&'static str, Outgoing)> {
    Some(match kind {
        NoticeKind::BalanceLow => {
            ("Когда баланса хватит на 3 дня или меньше", balance_low(HOST, 2, 100_000_000))
        }
        NoticeKind::CallsWait => ("Когда звонки ждут пополнения баланса", calls_wait(HOST, 7)),
        NoticeKind::AccessLost => ("Когда аккаунт отозвал доступ", access_lost(HOST)),
        NoticeKind::Digest => {
            let week = WeekOfCalls { done: 42, negative: 3, duration_ms: 9_000_000 };
            ("По понедельникам", digest(HOST, week))
        }
        _ => return None,
    })
}

/// All letters of FlySense with sample facts.
pub fn sample_letters() -> Vec<SampleLetter> {
    let written = |kind: &NoticeKind| {
        let (cause, notice) = sample(*kind)?;
        let letter = compose(*kind, HOST, &notice, SWITCH_OFF);
        Some(SampleLetter { code: kind.code().to_owned(), title: kind.label().to_owned(), cause, letter })
    };
    NoticeKind::ALL.iter().filter_map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_mail_has_a_sample_and_nothing_else() {
        let all = sample_letters();
        for kind in NoticeKind::ALL {
            let has_sample = all.iter().any(|sample| sample.code == kind.code());
            assert_eq!(has_sample, kind.goes_by_mail(), "{kind}");
        }
        assert!(all.iter().all(|sample| sample.letter.text().contains(HOST)));
    }
}
