//! Effect of the form before, as the page tells it.

/// Effect of the form before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// A change that costs nothing now.
    Applied,
    /// A cancellation.
    Cancelled,
    /// The revocation of a cancellation.
    Restored,
    /// A change that waited is withdrawn.
    Withdrawn,
    /// The card is unlinked.
    Unlinked,
    /// An invoice is discarded.
    Discarded,
    SeatFreed,
}

impl Done {
    const ALL: [Self; 7] = [
        Self::Applied,
        Self::Cancelled,
        Self::Restored,
        Self::Withdrawn,
        Self::Unlinked,
        Self::Discarded,
        Self::SeatFreed,
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Cancelled => "cancelled",
            Self::Restored => "restored",
            Self::Withdrawn => "withdrawn",
            Self::Unlinked => "unlinked",
            Self::Discarded => "discarded",
            Self::SeatFreed => "seat-freed",
        }
    }

    /// Query that selects the notice of the page.
    pub(super) fn query(self) -> String {
        format!("?done={}", self.code())
    }

    /// The effect of this code.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.code() == code)
    }

    /// Text of the notice, in Russian.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Applied => "Готово, изменение принято.",
            Self::Cancelled => "Подписка отменена. Списаний больше не будет.",
            Self::Restored => "Подписка возобновлена.",
            Self::Withdrawn => "Запланированное изменение отменено.",
            Self::Unlinked => {
                "Карта отвязана: с неё больше ничего не спишется, и уже запланированные списания отменены. Списание, которое \
                 банк уже проводит, может завершиться."
            }
            Self::Discarded => "Счёт отозван, платить по нему не нужно.",
            Self::SeatFreed => "Место свободно: его займёт первый, кто откроет виджет.",
        }
    }
}
