//! Text of a document about VAT.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::russian::roubles;

/// `Без НДС`, or the rate and the VAT in the total.
pub(super) fn vat_line(rate: VatRate, total: Kopecks) -> String {
    match (rate.percent(), rate.included_in(total)) {
        (Some(percent), Ok(Some(vat))) => format!("В том числе НДС {percent} %: {}", roubles(vat)),
        _ => "Без НДС".to_owned(),
    }
}
