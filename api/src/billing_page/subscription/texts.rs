//! Dates, cards and refusals in Russian.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use flysk_domain::platform::subscriptions::{ChangeRefusal, QuoteError};
use flysk_domain::russian::seats;

use crate::platform::subscriptions::Refusal;
use crate::problem::ProblemCode;

/// A day: `28.02.2027`.
pub(super) fn day(day: NaiveDate) -> String {
    day.format("%d.%m.%Y").to_string()
}

/// The last day before `until`.
pub(super) fn last_day(until: NaiveDate) -> String {
    day(until.pred_opt().unwrap_or(until))
}

/// Date and time in Moscow, which has no daylight saving time.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    format!("{} МСК", (at + TimeDelta::hours(3)).format("%d.%m.%Y, %H:%M"))
}

/// A masked number as people know their card: `карта •••• 0777`.
pub(super) fn card(masked: Option<&str>) -> String {
    let tail = masked.and_then(|masked| masked.get(masked.len().saturating_sub(4)..));
    match tail.filter(|tail| tail.len() == 4 && tail.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(tail) => format!("карта\u{a0}••••\u{a0}{tail}"),
        None => "сохранённая карта".to_owned(),
    }
}

/// Why something is refused and what to do, in Russian; `None` for what a form cannot correct.
pub(super) fn refusal_ru(refusal: &Refusal) -> Option<String> {
    let text = match refusal {
        Refusal::Quote(error) => return Some(quote_error_ru(*error)),
        Refusal::State(error) => change_refusal_ru(*error),
        Refusal::NothingToWithdraw => "Это изменение уже отменено или вступило в силу.",
        Refusal::PaymentBusy => {
            "По этому счёту уже идёт другая оплата: банк закрывает прежнюю форму или проверяет списание. Подождите минуту и \
             нажмите кнопку ещё раз."
        }
        Refusal::InvoiceClosed => {
            "Этот счёт больше нельзя оплатить. Вернитесь к подписке и рассчитайте заново."
        }
        Refusal::Other(problem) => match problem.problem_code() {
            ProblemCode::PlanNotAvailable => "Этот тариф больше не продаётся. Выберите другой.",
            ProblemCode::PurchasesUnavailable => {
                "Оплата у этого продавца пока не подключена. Напишите ему, контакты внизу страницы."
            }
            ProblemCode::WrongState | ProblemCode::VersionConflict => {
                "Подписка только что изменилась. Проверьте её и повторите."
            }
            _ => return None,
        },
        Refusal::QuoteChanged(_) => return None,
    };
    Some(text.to_owned())
}

fn quote_error_ru(error: QuoteError) -> String {
    let text = match error {
        QuoteError::Seats { min, max } if min == max => {
            return format!("В этом тарифе ровно {}.", seats(min));
        }
        QuoteError::Seats { min, max } => {
            return format!("В этом тарифе можно купить мест: от {min} до {max}.");
        }
        QuoteError::Length(_) => "На такой срок тариф не продаётся. Выберите другой срок.",
        QuoteError::NothingChanges => "Это уже так: менять нечего.",
        QuoteError::NotActive => "Сейчас нет действующей подписки. Сначала оформите её.",
        QuoteError::AlreadyActive => "Подписка уже действует. Её можно изменить ниже.",
        QuoteError::PaymentOverdue => "Сначала оплатите счёт за следующий период.",
        QuoteError::Cancels => "Подписка отменена и закончится вместе с периодом. Сначала возобновите её.",
        QuoteError::UnderReview => "Подписку проверяет наш сотрудник. Пока её нельзя изменить.",
        QuoteError::NextPeriodPaid => {
            "Следующий период уже оплачен. Изменить подписку можно будет, когда он начнётся."
        }
        QuoteError::Amount(_) => {
            "Сумма больше, чем можно оплатить одним платежом. Уменьшите число мест или срок."
        }
    };
    text.to_owned()
}

const fn change_refusal_ru(error: ChangeRefusal) -> &'static str {
    match error {
        ChangeRefusal::NothingToCancel => "Отменять нечего: оплаченной подписки нет.",
        ChangeRefusal::AlreadyCancelled => "Подписка уже отменена.",
        ChangeRefusal::NothingToRestore => "Возобновлять нечего: подписка не отменена или уже закончилась.",
        ChangeRefusal::WrongState(_) => {
            "Сейчас это невозможно: состояние подписки изменилось. Проверьте её и повторите."
        }
        ChangeRefusal::OutOfRange(_) => {
            "Сумма или дата вне допустимых пределов. Уменьшите число мест или срок."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_by_its_last_digits() {
        assert_eq!(card(Some("430000******0777")).replace('\u{a0}', " "), "карта •••• 0777");
        for other in [None, Some(""), Some("777"), Some("T-Pay"), Some("карта")] {
            assert_eq!(card(other), "сохранённая карта", "{other:?}");
        }
    }

    #[test]
    fn a_period_ends_with_the_day_before_its_boundary() {
        let until = NaiveDate::from_ymd_opt(2027, 3, 1).unwrap();
        assert_eq!((last_day(until).as_str(), day(until).as_str()), ("28.02.2027", "01.03.2027"));
        assert_eq!(moment("2027-02-28T21:30:00Z".parse().unwrap()), "01.03.2027, 00:30 МСК");
    }
}
